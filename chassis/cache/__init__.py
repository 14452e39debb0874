"""The leased cache: Redis may forget, but must not lie.

Gateways read and fill entries through a `CacheReader`; each process that changes what they hold is a `CacheMember` of
its owner (its Postgres schema) and invalidates them. Once `CacheMember.invalidate` has returned, no reader answers with
what was before. Why this holds:

- A fill counts only under the epoch and the generation that its read was given, and an invalidation deletes both the
  entry and the generation. So a value that was fetched before an invalidation cannot be filled after it.
- Readers are answered only while every member of the owner has a living lease, checked in the read itself. A member
  that cannot tell Redis waits until its lease is over; from then on nobody reads, until it comes back or is removed,
  and both raise the epoch, which is part of every key.
- Who is a member is on record in Postgres, since Redis may lose its list. Whoever joins or renews has put the recorded
  members that Redis lacks back into it, as lapsed. A removal deletes the record before it raises the epoch; so a member
  that still finds its record after its commit knows that whatever is filled after its removal has seen that commit.
- Leases are counted by Redis's clock, and that may be set. Set ahead, leases are over early, which costs hits. Set
  back, they would last longer than their members count on: each script that looks at leases finds that out, by an end
  further ahead than a lease can be or a time that was seen before, and ends them all.

It takes one Redis without a replica to fail over to and without snapshots: either could bring back what was deleted.
"""

from chassis.cache.member import ALL_ENTRIES, CacheMember
from chassis.cache.reader import CacheReader, Entry, LookupResult, Hit, Miss, FillToken
from chassis.cache.timing import Timing

__all__ = ["ALL_ENTRIES", "CacheMember", "CacheReader", "Entry", "Found", "Hit", "Miss", "Timing", "Token"]
