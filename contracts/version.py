"""The release, as the documents of the API and the bus, logs and health name it; ``pyproject.toml`` has the same."""

VERSION = "0.2.0"
