"""Limits concurrent requests: how many run at once, and how many one client network may have in flight."""

from collections import Counter

from aiohttp import web

from gateway.problems import HttpProblem


class RequestSlots:
    """At most *max_running* requests run at once. One starts when its body has arrived, so slow senders block nobody.

    *max_per_network*: requests of one network, including those whose bodies still arrive; 0: unlimited.
    """

    def __init__(self, max_running: int, max_per_network: int) -> None:
        self._max_running = max_running
        self._max_per_network = max_per_network
        self._by_network: Counter[str] = Counter()
        self.in_flight = 0  # including requests whose bodies still arrive
        self.running = 0

    def enter(self, network: str) -> "RequestSlot":
        self.in_flight += 1
        self._by_network[network] += 1
        return RequestSlot(self, network)

    def check_share(self, network: str) -> None:
        if 0 < self._max_per_network < self._by_network[network]:
            raise HttpProblem(
                "unavailable", "Too many concurrent requests from one client", headers={"Retry-After": "1"}
            )

    def check_capacity(self) -> None:
        if self.running >= self._max_running:
            raise HttpProblem("unavailable", "Too many concurrent requests", headers={"Retry-After": "1"})

    def release(self, network: str, *, began: bool) -> None:
        self.in_flight -= 1
        self.running -= began
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]


class RequestSlot:
    """The slot of one request."""

    __slots__ = ("_began", "_slots", "network")

    def __init__(self, slots: RequestSlots, network: str) -> None:
        self._slots = slots
        self.network = network  # the client's
        self._began = False

    def check_share(self) -> None:
        """Raises ``HttpProblem`` (503) if its client has too many requests in flight."""
        self._slots.check_share(self.network)

    def start(self) -> None:
        """The whole request has arrived. Safe to repeat. Raises ``HttpProblem`` (503) if too many are running."""
        if not self._began:
            self._slots.check_capacity()
            self._began = True
            self._slots.running += 1

    def release(self) -> None:
        self._slots.release(self.network, began=self._began)


SLOT = web.RequestKey("place", RequestSlot)
