"""ETags and what clients and proxies make of them: If-Match on changes, If-None-Match on reads.

A tag's number is the diagram's revision, and says all. Behind it may stand the content coding of a representation
(``"3-gzip"``), by us or by a proxy that compresses (Apache, Caddy); another kind of proxy makes the tag weak (nginx,
Envoy). All of these name revision 3.
"""

import re

from aiohttp import web

from gateway.problems import HttpProblem

MAX_TAGS = 100  # of one If-Match; the contract's limit

# A revision fits 63 bits; a tag is compared octet by octet, so "03" is not "3" (RFC 9110 8.8.3.2).
_REVISION = re.compile(r'(?:W/)?"(0|[1-9][0-9]{0,17})(?:--?(?:gzip|br|zstd|deflate))?"')
# A list may have empty elements (RFC 9110 5.6.1.2).
_ELEMENT = re.compile(r'[ \t]*+((?:W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*")?[ \t]*+(?:,|\Z)')


def whole_header(http: web.Request, name: str) -> str | None:
    """All lines of that name as the one list that they are (RFC 9110 5.3)."""
    lines = http.headers.getall(name, ())
    return ", ".join(lines) if lines else None


def read_if_match(header: str | None) -> tuple[int, ...] | str | None:
    """The revisions that a change may be based on, newest first, ``*``, or None without a header.

    A tag that cannot be one of ours matches nothing, which is what revision 0 says: refused by the worker as stale,
    with the current one (RFC 9110 13.1.1). Weak tags count, although the RFC compares strongly: a proxy that
    compresses weakens ours, and clients behind it have no other. Raises ``HttpProblem`` for what is no list of tags.
    """
    if header is None:
        return None
    if header.strip() == "*":
        return "*"
    tags = _tags(header)
    if not tags or len(tags) > MAX_TAGS:
        raise HttpProblem("malformed_header", f'If-Match takes * or 1 to {MAX_TAGS} entity tags, as in If-Match: "3"')
    return tuple(sorted({_revision(tag) or 0 for tag in tags}, reverse=True))


def known_tag(if_none_match: str | None, tag: str) -> str | None:
    """The tag of what the client has already, if that is what *tag* names; by RFC 9110 13.1.2 compared weakly.

    Its own tag, so that a cache finds the stored response that is still good (RFC 9111 4.3.4).
    """
    if if_none_match is None:
        return None
    if if_none_match.strip() == "*":
        return tag
    revision = _revision(tag)
    return next((sent.removeprefix("W/") for sent in _tags(if_none_match) or () if _revision(sent) == revision), None)


def _tags(header: str) -> list[str] | None:
    """None for what is no list of entity tags."""
    tags: list[str] = []
    position = 0
    while position < len(header):
        element = _ELEMENT.match(header, position)
        if element is None:
            return None
        if element[1] is not None:
            tags.append(element[1])
        position = element.end()
    return tags


def _revision(tag: str) -> int | None:
    found = _REVISION.fullmatch(tag)
    return None if found is None else int(found[1])
