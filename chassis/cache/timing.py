"""The durations that the leased cache stands on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All members and readers of one Redis must use the same."""

    lease_seconds: float = 2.0
    renew_seconds: float = 0.5
    # For clocks that do not run at quite the same speed.
    margin_seconds: float = 0.5
    # How often a member compares Redis with the record, and how old its last comparison may be for it to renew: readers
    # bear a Postgres that is unavailable this long.
    reconcile_seconds: float = 0.5
    reconciled_for_seconds: float = 2.0
    # How long a lease must have been over before its member is removed.
    dead_after_seconds: float = 5.0
    # Between two attempts to tell Redis of an invalidation.
    retry_seconds: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.renew_seconds < self.lease_seconds:
            raise ValueError("a lease must outlast its renewals")
        if not 0 < self.reconcile_seconds < self.reconciled_for_seconds:
            raise ValueError("a comparison with the record must outlast the next one")
        if self.dead_after_seconds <= self.reconciled_for_seconds + self.lease_seconds + self.margin_seconds:
            raise ValueError("a member that Redis never met must get to tell before it is removed")

    @property
    def lease_ms(self) -> int:
        return int(self.lease_seconds * 1000)

    def blocked_at(self, lease_requested_at: float, registered_at: float) -> float:
        """From when on nobody reads what a member that is silent, but on record, has to invalidate.

        Its own lease is over by then, and so is every lease that was renewed without knowing of it.
        """
        known = registered_at + self.reconciled_for_seconds
        return max(lease_requested_at, known) + self.lease_seconds + self.margin_seconds
