"""Splits SQL text into statements."""

import re
from typing import Final

# Parts in which a semicolon ends no statement: comments, strings, quoted names and dollar-quoted bodies.
_PART: Final = re.compile(
    r"""--[^\n]* | /\*.*?\*/ | '(?:[^']|'')*' | "(?:[^"]|"")*" | (?P<tag>\$\w*\$).*?(?P=tag) | ; | [^-/'"$;]+ | .""",
    re.DOTALL | re.VERBOSE,
)


def statements(sql: str) -> list[str]:
    """The statements without comments and semicolons. E'' strings with backslashes are not supported."""
    found = [""]
    for part in _PART.finditer(sql):
        text = part[0]
        if text == ";":
            found.append("")
        else:
            found[-1] += " " if text.startswith(("--", "/*")) else text
    return [statement.strip() for statement in found if statement.strip()]
