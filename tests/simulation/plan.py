"""What is to happen in one run: drawn from a seed, or by Hypothesis, which can make it smaller."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """What goes wrong, at one operation of the run: an operation is any way to or from a server."""

    KILL = "kill"  # the process whose operation it is, there and then
    CUT = "cut"  # its connections to the broker: what it has in hand goes to others while it goes on
    FREEZE = "freeze"  # that process, for seconds
    SLOW = "slow"  # this operation alone
    BROKER_RESTARTS = "broker restarts"
    POSTGRES_CRASHES = "postgres crashes"
    REDIS_EMPTIED = "redis emptied"
    REDIS_AWAY = "redis away"
    CONFIRM_LOST = "confirm lost"  # of the next publish that the broker takes
    NOT_TAKEN = "not taken"  # the next publish, and its confirm is missing as well
    DOUBLED = "doubled"  # the next message is in its queue twice
    REORDERED = "reordered"  # the next deliveries of each queue come in any order


@dataclass(frozen=True, slots=True)
class Fault:
    kind: Kind
    at: int  # the number of the operation


class Step(StrEnum):
    CREATE = "create"
    CHANGE = "change"  # whatever the revision is
    CHANGE_EXPECTED = "change expected"  # if it is still the one that the client knows
    READ = "read"


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int  # of how long each operation takes, and of which message comes next
    clients: tuple[tuple[Step, ...], ...]
    faults: tuple[Fault, ...]


CLIENTS = 3
STEPS = 6
FAULTS = 6
OPERATIONS = 400  # a run without faults takes some three hundred


def plan_of(seed: int) -> Plan:
    random = Random(seed)  # noqa: S311 - a simulation
    steps = list(Step)
    clients = tuple(
        (Step.CREATE, *(random.choice(steps) for _ in range(random.randint(1, STEPS)))) for _ in range(CLIENTS)
    )
    faults = tuple(
        Fault(random.choice(list(Kind)), random.randint(1, OPERATIONS)) for _ in range(random.randint(1, FAULTS))
    )
    return Plan(seed, clients, faults)
