"""``python -m tests.mutants``: all of them, or those whose names contain one of the words; ``--list``; ``--quick``."""

import argparse
import sys
import time

from tests.mutants.mutant import Mutant
from tests.mutants.run import Copy, copied, end_of
from tests.mutants.table import MUTANTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Test the tests.")
    parser.add_argument("words", nargs="*", help="of the names of those to run")
    parser.add_argument("--quick", action="store_true", help="only those that `make test` runs")
    parser.add_argument("--only-mutants", action="store_true", help="do not run the suites without a mutant first")
    parser.add_argument("--list", action="store_true")
    asked = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if (mutant.is_quick or not asked.quick)
        and (not asked.words or any(word in mutant.name for word in asked.words))
    ]
    if asked.list:
        print(*(f"{mutant.name}: {mutant.suite.name}" for mutant in chosen), sep="\n")
        return 0
    with copied() as copy:
        wrong = [] if asked.only_mutants else _failing(chosen, copy)
        return _survivors(chosen, copy, wrong)


def _failing(mutants: list[Mutant], copy: Copy) -> list[str]:
    """The suites that fail as the code is: what they say of a mutant would be worth nothing."""
    wrong = []
    for suite in dict.fromkeys(mutant.suite for mutant in mutants):
        passes, output, seconds = copy.run(suite)
        print(f"{'passes' if passes else 'FAILS':8} {seconds:5.0f} s  {suite.name}, without a mutant", flush=True)
        if not passes:
            print(end_of(output))
            wrong.append(suite.name)
    return wrong


def _survivors(mutants: list[Mutant], copy: Copy, wrong: list[str]) -> int:
    for mutant in mutants:
        begun = time.monotonic()
        survived = copy.survives(mutant)
        print(f"{'SURVIVES' if survived else 'noticed':8} {time.monotonic() - begun:5.0f} s  {mutant.name}", flush=True)
        if survived:
            print(survived)
            wrong.append(mutant.name)
    print(f"{len(mutants)} mutants, wrong: {wrong or 'none'}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
