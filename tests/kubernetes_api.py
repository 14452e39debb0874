"""The part of Kubernetes' API that hands out Secrets, as its reference describes server-side apply.

https://kubernetes.io/docs/reference/using-api/server-side-apply/: a manager owns the fields that it applied; those
that it does not apply any more are removed, those of another manager are a conflict unless forced.
"""

import base64
import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMESPACE, TOKEN = "team-a", "the-pods-token"


@dataclass
class Secret:
    data: dict[str, str]
    owners: dict[str, str] = field(default_factory=dict)  # key → manager


@dataclass
class KubernetesApi:
    """*may_patch*: the names on which the pod's role has the verb; it has no other."""

    url: str
    account: Path
    may_patch: set[str]
    may_create: bool = False
    secrets: dict[str, Secret] = field(default_factory=dict)

    def values(self, name: str) -> dict[str, str]:
        return {key: base64.b64decode(value).decode() for key, value in self.secrets[name].data.items()}

    async def patch(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _status(401, "Unauthorized")
        if name not in self.may_patch or (name not in self.secrets and not self.may_create):
            verb = "create" if name in self.may_patch else "patch"
            return _status(403, f'secrets "{name}" is forbidden: User "system:serviceaccount" cannot {verb} resource')
        if request.content_type != "application/apply-patch+yaml":
            return _status(415, "the body of the request was in an unknown format")
        manager = request.query.get("fieldManager")
        if not manager:
            return _status(422, "fieldManager: Required value: is required for apply patch")
        body = json.loads(await request.text())
        if (body.get("apiVersion"), body.get("kind"), body["metadata"]["name"]) != ("v1", "Secret", name):
            return _status(400, "the object is not the one that the path names")
        return self._apply(name, body.get("data", {}), manager, force=request.query.get("force") == "true")

    def _apply(self, name: str, data: dict[str, str], manager: str, *, force: bool) -> web.Response:
        for value in data.values():
            base64.b64decode(value, validate=True)
        created = name not in self.secrets
        secret = self.secrets.setdefault(name, Secret({}))
        foreign = {
            key for key, value in data.items()
            if secret.owners.get(key, manager) != manager and secret.data[key] != value
        }  # fmt: skip
        if foreign and not force:
            return _status(409, f"Apply failed with {len(foreign)} conflicts")
        for key in [key for key, owner in secret.owners.items() if owner == manager and key not in data]:
            del secret.data[key], secret.owners[key]
        secret.data |= data
        secret.owners |= dict.fromkeys(data, manager)
        return web.json_response({"kind": "Secret", "metadata": {"name": name}}, status=201 if created else 200)


@asynccontextmanager
async def kubernetes_api(folder: Path, *, may_patch: set[str]) -> AsyncIterator[KubernetesApi]:
    """*folder* gets what a pod finds of its service account."""
    account = folder / "account"
    account.mkdir()
    (account / "token").write_text(TOKEN + "\n", "ascii")
    (account / "namespace").write_text(NAMESPACE, "ascii")
    certificate, key = account / "ca.crt", folder / "key.pem"
    _certify(certificate, key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    app = web.Application()
    runner = web.AppRunner(app, access_log=None)
    api = KubernetesApi("", account, may_patch)
    app.add_routes([web.patch(f"/api/v1/namespaces/{NAMESPACE}/secrets/{{name}}", api.patch)])
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        host, port = runner.addresses[0][:2]
        api.url = f"https://{host}:{port}"
        yield api
    finally:
        await runner.cleanup()


def _certify(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _status(code: int, message: str) -> web.Response:
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    return web.json_response(body, status=code)
