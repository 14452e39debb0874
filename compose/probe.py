"""``probe.py live`` or ``ready``: asks the process of this container, whichever it is, at its side port.

It runs every few seconds in every container: the standard library only, and no more of it than is needed.
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
    """That of the service in *command*, as /proc shows it; ``None`` for what has none (a migration, say)."""
    words = command.split("\0")
    found = [port for module, port in SIDE_PORTS.items() if module in words]
    return int(os.environ.get("AUTOGRAPH_SIDE_PORT") or found[0]) if found else None


def status(port: int, question: str) -> int:
    """What the side port answers. Raises ``OSError`` if nobody does."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET /health/{question} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode("ascii"))
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else 0


def main(question: str, command: str) -> int:
    port = side_port(command)
    if port is None:
        return 0  # that it runs is all there is to know
    try:
        return 0 if status(port, question) == 200 else 1  # noqa: PLR2004 - HTTP's OK
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path("/proc/1/cmdline").read_text(encoding="utf-8")))
