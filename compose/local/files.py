"""A home's small JSON files: written atomically, and validated when read."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


class FileDamaged(Exception):
    """The file exists but its content is not valid; the message says how."""


def read(path: Path, form: TypeAdapter[T]) -> T | None:
    """``None``: there is no such file. Raises ``Damaged``, and ``OSError`` if it cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if not content.strip(b"\0 \r\n\t"):
        raise FileDamaged("it is empty")
    try:
        parsed = json.loads(content)
    except ValueError:
        raise FileDamaged("it is not JSON, or ends early") from None
    try:
        return form.validate_python(parsed)
    except ValidationError as error:
        place = "/".join(
            map(str, error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"])
        )
        raise FileDamaged(f"{place or 'its content'} is not what it must be") from None


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Atomic, also across a crash or power failure: readers see the old content or the new."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # so that the new name is on disk too
    finally:
        os.close(folder)
