"""RabbitMQ's management API, as far as the operator's command needs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import aiohttp

from chassis.bus.permissions import Rights

SECONDS = 30.0


class Broker:
    """One virtual host, as an administrator. Calls raise ``aiohttp.ClientResponseError`` for what is refused."""

    def __init__(self, http: aiohttp.ClientSession, api: str, vhost: str) -> None:
        self._http = http
        self._api = api
        self.vhost = vhost
        self._at = quote(vhost, safe="")

    async def get(self, *path: str) -> Any:
        async with self._http.get(self._url(path)) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def date(self) -> str:
        """Its own clock's, to the second, as RFC 9110 writes it."""
        async with self._http.get(self._url(("whoami",))) as answer:
            answer.raise_for_status()
            return answer.headers["Date"]

    async def put(self, *path: str, body: dict[str, Any]) -> None:
        async with self._http.put(self._url(path), json=body) as answer:
            answer.raise_for_status()

    async def delete(self, *path: str) -> None:
        async with self._http.delete(self._url(path)) as answer:
            if answer.status != 404:  # noqa: PLR2004 - gone already
                answer.raise_for_status()

    async def make_vhost(self) -> None:
        await self.put("vhosts", self.vhost, body={})

    async def make_user(self, name: str, password: str) -> None:
        await self.put("users", name, body={"password": password, "tags": ""})

    async def grant(self, rights: Rights) -> None:
        """All of a user's rights here: what was granted before and is not among them is gone."""
        await self.put(
            "permissions", self.vhost, rights.user,
            body={"configure": rights.configure, "write": rights.write, "read": rights.read},
        )  # fmt: skip
        for exchange, (write, read) in rights.topics.items():
            await self.put(
                "topic-permissions", self.vhost, rights.user,
                body={"exchange": exchange, "write": write, "read": read},
            )  # fmt: skip

    def _url(self, path: tuple[str, ...]) -> str:
        return "/".join([self._api, *(quote(part, safe="") for part in path)])


@asynccontextmanager
async def open_broker(amqp_url: str, management_url: str) -> AsyncIterator[Broker]:
    """*amqp_url* says which virtual host is meant, *management_url* has the administrator's name and password."""
    parts = urlsplit(management_url)
    authorized = {
        "Authorization": aiohttp.encode_basic_auth(unquote(parts.username or ""), unquote(parts.password or ""))
    }
    address = parts.netloc.rpartition("@")[2]
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    # Quoted slashes must stay quoted: the default virtual host is called "/".
    async with aiohttp.ClientSession(headers=authorized, timeout=timeout, requote_redirect_url=False) as http:
        yield Broker(http, f"{parts.scheme}://{address}{parts.path.rstrip('/')}/api", vhost_of(amqp_url))


def vhost_of(amqp_url: str) -> str:
    path = urlsplit(amqp_url).path
    return unquote(path[1:]) or "/"
