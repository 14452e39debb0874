"""Writes Secrets through the Kubernetes API, from inside a cluster."""

import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiohttp

from compose.local.home import OperatorError

API: Final = "https://kubernetes.default.svc"
ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # where a pod finds its token
FIELD_MANAGER: Final = "autograph"  # the API removes fields that this manager no longer applies
TIMEOUT_SECONDS: Final = 30.0


class SecretRefused(OperatorError):
    """The API's message, which names the Secret and contains no values."""


class SecretClient:
    def __init__(self, http: aiohttp.ClientSession, folder: str) -> None:
        self._http = http
        self._folder = folder

    async def apply(self, name: str, values: Mapping[str, str]) -> None:
        """Makes the Secret hold *values*, by server-side apply. Raises ``Refused``.

        Creates it if it is missing, which needs the right to create. Safe to repeat.
        """
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            # Not stringData: the API does not track its ownership, and would keep entries that are no longer applied.
            "data": {key: base64.b64encode(value.encode()).decode("ascii") for key, value in values.items()},
        }
        async with self._http.patch(
            f"{self._folder}/{quote(name, safe='')}",
            params={"fieldManager": FIELD_MANAGER, "force": "true"},  # take over ownership
            json=body,  # JSON is valid YAML
            headers={"Content-Type": "application/apply-patch+yaml"},
        ) as answer:
            if not answer.ok:
                raise SecretRefused(f"Kubernetes refuses Secret {name} ({answer.status}): {await _error_text(answer)}")


@asynccontextmanager
async def open_secrets(api: str = API, account: Path = ACCOUNT) -> AsyncIterator[SecretClient]:
    """For the pod's own namespace, with its service account. Raises ``OperatorError`` outside a cluster."""
    try:
        token = (account / "token").read_text("ascii").strip()
        namespace = (account / "namespace").read_text("ascii").strip()
        tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
    except OSError as error:
        raise OperatorError(f"This runs in a pod that has a service account's token ({error})") from None
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(ssl=tls)
    authorized = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(connector=connector, headers=authorized, timeout=timeout) as http:
        yield SecretClient(http, f"{api}/api/v1/namespaces/{quote(namespace, safe='')}/secrets")


async def _error_text(answer: aiohttp.ClientResponse) -> str:
    """The message of a Status; a proxy in front of the API may answer with something else."""
    try:
        status = await answer.json(content_type=None)
    except ValueError:
        return answer.reason or "no reason given"
    return str(status.get("message", answer.reason)) if isinstance(status, dict) else str(answer.reason)
