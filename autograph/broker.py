"""A client of RabbitMQ's management API."""

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
    """One virtual host, as an administrator. Methods raise ``aiohttp.ClientResponseError`` for error statuses."""

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
        """The broker's time as an HTTP date, in seconds."""
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
        """*binding*: as the API returned it."""
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
        """Sets all of a user's rights in the virtual host, and revokes others.

        Topic permissions come first: an exchange without an entry allows every routing key.
        """
        topics = await self.get("vhosts", self.vhost, "topic-permissions")
        if any(one["user"] == rights.user and one["exchange"] not in rights.topics for one in topics):
            # Topic permissions can only be deleted all at once: revoke all other rights meanwhile.
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
        """Raises ``TimeoutError`` if *user* still has connections after ten seconds."""
        async with asyncio.timeout(CLOSE_SECONDS):
            while names := [one["name"] for one in await self.get("connections", "username", user)]:
                for name in names:
                    await self.delete("connections", name)
                await asyncio.sleep(POLL_SECONDS)

    def _url(self, path: tuple[str, ...]) -> str:
        return "/".join([self._api, *(quote(part, safe="") for part in path)])


@asynccontextmanager
async def open_broker(amqp_url: str, management_url: str) -> AsyncIterator[Broker]:
    """*amqp_url* names the virtual host, *management_url* the administrator with the password."""
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
