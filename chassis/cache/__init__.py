"""The leased cache: entries may be lost, but a stale entry is never returned.

Gateways read and fill entries through a `CacheReader`. Each process that changes the cached data is a `CacheMember` of
its owner (its PostgreSQL schema) and invalidates the entries. Once `CacheMember.invalidate` has returned, no reader
returns the old value. Why this holds:

- A fill succeeds only under the epoch and the generation that its read returned, and an invalidation deletes both the
  entry and the generation. So a value that was fetched before an invalidation cannot be filled after it.
- A read succeeds only while every member of the owner has a valid lease; the read's script checks that. A member that
  cannot reach Redis waits until its lease has expired. From then on no read succeeds until the member renews its lease
  or is removed; both change the epoch, which is part of every key.
- The members are recorded in PostgreSQL, since Redis may lose its list. Before a member joins or renews its lease, the
  recorded members that Redis lacks were added there, as expired. A removal deletes the record before it changes the
  epoch; so a member that still finds its record after its commit knows that every later fill has seen that commit.
- Leases are measured by Redis's clock, which may be set. Set forward, leases expire early, which costs hits. Set back,
  they would last longer than their members assume: each script that reads leases detects that, by an expiry that is
  further ahead than a lease is long or by a time that is before the last one seen, and ends all leases.

It needs one Redis server without a replica for failover and without snapshots: either could restore deleted entries.
"""

from chassis.cache.member import ALL_ENTRIES, CacheMember
from chassis.cache.reader import CacheReader, Entry, FillToken, Hit, LookupResult, Miss, Unchanged
from chassis.cache.timing import Timing

__all__ = [
    "ALL_ENTRIES",
    "CacheMember",
    "CacheReader",
    "Entry",
    "FillToken",
    "Hit",
    "LookupResult",
    "Miss",
    "Timing",
    "Unchanged",
]
