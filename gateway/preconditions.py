"""ETags and what clients make of them: If-Match on changes, If-None-Match on reads."""

import re

from aiohttp import web

from gateway.problems import Problem

# A revision fits 63 bits; a tag is compared octet by octet, so "03" is not "3" (RFC 9110 8.8.3.2).
_REVISION = re.compile(r'^"(0|[1-9][0-9]{0,17})"$')
_TAG = re.compile(r'^(?:W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*"$')


def whole_header(http: web.Request, name: str) -> str | None:
    """All lines of that name as the one list that they are (RFC 9110 5.3)."""
    lines = http.headers.getall(name, ())
    return ", ".join(lines) if lines else None


def read_if_match(header: str | None) -> int | str | None:
    """The revision that a change is based on, ``*``, or None without a header.

    A tag that cannot be one of ours (weak, or not a revision) matches nothing, which is what revision 0 says: refused
    by the worker as stale, with the current one (RFC 9110 13.1.1). Raises ``Problem`` for what is not one tag.
    """
    if header is None:
        return None
    value = header.strip()
    if value == "*":
        return "*"
    revision = _REVISION.match(value)
    if revision is not None:
        return int(revision[1])
    if not _TAG.match(value):
        raise Problem("malformed_header", 'If-Match takes one entity tag, as in If-Match: "3"')
    return 0


def is_unchanged(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has what *tag* names: the weak comparison of RFC 9110 13.1.2."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return any(part.strip().removeprefix("W/") == tag for part in if_none_match.split(","))
