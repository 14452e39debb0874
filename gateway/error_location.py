"""Finds where in a refused body the error is, for the problem document. Runs only after the body was refused."""

import json
import re
from itertools import islice

import msgspec

from chassis.parser_thread import run_in_parser_thread
from contracts.refusal import FieldError
from gateway.problems import HttpProblem, pointer_of

LOCATE_IN_THREAD_BYTES = 64 * 1024  # larger bodies are searched in a thread
MAX_TOKENS = 300_000  # examined at most, in 0.2 s; behind them only the field is named

NUL, SURROGATE, NUMBER = "nul_in_text", "lone_surrogate", "number_out_of_range"
DETAILS = {
    NUL: "must not contain the NUL character",
    SURROGATE: "must be valid Unicode: half of a surrogate pair stands alone",
    NUMBER: "must be a number that fits a 64-bit float",
}
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}\[\],]|-?[0-9][^\s,\]}]*+|NaN|-?Infinity', re.DOTALL)


async def locate_error(problem: HttpProblem, raw: bytes) -> HttpProblem:
    """*problem* with the position of the error in *raw*."""
    if problem.code not in ("malformed_json", "invalid"):
        return problem
    return (
        await run_in_parser_thread(_locate_error, problem, raw)
        if len(raw) > LOCATE_IN_THREAD_BYTES
        else _locate_error(problem, raw)
    )


def _locate_error(problem: HttpProblem, raw: bytes) -> HttpProblem:
    if problem.code == "malformed_json":
        found = find_unstorable(raw) if b"\\u" in raw else None
        if found is not None and found.code == SURROGATE:  # valid JSON syntax (RFC 8259 8.2), so not malformed
            return HttpProblem("invalid", errors=(found,))
        return HttpProblem("malformed_json", describe_malformed(raw))
    if any(error.code in DETAILS for error in problem.errors):
        found = find_unstorable(raw)
        if found is not None:
            problem.errors = tuple(
                found if error.code == found.code and f"{found.pointer}/".startswith(f"{error.pointer}/") else error
                for error in problem.errors
            )
    return problem


def find_unstorable(raw: bytes) -> FieldError | None:
    """The first text or number in *raw*, which is JSON, that PostgreSQL cannot store."""
    objects: list[bool] = []  # for each open container: True for an object, False for an array
    places: list[bytes | int] = []  # the current name or index in each
    name_next = False
    for match in islice(_TOKEN.finditer(raw), MAX_TOKENS):
        token = match[0]
        match token[:1]:
            case b"{" | b"[" as opening:
                name_next = opening == b"{"
                objects.append(name_next)
                places.append(b'""' if name_next else 0)
            case b"}" | b"]":
                name_next = False
                if objects:
                    objects.pop()
                    places.pop()
            case b",":
                if objects:
                    name_next = objects[-1]
                    place = places[-1]
                    places[-1] = place + 1 if isinstance(place, int) else place
            case _:
                if name_next:
                    places[-1] = token
                    name_next = False
                code = _unstorable_code(token)
                if code is not None:
                    return FieldError(pointer=pointer_of(map(_name, places)), code=code, detail=DETAILS[code])
    return None


def _unstorable_code(token: bytes) -> str | None:
    try:
        if token.startswith(b'"'):
            return _unstorable_text(token) if b"\\u" in token else None
        return None if token.isdigit() or abs(float(token)) < float("inf") else NUMBER
    except ValueError:
        return None  # not JSON at all


def _unstorable_text(token: bytes) -> str | None:
    if b"\\u0000" in token.replace(b"\\\\", b""):
        return NUL
    try:
        json.loads(token, strict=False).encode()
    except UnicodeEncodeError:
        return SURROGATE
    return None


def _name(place: bytes | int) -> str:
    if isinstance(place, int):
        return str(place)
    try:
        name = str(json.loads(place, strict=False))
    except ValueError:
        return "?"
    return name.encode("utf-8", "replace").decode()


def describe_malformed(raw: bytes) -> str:
    """The syntax error and its position; never the text there, which may be secret."""
    if not raw.strip():
        return "The body is empty"
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"Not UTF-8 at {_line_and_column(raw, error.start)}"
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        found = re.fullmatch(r"JSON is malformed: (.*) \(byte (\d+)\)", str(error))
        if found is None:
            return f"The JSON ends early, at {_line_and_column(raw, len(raw))}"
        offset = int(found[2]) - found[1].startswith("trailing characters")  # it has read the first of these
        return f"{found[1].capitalize()} at {_line_and_column(raw, offset)}"
    except RecursionError:
        return "Nested too deep"
    return "Not JSON"


def _line_and_column(raw: bytes, offset: int) -> str:
    """Both from 1; columns count bytes."""
    line, column = raw.count(b"\n", 0, offset) + 1, offset - raw.rfind(b"\n", 0, offset)
    return f"line {line}, column {column}"
