"""Sections of files that people write otherwise: what stands between two marks is written by ``autograph generate``.

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
    """*text* with each section's lines written anew, indented as its marks are.

    Raises ``ValueError`` if *text* has other sections than those, or one of them twice.
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
    """What people wrote."""
    return _SECTION.sub("", text)
