"""Run seeds again and say what came of them.

``python -m tests.simulation 4711``: one. ``--trace`` says every operation, ``--small`` leaves out of its plan what it
can break its promise without. ``--seeds 400``: one after another, until one breaks a promise. ``--theme cache``: only
those.
"""

import argparse
import sys

from tests.simulation.plan import THEMES, Plan, plan_of, smaller
from tests.simulation.run import Result, simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from the first on")
    parser.add_argument("--theme", choices=THEMES, help="only seeds of this theme")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args()
    every = 1 if asked.theme is None else len(THEMES)
    first = asked.seed if asked.theme is None else asked.seed + THEMES.index(asked.theme)
    for seed in range(first, first + asked.seeds * every, every):
        plan = plan_of(seed)
        result = simulate(plan)
        if asked.seeds == 1 or result.violations:
            if asked.small and result.violations:
                plan = _small(plan, result)
                result = simulate(plan)
            _say(plan, result, trace=asked.trace)
        if result.violations:
            return 1
    return 0


def _small(plan: Plan, result: Result) -> Plan:
    promises = {violation.promise for violation in result.violations}
    return smaller(plan, lambda candidate: promises <= {one.promise for one in simulate(candidate).violations})


def _say(plan: Plan, result: Result, *, trace: bool) -> None:
    if trace:
        print(*result.trace, sep="\n")
    print(f"seed {plan.seed}", *plan.clients, *plan.faults, dict(result.fired), dict(result.seen), sep="\n")
    print(f"{len(result.trace)} operations, {len(result.history.commands)} commands", *result.violations, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
