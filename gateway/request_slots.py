"""Places for requests: how many are carried out at once, and how many one client may have in hand."""

from collections import Counter

from aiohttp import web

from gateway.problems import HttpProblem


class RequestSlots:
    """*most* requests are carried out at once, from when their bodies are there: slow senders take no slots of others.

    *most_of_one*: requests of one network, also while their bodies arrive; 0: as many as it likes.
    """

    def __init__(self, max_running: int, max_per_network: int) -> None:
        self._max_running = max_running
        self._max_per_network = max_per_network
        self._by_network: Counter[str] = Counter()
        self.in_flight = 0  # bodies that arrive included
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
    """One request's."""

    __slots__ = ("_began", "_slots", "network")

    def __init__(self, slots: RequestSlots, network: str) -> None:
        self._slots = slots
        self.network = network  # the client's
        self._began = False

    def check_share(self) -> None:
        """Raises ``HttpProblem`` (503) if its client has more in hand than its share."""
        self._slots.check_share(self.network)

    def start(self) -> None:
        """All of the request is there. Safe to repeat. Raises ``HttpProblem`` (503) if too many are carried out."""
        if not self._began:
            self._slots.check_capacity()
            self._began = True
            self._slots.running += 1

    def release(self) -> None:
        self._slots.release(self.network, began=self._began)


SLOT = web.RequestKey("place", RequestSlot)
