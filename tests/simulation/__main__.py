"""Run one seed again and say what came of it: ``python -m tests.simulation 4711``; ``--trace`` says every operation."""

import sys

from tests.simulation.plan import plan_of
from tests.simulation.run import simulate

if __name__ == "__main__":
    plan = plan_of(int(sys.argv[1]))
    result = simulate(plan)
    if "--trace" in sys.argv:
        print(*result.trace, sep="\n")
    print(*plan.clients, *plan.faults, dict(result.fired), sep="\n")
    print(f"{len(result.trace)} operations, {len(result.history.commands)} commands", *result.violations, sep="\n")
    sys.exit(bool(result.violations))
