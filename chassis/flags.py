"""All feature flags: what an operator may turn on or off without a new release.

Add a flag as a field with a ``Flag``; code reads ``settings.flags.<name>``. A flag that prepares a change is off by
default in one release, on in the next, and removed in the third. ``AUTOGRAPH_FLAGS`` overrides defaults.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from prometheus_client import CollectorRegistry, Gauge
from pydantic import BaseModel, ConfigDict

STATES: Final = {"on": True, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    what: str  # the behaviour while it is on
    read_by: str  # the service
    since: str  # release
    goes: str | None  # the release that removes it; None: it stays


class Flags(BaseModel):
    """Every service knows all flags, so that one ``AUTOGRAPH_FLAGS`` serves all. Unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    open_registration: Annotated[
        bool,
        Flag(
            what="Whoever reaches the gateway may make an account; while off, only producers with auth.register_user",
            read_by="auth",
            since="0.2",
            goes=None,
        ),
    ] = True
    archiving: Annotated[
        bool,
        Flag(
            what="Old content moves to the object store, and deleted diagrams' leaves it; while off both wait",
            read_by="diagram",
            since="0.2",
            goes=None,
        ),
    ] = True
    peppered_passwords: Annotated[
        bool,
        Flag(
            what="All passwords are stored under a pepper, as long ones are; no release before 0.2 can check these",
            read_by="auth",
            since="0.2",
            goes="0.4",
        ),
    ] = False

    def described(self) -> Iterator[tuple[str, bool, bool, Flag]]:
        """Name, state, default and description of each flag."""
        for name, field in type(self).model_fields.items():
            [flag] = [item for item in field.metadata if isinstance(item, Flag)]
            yield name, getattr(self, name), field.default, flag


def parse_flags(text: object) -> object:
    """Parse ``open_registration=off, archiving=on`` for ``Flags``. Raises ``ValueError`` with all mistakes."""
    if not isinstance(text, str):
        return text
    wrong = []
    found: dict[str, bool] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, state = (piece.strip() for piece in part.partition("="))
        if name not in Flags.model_fields:
            wrong.append(f"there is no flag {name!r} (there are {', '.join(Flags.model_fields)})")
        elif name in found:
            wrong.append(f"{name} is set twice")
        elif state not in STATES:
            wrong.append(f"{name} is {state!r}, and must be on or off")
        else:
            found[name] = STATES[state]
    if wrong:
        raise ValueError("; ".join(wrong))
    return found


def show_flags(flags: Flags, registry: CollectorRegistry) -> None:
    gauge = Gauge("autograph_flag_enabled", "Whether a feature flag is on here.", ("flag",), registry=registry)
    for name, state, _, _ in flags.described():
        gauge.labels(name).set(state)


def as_rows(flags: Flags) -> list[Mapping[str, Any]]:
    """A row for each flag, for tables and JSON."""
    words = {state: word for word, state in STATES.items()}
    return [
        {
            "flag": name, "state": words[state], "default": words[default], "read_by": flag.read_by,
            "since": flag.since, "goes": flag.goes, "while_on": flag.what,
        }
        for name, state, default, flag in flags.described()
    ]  # fmt: skip
