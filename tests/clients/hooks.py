"""Loaded by schemathesis."""

from typing import Any

import schemathesis

# What is refused because of earlier requests (a key that was used for another one, a tag that is stale, a cursor of
# another list) says nothing of the description, nor does what is only accepted: tests of our own try these.
LEFT_OUT = ("Idempotency-Key", "If-Match", "Prefer", "cursor")


@schemathesis.hook  # type: ignore[untyped-decorator]  # schemathesis is in an environment of its own
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            operation["parameters"] = [one for one in operation.get("parameters", ()) if one["name"] not in LEFT_OUT]
