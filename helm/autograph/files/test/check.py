"""What `helm test` runs: each pod says that it is ready, and each track's gateway answers as its API does.

With an account it also signs in, creates a diagram, reads it, deletes it for good, and signs out. What does not hold is
said in a sentence, with exit status 1.
"""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

OK, CREATED, DONE = 200, 201, 204
ACCOUNT = Path(os.environ.get("ACCOUNT", "/run/account"))
REQUEST_SECONDS = 30
AGAIN_AFTER_SECONDS = 2


def request(method: str, url: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    """Status, and the JSON that came with it. A refusal is an answer too."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = json.dumps(body).encode() if body is not None else None
    asked = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - the chart's own addresses
    try:
        with urllib.request.urlopen(asked, timeout=REQUEST_SECONDS) as answer:  # noqa: S310 - as above
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode(errors="replace")[:500]


def not_ready(service: str) -> str:
    """Why some pod of *service* (its headless name and port) is not; empty where all are."""
    host, _, port = service.rpartition(":")
    try:
        found = {str(address[4][0]) for address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        return f"{host}: {error}"
    for address in sorted(found):
        place = f"[{address}]" if ":" in address else address
        try:
            status, said = request("GET", f"http://{place}:{port}/health/ready")
        except OSError as error:
            return f"{host} at {address}: {error}"
        if status != OK:
            return f"{host} at {address}: {status} {said}"
    return ""


def expect(wanted: int, method: str, url: str, body: Any = None, token: str = "") -> Any:
    status, said = request(method, url, body, token)
    if status != wanted:
        raise SystemExit(f"{method} {url}: {status} instead of {wanted}: {said}")
    return said


def round_trip(gateway: str) -> None:
    account = {name: (ACCOUNT / name).read_text("utf-8").strip() for name in ("email", "password")}
    token = expect(OK, "POST", f"{gateway}/api/auth/login", account)["access_token"]
    try:
        new = {"title": "helm test", "type": "canvas", "canvas_data": {"elements": []}}
        made = expect(CREATED, "POST", f"{gateway}/api/diagrams", new, token)
        place = f"{gateway}/api/diagrams/{made['id']}"
        if expect(OK, "GET", place, token=token)["title"] != new["title"]:
            raise SystemExit(f"{place} is not what was created")
        expect(DONE, "DELETE", place, token=token)
        expect(DONE, "DELETE", f"{place}?permanent=true", token=token)
    finally:
        expect(DONE, "POST", f"{gateway}/api/auth/logout", token=token)


def main() -> None:
    deadline = time.monotonic() + float(os.environ["DEADLINE_SECONDS"])
    services = os.environ["PODS"].split()
    while waiting := [why for service in services if (why := not_ready(service))]:
        if time.monotonic() > deadline:
            raise SystemExit("\n".join(waiting))
        time.sleep(AGAIN_AFTER_SECONDS)
    say("ready:", *services)
    for gateway in os.environ["GATEWAYS"].split():
        expect(OK, "GET", f"{gateway}/api/openapi.json")
        if ACCOUNT.is_dir():
            round_trip(gateway)
        say("answers:", gateway)


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")


if __name__ == "__main__":
    main()
