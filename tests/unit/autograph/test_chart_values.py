"""The chart's README says of each value what values.yaml says of it."""

import pytest
import yaml

from autograph.chart_values import BEGIN, END, tables, with_tables
from autograph.generate import CHART

VALUES = """\
# A word on the whole file.

name: ""  # of the thing

# What it is made of.
# Two lines of it.
image:
  # Where it is.
  repository: a|b  # and more
  tag: ""
  nested:  # all of it
    limits: {cpu: 1,
             memory: 2}  # behind its end
  peers:
    - {a: b}
# Of nobody else.

plain: {a: 1}  # in flow style
free: <NAME>
"""


def rows(text: str) -> dict[str, tuple[str, str]]:
    lines = [line.strip("|").split(" | ") for line in tables(text).splitlines() if line.startswith("| `")]
    return {name.strip(): (default.strip(), said.strip()) for name, default, said in lines}


def test_a_value_is_described_by_what_stands_above_and_behind_it() -> None:
    assert rows(VALUES) == {
        "`name`": ('`""`', "of the thing"),
        "`free`": ("`<NAME>`", ""),
        "`image.repository`": ("`a\\|b`", "Where it is. and more"),
        "`image.tag`": ('`""`', ""),
        "`image.nested`": ("", "all of it"),
        "`image.nested.limits`": ("`{cpu: 1, memory: 2}`", "behind its end"),
        "`image.peers`": ('`[{"a": "b"}]`', ""),
        "`plain`": ("`{a: 1}`", "in flow style"),
    }


def test_a_section_is_introduced_by_the_comment_right_above_it() -> None:
    made = tables(VALUES)

    assert "### `image`\n\nWhat it is made of. Two lines of it.\n" in made
    assert "A word on the whole file" not in made
    assert "Of nobody else" not in made


def test_what_is_written_by_hand_stays() -> None:
    readme = f"# Title\n\n{BEGIN}\nold\n{END}\nmore\n"
    made = with_tables(readme, VALUES)

    assert made.startswith("# Title\n\n")
    assert made.endswith(f"{END}\nmore\n")
    assert "old" not in made
    assert with_tables(made, VALUES) == made


def test_a_readme_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks"):
        with_tables("# Title\n", VALUES)


def test_every_value_of_the_chart_is_in_its_readme() -> None:
    text = (CHART / "values.yaml").read_text("utf-8")
    readme = (CHART / "README.md").read_text("utf-8")

    assert [name for name in yaml.safe_load(text) if f"`{name}`" not in readme] == []
    assert readme == with_tables(readme, text), "run `make gen`"
