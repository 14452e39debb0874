"""SQL text as its statements."""

import re
from typing import Final

# What a semicolon does not end: comments, strings, quoted names, and bodies between dollar signs.
_PART: Final = re.compile(
    r"""--[^\n]* | /\*.*?\*/ | '(?:[^']|'')*' | "(?:[^"]|"")*" | (?P<tag>\$\w*\$).*?(?P=tag) | ; | [^-/'"$;]+ | .""",
    re.DOTALL | re.VERBOSE,
)


def statements(sql: str) -> list[str]:
    """Without comments, and without the semicolons between them. Strings with backslashes (E'') are not understood."""
    found = [""]
    for part in _PART.finditer(sql):
        text = part[0]
        if text == ";":
            found.append("")
        else:
            found[-1] += " " if text.startswith(("--", "/*")) else text
    return [statement.strip() for statement in found if statement.strip()]
