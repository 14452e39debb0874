"""Sections of files that people write otherwise."""

import pytest

from autograph.sections import with_sections, without_sections

FILE = """\
mine: 1
  # begin parts: written by `make gen` from contracts/services.py
  old: 1
  # end parts
mine: 2
# begin names: written by `make gen` from contracts/services.py
# end names
"""


def test_a_section_is_written_anew_as_far_in_as_its_marks_and_the_rest_stays() -> None:
    written = with_sections(FILE, {"parts": "a:\n  b: 1\n\nc: 2", "names": ""})

    assert written == FILE.replace("  old: 1\n", "  a:\n    b: 1\n\n  c: 2\n")
    assert with_sections(written, {"parts": "old: 1", "names": ""}) == FILE


def test_what_people_wrote_is_what_is_in_no_section() -> None:
    assert without_sections(FILE).split("\n") == ["mine: 1", "", "mine: 2", "", ""]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (FILE, {"parts": ""}),
        (FILE, {"parts": "", "names": "", "more": ""}),
        (FILE.replace("  # end parts\n", ""), {"parts": "", "names": ""}),
        (FILE + FILE, {"parts": "", "names": ""}),
    ],
    ids=["one too many", "one is missing", "one does not end", "twice"],
)
def test_a_file_with_other_sections_is_refused(text: str, wanted: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="there are the sections"):
        with_sections(text, wanted)
