"""Places for requests: how many are carried out at once, and how many one client may have in hand."""

from collections import Counter

from aiohttp import web

from gateway.problems import Problem


class Places:
    """*most* requests are carried out at once, from when their bodies are there: slow senders take no places of others.

    *most_of_one*: requests of one network, also while their bodies arrive; 0: as many as it likes.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._of_networks: Counter[str] = Counter()
        self.in_hand = 0  # bodies that arrive included
        self.carried_out = 0

    def enter(self, network: str) -> "Place":
        self.in_hand += 1
        self._of_networks[network] += 1
        return Place(self, network)

    def hold_share(self, network: str) -> None:
        if 0 < self._most_of_one < self._of_networks[network]:
            raise Problem("unavailable", "Too many requests of one client at once", headers={"Retry-After": "1"})

    def hold_room(self) -> None:
        if self.carried_out >= self._most:
            raise Problem("unavailable", "Too many requests at once", headers={"Retry-After": "1"})

    def left(self, network: str, *, began: bool) -> None:
        self.in_hand -= 1
        self.carried_out -= began
        self._of_networks[network] -= 1
        if not self._of_networks[network]:
            del self._of_networks[network]


class Place:
    """One request's."""

    __slots__ = ("_began", "_places", "network")

    def __init__(self, places: Places, network: str) -> None:
        self._places = places
        self.network = network  # the client's
        self._began = False

    def hold_share(self) -> None:
        """Raises ``Problem`` (503) if its client has more in hand than its share."""
        self._places.hold_share(self.network)

    def begin(self) -> None:
        """All of the request is there. Safe to repeat. Raises ``Problem`` (503) if too many are carried out."""
        if not self._began:
            self._places.hold_room()
            self._began = True
            self._places.carried_out += 1

    def leave(self) -> None:
        self._places.left(self.network, began=self._began)


PLACE = web.RequestKey("place", Place)
