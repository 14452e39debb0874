"""What of a release's published names another one has not, or gives another meaning. A pure rule."""

from collections.abc import Iterator, Mapping
from typing import Any

Names = Mapping[str, Any]


def losses(before: Names, now: Names) -> list[str]:
    """Each as ``kind: name: what became of it``. New names are no loss, unless a client must use them."""
    return sorted(
        {f"{kind}: {loss}" for kind, rule in _RULES.items() for loss in rule(before.get(kind, {}), now.get(kind, {}))}
    )


def without_renamed(names: Names, renamed: Mapping[str, str]) -> dict[str, Any]:
    """*names* with its log events called as in *renamed*: what is left of them is that their fields stay."""
    events: dict[str, set[str]] = {}
    for event, fields in names["log_events"].items():
        events.setdefault(renamed.get(event, event), set()).update(fields)
    return {**names, "log_events": {event: sorted(fields) for event, fields in events.items()}}


def _gone(before: Any, now: Any, what: str = "") -> Iterator[str]:
    yield from (f"{what}{name}: gone" for name in before if name not in now)


def _same(before: Names, now: Names) -> Iterator[str]:
    yield from _gone(before, now)
    for name in before.keys() & now.keys():
        if before[name] != now[name]:
            yield f"{name}: was {before[name]}, is {now[name]}"


def _metrics(before: Names, now: Names) -> Iterator[str]:
    yield from _gone(before, now)
    for name in before.keys() & now.keys():
        old, new = before[name], now[name]
        if old["type"] != new["type"]:
            yield f"{name}: was a {old['type']}, is a {new['type']}"
        if old["labels"] != new["labels"]:
            yield f"{name}: labels were {old['labels']}, are {new['labels']}"


def _lists(before: Mapping[str, list[str]], now: Mapping[str, list[str]]) -> Iterator[str]:
    yield from _gone(before, now)
    for name in before.keys() & now.keys():
        yield from _gone(before[name], now[name], f"{name}: ")


def _http(before: Names, now: Names) -> Iterator[str]:
    yield from _gone(before, now)
    for name in before.keys() & now.keys():
        old, new = before[name], now[name]
        if old["id"] != new["id"]:
            yield f"{name}: operation {old['id']} is called {new['id']}"
        yield from _gone(old["parameters"], new["parameters"], f"{name}: parameter ")
        for parameter, need in new["parameters"].items():
            if need == "required" != old["parameters"].get(parameter):
                yield f"{name}: parameter {parameter}: required now"
        yield from _gone(old["request"], new["request"], f"{name}: request ")
        for media_type in old["request"].keys() & new["request"].keys():
            yield from _request(old["request"][media_type], new["request"][media_type], f"{name}: {media_type} ")
        yield from _gone(old["answers"], new["answers"], f"{name}: status ")
        for status in old["answers"].keys() & new["answers"].keys():
            answer, there = old["answers"][status], new["answers"][status]
            for part in ("headers", "media_types", "codes"):
                yield from _gone(answer[part], there[part], f"{name}: {status} {part} ")
            yield from _reply(answer["body"], there["body"], f"{name}: {status} ")


def _messages(before: Names, now: Names) -> Iterator[str]:
    yield from _gone(before, now)
    for name in before.keys() & now.keys():
        old, new = before[name], now[name]
        for part in ("kind", "exchange", "routing_key"):
            if old[part] != new[part]:
                yield f"{name}: {part} was {old[part]}, is {new[part]}"
        yield from _gone(old["queues"], new["queues"], f"{name}: queue ")
        rule = _reply if old["kind"] == "event" else _request
        yield from rule(old["data"], new["data"], f"{name}: data ")
        yield from _gone(old["replies"], new["replies"], f"{name}: reply ")
        for reply in old["replies"].keys() & new["replies"].keys():
            yield from _reply(old["replies"][reply], new["replies"][reply], f"{name}: reply ")


def _envelopes(before: Names, now: Names) -> Iterator[str]:
    for kind, old in before.items():
        yield from _reply(old, now.get(kind, {}), f"{kind}: ")
        yield from _request(old, now.get(kind, {}), f"{kind}: ")


def _request(before: Mapping[str, str], now: Mapping[str, str], what: str) -> Iterator[str]:
    """What was accepted still is, and nothing more is required."""
    yield from _gone(before, now, what)
    for path, text in now.items():
        types, required = _parsed(text)
        known, was_required = _parsed(before[path]) if path in before else (set(), False)
        if required and not was_required and (path in before or _parent(path) in ("", *before)):
            yield f"{what}{path}: required now"
        yield from (f"{what}{path}: no longer {one}" for one in sorted(known) if not _among(one, types))


def _reply(before: Mapping[str, str], now: Mapping[str, str], what: str) -> Iterator[str]:
    """What was there still is, and is nothing that it could not be."""
    yield from _gone(before, now, what)
    for path in before.keys() & now.keys():
        (known, was_required), (types, required) = _parsed(before[path]), _parsed(now[path])
        if was_required and not required:
            yield f"{what}{path}: not always there"
        yield from (f"{what}{path}: may be {one}" for one in sorted(types) if not _among(one, known))


def _parsed(text: str) -> tuple[set[str], bool]:
    types, _, required = text.partition(" ")
    return set(types.split("|")) - {""}, required == "required"


def _among(one: str, types: set[str]) -> bool:
    return one in types or (one.startswith("=") and "string" in types) or (one == "integer" and "number" in types)


def _parent(path: str) -> str:
    return path[:-2] if path.endswith("[]") else path.rpartition(".")[0]


def _settings(before: Mapping[str, list[str]], now: Mapping[str, list[str]]) -> Iterator[str]:
    yield from _gone(before, now)
    known = {package for packages in before.values() for package in packages}
    for name, packages in now.items():
        for package in packages:
            if package in known and package not in before.get(name, []):
                yield f"{name}: {package} does not start without it"


def _commands(before: Mapping[str, list[str]], now: Mapping[str, list[str]]) -> Iterator[str]:
    yield from _gone(before, now)
    for name in before.keys() & now.keys():
        old, new = ({option.rstrip("!"): option.endswith("!") for option in given[name]} for given in (before, now))
        yield from _gone(old, new, f"{name} ")
        yield from (f"{name} {option}: required now" for option in new if new[option] and not old.get(option, False))


_RULES = {
    "http": _http,
    "problem": lambda before, now: _reply(before, now, ""),
    "problem_members": _gone,
    "envelopes": _envelopes,
    "messages": _messages,
    "codes": _same,
    "exchanges": _same,
    "queues": _same,
    "metrics": _metrics,
    "settings": _settings,
    "log_events": _lists,
    "log_line": _gone,
    "findings": _gone,
    "alerts": _gone,
    "recorded": _gone,
    "commands": _commands,
    "command_json": _lists,
}
