"""A few mutants with each push; all of them by night, with `make mutants`."""

from collections.abc import Iterator

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.run import Copy, copied
from tests.mutants.table import MUTANTS


@pytest.fixture(scope="module")
def copy() -> Iterator[Copy]:
    with copied() as copy:
        yield copy


@pytest.mark.slow("runs a suite on a copy that has a bug")
# That the suites pass without a mutant is for them to show: they are part of this run.
@pytest.mark.parametrize(
    "mutant", [mutant for mutant in MUTANTS if mutant.is_quick], ids=lambda mutant: mutant.name.replace(" ", "-")
)
def test_the_suite_notices_that(mutant: Mutant, copy: Copy) -> None:
    survived = copy.survives(mutant)
    assert not survived, survived
