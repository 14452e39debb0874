"""The durations of the leased cache."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All members and readers of one Redis must use the same."""

    lease_seconds: float = 2.0
    renew_seconds: float = 0.5
    # Tolerance for clocks that run at different speeds.
    margin_seconds: float = 0.5
    # How often a member compares Redis with the record, and how old its last comparison may be when it renews. Reads
    # succeed this long while PostgreSQL is unavailable.
    reconcile_seconds: float = 0.5
    reconciled_for_seconds: float = 2.0
    # A member is removed this long after its lease has expired.
    dead_after_seconds: float = 5.0
    # Between two attempts to invalidate.
    retry_seconds: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.renew_seconds < self.lease_seconds:
            raise ValueError("a lease must outlast its renewals")
        if not 0 < self.reconcile_seconds < self.reconciled_for_seconds:
            raise ValueError("a comparison with the record must outlast the next one")
        if self.dead_after_seconds <= self.reconciled_for_seconds + self.lease_seconds + self.margin_seconds:
            raise ValueError("an invalidation must end waiting for its lease before its member is removed")

    @property
    def lease_ms(self) -> int:
        return int(self.lease_seconds * 1000)

    def blocked_at(self, lease_requested_at: float, registered_at: float) -> float:
        """From when on no read succeeds while a recorded member does not reach Redis.

        By then its own lease has expired, and so has every lease that was renewed before its record was known.
        """
        known = registered_at + self.reconciled_for_seconds
        return max(lease_requested_at, known) + self.lease_seconds + self.margin_seconds
