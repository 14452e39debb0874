"""Limits concurrent requests: how many run at once, and how many one client network may have in flight."""

from aiohttp import web

from gateway.problems import HttpProblem


class RequestSlots:
    """At most *max_running* requests run at once. One starts when its body has arrived, so slow senders block nobody.

    *max_per_network*: requests of one network, including those whose bodies still arrive; 0: unlimited.
    """

    __slots__ = ("by_network", "in_flight", "max_per_network", "max_running", "running")

    def __init__(self, max_running: int, max_per_network: int) -> None:
        self.max_running = max_running
        self.max_per_network = max_per_network
        self.by_network: dict[str, int] = {}
        self.in_flight = 0  # including requests whose bodies still arrive
        self.running = 0


class RequestSlot:
    """The slot of one request, from its creation until ``release``."""

    __slots__ = ("_began", "_slots", "network")

    def __init__(self, slots: RequestSlots, network: str) -> None:
        self._slots = slots
        self._began = False
        self.network = network  # the client's
        slots.in_flight += 1
        slots.by_network[network] = slots.by_network.get(network, 0) + 1

    def check_share(self) -> None:
        """Raises ``HttpProblem`` (503) if its client has too many requests in flight."""
        if 0 < self._slots.max_per_network < self._slots.by_network[self.network]:
            raise HttpProblem(
                "unavailable", "Too many concurrent requests from one client", headers={"Retry-After": "1"}
            )

    def start(self) -> None:
        """The whole request has arrived. Safe to repeat. Raises ``HttpProblem`` (503) if too many are running."""
        if self._began:
            return
        if self._slots.running >= self._slots.max_running:
            raise HttpProblem("unavailable", "Too many concurrent requests", headers={"Retry-After": "1"})
        self._began = True
        self._slots.running += 1

    def release(self) -> None:
        slots, network = self._slots, self.network
        slots.in_flight -= 1
        slots.running -= self._began
        left = slots.by_network[network] - 1
        if left:
            slots.by_network[network] = left
        else:
            del slots.by_network[network]


SLOT = web.RequestKey("place", RequestSlot)
