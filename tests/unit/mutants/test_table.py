"""Each mutant still is one: whoever moves the code that it changes anchors it anew."""

import ast

import pytest

from tests.mutants.mutant import ROOT, DoesNotApply, Edit, Mutant
from tests.mutants.table import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_each_mutant_still_applies(mutant: Mutant) -> None:
    for edit in mutant.edits:
        applied = edit.applied(ROOT)
        if edit.file.endswith(".py"):
            ast.parse(applied)


def test_no_two_mutants_have_one_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("old", ["no such text", "import "])
def test_an_edit_of_what_is_not_there_once_is_refused(old: str) -> None:
    with pytest.raises(DoesNotApply):
        Edit("chassis/outbox.py", old, "").applied(ROOT)
