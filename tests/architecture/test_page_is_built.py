"""The committed page is that of the sources. ``tests/web/test_bundle.py`` builds it again; this takes no Node.js."""

import hashlib
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
WEB = REPOSITORY / "web"
# As web/build/emit.ts has them.
SOURCES = (
    "index.html",
    "mermaid-frame.html",
    "api-docs.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
)
FOLDERS = ("build", "public", "src")


def test_the_page_was_built_from_the_sources_as_they_are() -> None:
    paths = [WEB / name for name in SOURCES]
    paths += [path for folder in FOLDERS for path in (WEB / folder).rglob("*") if path.is_file()]
    names = sorted(path.relative_to(WEB).as_posix() for path in paths)
    digest = hashlib.sha256()
    for name in names:
        if not name.endswith((".test.ts", ".test.tsx")):
            content = hashlib.sha256((WEB / name).read_bytes()).hexdigest()
            digest.update(f"{content}  {name}\n".encode())
    built = (REPOSITORY / "gateway" / "page" / "source.sha256").read_text().strip()
    assert built == digest.hexdigest(), "web/ has changed since the page was built: make web"
