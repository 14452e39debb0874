"""``probe.py live`` or ``ready``: queries the side port of this container's process.

It runs every few seconds in every container, so it imports as little as possible.
"""

import os
import socket
import sys
from pathlib import Path

# begin side ports: written by `make gen` from contracts/services.py
SIDE_PORTS = {
    "gateway": 9080,
    "workers.auth": 8085,
    "workers.diagram": 8082,
}
# end side ports
TIMEOUT_SECONDS = 4.0


def side_port(command: str) -> int | None:
    """The side port of the service in *command* (from /proc); None if it has none (a migration, for example)."""
    words = command.split("\0")
    found = [port for module, port in SIDE_PORTS.items() if module in words]
    return int(os.environ.get("AUTOGRAPH_SIDE_PORT") or found[0]) if found else None


def status(port: int, question: str) -> int:
    """The HTTP status of the side port. Raises ``OSError`` if it does not answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET /health/{question} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode("ascii"))
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else 0


def main(question: str, command: str) -> int:
    port = side_port(command)
    if port is None:
        return 0  # a running process is all that can be checked
    try:
        return 0 if status(port, question) == 200 else 1  # noqa: PLR2004 - HTTP's OK
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path("/proc/1/cmdline").read_text(encoding="utf-8")))
