"""Preconditions: If-Match on changes, If-None-Match on reads, including ETags that proxies have modified.

A tag is the diagram's revision, perhaps followed by the content coding of the representation (``"3-gzip"``), which the
gateway or a compressing proxy adds (Apache, Caddy). Other proxies make the tag weak (nginx, Envoy). All of these name
revision 3.
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
    """All header lines with that name, joined to one list (RFC 9110 5.3)."""
    lines = http.headers.getall(name, ())
    return ", ".join(lines) if lines else None


def read_if_match(header: str | None) -> tuple[int, ...] | str | None:
    """The revisions that a change may be based on, newest first, ``*``, or None without a header.

    A tag that the gateway cannot have issued becomes revision 0, which the worker refuses as stale (RFC 9110 13.1.1).
    Weak tags count, although the RFC compares strongly: clients behind a compressing proxy see only weak ones.
    Raises ``HttpProblem`` for a malformed list.
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
    """The client's tag that matches *tag* (weak comparison, RFC 9110 13.1.2), or None.

    Returns it as the client sent it, so that a cache finds the stored response to keep (RFC 9111 4.3.4).
    """
    if if_none_match is None:
        return None
    if if_none_match.strip() == "*":
        return tag
    revision = _revision(tag)
    return next((sent.removeprefix("W/") for sent in _tags(if_none_match) or () if _revision(sent) == revision), None)


def known_revisions(if_none_match: str | None) -> tuple[str, ...]:
    """The revisions whose tags the client has; none for ``*``, which names no revision."""
    if if_none_match is None:
        return ()
    found = (_revision(tag) for tag in _tags(if_none_match) or ())
    return tuple(str(revision) for revision in found if revision is not None)[:MAX_TAGS]


def revision_of(tag: str) -> str:
    """The revision in a tag of ours; empty for another."""
    revision = _revision(tag)
    return "" if revision is None else str(revision)


def _tags(header: str) -> list[str] | None:
    """None for a malformed list of entity tags."""
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
