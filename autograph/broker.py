"""RabbitMQ's management API, as far as the operator's command needs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import aiohttp

from chassis.bus.permissions import NOTHING, Rights

TIMEOUT_SECONDS = 30.0
CLOSE_SECONDS = 10.0
POLL_SECONDS = 0.2


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

    async def bind(self, exchange: str, destination: str, routing_key: str, *, to_exchange: bool = False) -> None:
        path = ("bindings", self.vhost, "e", exchange, "e" if to_exchange else "q", destination)
        async with self._http.post(self._url(path), json={"routing_key": routing_key}) as answer:
            answer.raise_for_status()

    async def unbind(self, binding: dict[str, Any]) -> None:
        """*binding*: as the API gave it."""
        source, destination, kind = binding["source"], binding["destination"], binding["destination_type"][0]
        await self.delete("bindings", self.vhost, "e", source, kind, destination, binding["properties_key"])

    async def delete(self, *path: str) -> None:
        async with self._http.delete(self._url(path)) as answer:
            if answer.status != 404:  # noqa: PLR2004 - gone already
                answer.raise_for_status()

    async def make_vhost(self) -> None:
        await self.put("vhosts", self.vhost, body={})

    async def make_user(self, name: str, password: str) -> None:
        await self.put("users", name, body={"password": password, "tags": ""})

    async def grant(self, rights: Rights) -> None:
        """All of a user's rights here: what was granted before and is not among them is gone.

        Topics come first: one without an entry allows every key.
        """
        topics = await self.get("vhosts", self.vhost, "topic-permissions")
        if any(one["user"] == rights.user and one["exchange"] not in rights.topics for one in topics):
            # They can be deleted only all at once: meanwhile it may write nothing.
            await self._permit(rights.user, NOTHING, NOTHING, NOTHING)
            await self.delete("topic-permissions", self.vhost, rights.user)
        for exchange, (write, read) in rights.topics.items():
            await self.put(
                "topic-permissions", self.vhost, rights.user,
                body={"exchange": exchange, "write": write, "read": read},
            )  # fmt: skip
        await self._permit(rights.user, rights.configure, rights.write, rights.read)

    async def _permit(self, user: str, configure: str, write: str, read: str) -> None:
        body = {"configure": configure, "write": write, "read": read}
        await self.put("permissions", self.vhost, user, body=body)

    async def close_connections(self, user: str) -> None:
        """Raises ``TimeoutError`` if some of *user*'s are still there after ten seconds."""
        async with asyncio.timeout(CLOSE_SECONDS):
            while names := [one["name"] for one in await self.get("connections", "username", user)]:
                for name in names:
                    await self.delete("connections", name)
                await asyncio.sleep(POLL_SECONDS)

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
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    # Quoted slashes must stay quoted: the default virtual host is called "/".
    async with aiohttp.ClientSession(headers=authorized, timeout=timeout, requote_redirect_url=False) as http:
        yield Broker(http, f"{parts.scheme}://{address}{parts.path.rstrip('/')}/api", vhost_of(amqp_url))


def vhost_of(amqp_url: str) -> str:
    path = urlsplit(amqp_url).path
    return unquote(path[1:]) or "/"
