""".ci/images.py [ROOT]: the images that are pinned, held to `.ci/advisories.toml`. No network is needed.

Exit status 1, and a line for each image that has no digest, is older than the first version without a known fault, or
is not in the list at all.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADVISORIES = Path(".ci/advisories.toml")
# Where images of others are named. Ours are built from the checkout, and `audit` looks at their packages.
PLACES = ("compose/compose.yaml", "compose/compose.dev.yaml", "compose/Dockerfile", "helm/autograph/values*.yaml")
NAMED = re.compile(r"""(?:\bimage:|\bimageName:|^ARG BASE=)[ ]*["']?([\w.:/@-]+)""", re.MULTILINE)
PARTS = re.compile(r"(?:.*/)?([\w.-]+)(?::([\w.-]+))?(@sha256:[0-9a-f]{64})?")
NUMBERS = re.compile(r"v?(\d+(?:\.\d+)+)")

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Image:
    place: str
    whole: str
    name: str  # without registry and owner
    tag: str
    has_digest: bool


def pinned(root: Path) -> Iterator[Image]:
    for place in PLACES:
        for file in sorted(root.glob(place)):
            lines = [line for line in file.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
            for whole in NAMED.findall("\n".join(lines)):
                parts = PARTS.fullmatch(whole)
                name, tag, digest = parts.groups(default="") if parts else ("", "", "")
                yield Image(str(file.relative_to(root)), whole, name, tag, bool(digest))


def faults(image: Image, listed: dict[str, Any]) -> Iterator[str]:
    """What is wrong with *image*, in sentences."""
    if not image.has_digest:
        yield f"{image.whole} has no digest"
    if image.name not in listed["checked"]:
        yield f"{image.name} is not in {ADVISORIES}: look through its advisories, and add it"
    found = NUMBERS.match(image.tag)
    if found is None:
        yield f"{image.whole} has no version in its tag"
        return
    for advisory in listed["advisory"]:
        if advisory["image"] == image.name and not is_fixed(_version(found[1]), [*map(_version, advisory["fixed"])]):
            yield f"{image.whole} has {', '.join(advisory['ids'])}: fixed in {', '.join(advisory['fixed'])}"


def is_fixed(version: Version, fixed: list[Version]) -> bool:
    """Whether it is as new as its own branch's fix, or of a branch that is newer than each that needed one."""
    own = [one for one in fixed if one[:-1] == version[:-1]]
    return version >= max(own) if own else version > max(fixed)


def _version(text: str) -> Version:
    return tuple(map(int, text.split(".")))


def main(root: Path) -> int:
    listed = tomllib.loads((root / ADVISORIES).read_text("utf-8"))
    images = list(pinned(root))
    found = [f"{image.place}: {fault}" for image in images for fault in faults(image, listed)]
    print(*found or [f"{len(images)} pinned images have no fault that is listed"], sep="\n")
    return 1 if found or not images else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
