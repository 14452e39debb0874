"""Generated sections in files that people write otherwise: ``autograph generate`` writes what is between the marks.

# begin NAME: written by `make gen` from contracts/services.py
…
# end NAME
"""

import re
from collections.abc import Mapping
from typing import Final

_SECTION: Final = re.compile(
    r"^(?P<indent> *)# begin (?P<name>[a-z ]+): written by `make gen`[^\n]*\n(?P<body>.*?)^ *# end (?P=name)$",
    re.MULTILINE | re.DOTALL,
)


def with_sections(text: str, sections: Mapping[str, str]) -> str:
    """*text* with the content of each section replaced, indented like its marks.

    Raises ``ValueError`` if *text* does not have exactly these sections, each once.
    """
    found = [match["name"] for match in _SECTION.finditer(text)]
    if sorted(found) != sorted(sections):
        raise ValueError(f"there are the sections {', '.join(found)}, and not {', '.join(sections)}")

    def written(match: re.Match[str]) -> str:
        lines = sections[match["name"]].splitlines()
        body = "".join(f"{match['indent']}{line}\n" if line else "\n" for line in lines)
        before = match[0][: match.start("body") - match.start()]
        return f"{before}{body}{match[0][match.end('body') - match.start() :]}"

    return _SECTION.sub(written, text)


def without_sections(text: str) -> str:
    """The part of *text* that is written by hand."""
    return _SECTION.sub("", text)
