"""What is to happen in one run: drawn from a seed. A plan that breaks a promise can be made smaller."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """What goes wrong, at one operation of the run: an operation is any way to or from a server."""

    KILL = "kill"  # the process whose operation it is, there and then
    CUT = "cut"  # its connections to the broker: what it has in hand goes to others while it goes on
    FREEZE = "freeze"  # that process, for seconds
    SLOW = "slow"  # this operation alone
    REDIS_CUT = "redis cut off"  # from that process alone, for seconds
    BROKER_RESTARTS = "broker restarts"
    POSTGRES_CRASHES = "postgres crashes"
    REDIS_EMPTIED = "redis emptied"
    REDIS_AWAY = "redis away"  # from everybody
    CONFIRM_LOST = "confirm lost"  # of the next publish that the broker takes
    NOT_TAKEN = "not taken"  # the next publish, and its confirm is missing as well
    DOUBLED = "doubled"  # the next message is in its queue twice
    REORDERED = "reordered"  # the next deliveries of each queue come in any order
    DEADLOCK = "deadlock"  # the next claims of a message lose against another transaction
    POISON = "poison"  # the next message that is claimed fails until it is parked


@dataclass(frozen=True, slots=True)
class Fault:
    """Strikes at the first operation from the number *at* on in whose process and name all words of *where* stand."""

    kind: Kind
    at: int
    where: str = ""


class Step(StrEnum):
    CREATE = "create"
    CREATE_TOGETHER = "create together"  # several at once
    CHANGE = "change"  # whatever the revision is
    CHANGE_EXPECTED = "change expected"  # if it is still the one that the client knows
    CHANGE_STALE = "change stale"  # based on a revision that is over, which is to be refused
    READ = "read"
    WATCH = "watch"  # many reads, one after another
    WAIT = "wait"  # for about a lease
    SIGN_IN = "sign in"
    SIGN_OUT = "sign out"
    END_SESSION = "end session"
    SIGN_OUT_EVERYWHERE = "sign out everywhere"
    USE = "use"  # a session, whether or not it has ended
    USE_LONG = "use long"  # many times, one after another


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int  # of how long each operation takes, and of which message comes next
    clients: tuple[tuple[Step, ...], ...]
    faults: tuple[Fault, ...]


CLIENTS = 3
STEPS = 6
FAULTS = 6
OPERATIONS = 400  # a run without faults takes some hundreds

# Operations at which what goes wrong tells most. A few of them are rare: chance alone would hardly meet them.
PLACES = (
    "commit", "committed", "acknowledgement", "publish", "confirm", "rows", "statement group", "statement claim",
    "to redis invalidate", "from redis invalidate", "to redis read", "to redis fill", "to redis renew",
    "from redis renew", "to redis join", "to redis remove", "statement member_goes",
    "statement is_member", "delivery", "send",
)  # fmt: skip

_DIAGRAMS = (Step.CREATE, Step.CHANGE, Step.CHANGE_EXPECTED, Step.CHANGE_STALE, Step.READ)
_SESSIONS = (Step.SIGN_IN, Step.SIGN_OUT, Step.END_SESSION, Step.SIGN_OUT_EVERYWHERE, Step.USE)


@dataclass(frozen=True, slots=True)
class _Theme:
    """Runs differ in what they are about, so that what is rare altogether is common in some (swarm testing)."""

    first: Step
    steps: tuple[Step, ...]
    kinds: tuple[Kind, ...] = tuple(Kind)
    places: tuple[str, ...] = PLACES
    always: tuple[tuple[Kind, tuple[str, ...]], ...] = ()  # a fault of each such kind, at one of these places
    watches: Step | None = None  # what one client does beside the others


_CACHE_KINDS = (Kind.KILL, Kind.CUT, Kind.FREEZE, Kind.SLOW, Kind.REDIS_CUT, Kind.REDIS_EMPTIED, Kind.REDIS_AWAY)
_CACHE_PLACES = (
    "commit", "committed", "rows", "to redis", "from redis", "to redis invalidate", "to redis fill",
    "statement member_goes", "to redis remove", "from redis renew", "statement is_member",
)  # fmt: skip

_THEMES = {
    "anything": _Theme(Step.CREATE, _DIAGRAMS),
    "cache": _Theme(
        Step.CREATE,
        (Step.CHANGE, Step.CHANGE, Step.CHANGE_EXPECTED, Step.READ, Step.WAIT, Step.WATCH),
        kinds=_CACHE_KINDS,
        places=_CACHE_PLACES,
        always=((Kind.REDIS_CUT, ("to redis renew", "statement change_diagram", "commit")),),
        watches=Step.WATCH,
    ),
    "slow": _Theme(
        Step.CREATE,
        (Step.CHANGE, Step.CHANGE, Step.CHANGE_EXPECTED, Step.READ),
        kinds=(Kind.SLOW, Kind.FREEZE, Kind.DOUBLED),
        places=("diagram commit", "statement finish", "rows of diagram", "to redis fill", "to redis invalidate"),
        always=((Kind.SLOW, ("diagram commit",)), (Kind.SLOW, ("rows of diagram", "to redis fill"))),
        watches=Step.WATCH,
    ),
    "crashes": _Theme(
        Step.CREATE,
        (Step.CHANGE, Step.CHANGE, Step.CHANGE_EXPECTED, Step.READ),
        kinds=(Kind.KILL, Kind.CUT, Kind.DOUBLED),
        places=("commit", "committed", "to redis invalidate", "from redis invalidate", "send", "acknowledgement"),
        watches=Step.WATCH,
    ),
    "sessions": _Theme(
        Step.SIGN_IN,
        (*_SESSIONS, *_SESSIONS[:4], Step.WAIT),
        kinds=(*_CACHE_KINDS, Kind.DOUBLED, Kind.CONFIRM_LOST),
        places=_CACHE_PLACES,
        always=((Kind.REDIS_CUT, ("to redis renew", "statement end_session", "statement end_session", "commit")),),
        watches=Step.USE_LONG,
    ),
    "ladder": _Theme(
        Step.CREATE,
        _DIAGRAMS,
        kinds=(
            Kind.DEADLOCK,
            Kind.POISON,
            Kind.NOT_TAKEN,
            Kind.CONFIRM_LOST,
            Kind.CUT,
            Kind.KILL,
            Kind.BROKER_RESTARTS,
        ),
        places=(
            "statement claim",
            "publish",
            "to autograph.retry",
            "to autograph.parked",
            "confirm",
            "acknowledgement",
        ),
        always=(
            (Kind.DEADLOCK, ("",)),
            (Kind.POISON, ("",)),
            (Kind.NOT_TAKEN, ("to autograph.retry", "to autograph.parked")),
        ),
    ),
    "groups": _Theme(
        Step.CREATE_TOGETHER,
        (Step.CREATE_TOGETHER, Step.CREATE, Step.READ),
        kinds=(Kind.SLOW, Kind.FREEZE, Kind.DOUBLED, Kind.POSTGRES_CRASHES),
        places=("statement group", "rows of group"),
        always=((Kind.SLOW, ("statement group",)),),
    ),
}
THEMES = tuple(_THEMES)


def plan_of(seed: int) -> Plan:
    """Each theme in turn."""
    random = Random(seed)  # noqa: S311 - a simulation
    theme = _THEMES[THEMES[seed % len(THEMES)]]
    clients = [
        (theme.first, *(random.choice(theme.steps) for _ in range(random.randint(1, STEPS)))) for _ in range(CLIENTS)
    ]
    if theme.watches is not None:
        clients.append((Step.WAIT, *[theme.watches] * STEPS) if random.random() < LATE else (theme.watches,) * STEPS)
    faults = [Fault(kind, random.randint(1, OPERATIONS // 2), random.choice(places)) for kind, places in theme.always]
    for _ in range(random.randint(1, FAULTS) - len(faults)):
        where = random.choice(theme.places) if random.random() < PLACED else ""
        faults.append(Fault(random.choice(theme.kinds), random.randint(1, OPERATIONS), where))
    return Plan(seed, tuple(clients), tuple(faults))


LATE = 0.2  # of those who watch, so that they find what they have not seen before
PLACED = 0.5  # of the faults


def smaller(plan: Plan, breaks: Callable[[Plan], bool]) -> Plan:
    """Without the faults and steps that *plan* does not need to break what it breaks."""
    found = True
    while found:
        found = False
        for candidate in without_one(plan):
            if breaks(candidate):
                plan, found = candidate, True
                break
    return plan


def without_one(plan: Plan) -> Iterator[Plan]:
    """All plans with a fault, a client or a step less."""
    for number in range(len(plan.faults)):
        yield replace(plan, faults=plan.faults[:number] + plan.faults[number + 1 :])
    for number in range(len(plan.clients)):
        yield replace(plan, clients=plan.clients[:number] + plan.clients[number + 1 :])
    for client, steps in enumerate(plan.clients):
        for number in range(len(steps)):
            fewer = steps[:number] + steps[number + 1 :]
            yield replace(plan, clients=(*plan.clients[:client], fewer, *plan.clients[client + 1 :]))
