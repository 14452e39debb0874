"""A cluster as Helm looks at it while it renders: the kinds and resources that are there. Nothing can be made in it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KINDS = {
    "v1": ("ConfigMap", "Secret", "Service", "ServiceAccount"),
    "apps/v1": ("Deployment",),
    "batch/v1": ("Job",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
}


@contextmanager
def cluster(namespace: str, *there: tuple[str, str]) -> Iterator[str]:
    """Its address, while it is up. *there*: kind and name of what *namespace* has."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = _answer(self.path.partition("?")[0].strip("/").split("/"), namespace, there)
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's name
            """Nothing: what Helm asks is no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def _answer(path: list[str], namespace: str, there: tuple[tuple[str, str], ...]) -> tuple[int, dict[str, Any]]:
    match path:
        case ["version"]:
            return 200, {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
        case ["api"]:
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            return 200, {
                "kind": "APIGroupList",
                "apiVersion": "v1",
                "groups": [_group(name) for name in KINDS if "/" in name],
            }
        case ["api" | "apis", *version] if (name := "/".join(version)) in KINDS:
            return 200, {
                "kind": "APIResourceList",
                "groupVersion": name,
                "resources": [_resource(kind) for kind in KINDS[name]],
            }
        case ["api", "v1", "namespaces", space, plural, name]:
            found = [kind for kind in KINDS["v1"] if _plural(kind) == plural and (kind, name) in there]
            if space == namespace and found:
                return 200, {"apiVersion": "v1", "kind": found[0], "metadata": {"name": name, "namespace": namespace}}
    return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


def _plural(kind: str) -> str:
    return kind.lower().removesuffix("y") + ("ies" if kind.endswith("y") else "s")


def _resource(kind: str) -> dict[str, Any]:
    return {"name": _plural(kind), "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]}


def _group(group_version: str) -> dict[str, Any]:
    group, _, version = group_version.partition("/")
    named = {"groupVersion": group_version, "version": version}
    return {"name": group, "versions": [named], "preferredVersion": named}
