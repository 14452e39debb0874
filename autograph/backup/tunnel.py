"""A TLS tunnel to PostgreSQL for client programs without TLS support, as the launcher and the image have them.

They connect in plain text to a Unix socket that only this user can reach; the connection to the server is encrypted,
and its certificate is verified according to the URL's ``sslmode`` (libpq, "SSL Support"; asyncpg does the same).
"""

import asyncio
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from compose.local.home import OperatorError

TLS_MODES: Final = ("require", "verify-ca", "verify-full")
REQUEST: Final = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")  # SSLRequest, before anything else
ACCEPTED: Final = b"S"
PORT: Final = 5432
CONNECT_SECONDS: Final = 10.0
READ_BYTES: Final = 1 << 16
# TLS options of a URL, each with libpq's environment variable for it.
OPTIONS: Final[Mapping[str, str]] = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "sslpassword": "",
    "channel_binding": "PGCHANNELBINDING",
}
ROOT: Final = "~/.postgresql/root.crt"


@asynccontextmanager
async def without_tls(url: str) -> AsyncIterator[str]:
    """*url* if it does not require TLS, else the URL of the tunnel's socket. Raises ``OperatorError``."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    options = {name: _option(name, query) for name in OPTIONS}
    if options["sslmode"] not in TLS_MODES:
        yield url
        return
    user, at, address = parts.netloc.rpartition("@")
    if "," in address or not parts.hostname:
        raise OperatorError("a backup of a database behind TLS needs AUTOGRAPH_POSTGRES_URL to name one host")
    tunnel = _Tunnel(parts.hostname, parts.port or PORT, _context(options))
    with tempfile.TemporaryDirectory(prefix="autograph-") as folder:  # 0700
        entrance = Path(folder, f".s.PGSQL.{PORT}")
        server = await asyncio.start_unix_server(tunnel.serve, entrance)
        try:
            kept = [(name, value) for name, value in query if name not in OPTIONS]
            kept += [("host", folder), ("port", str(PORT)), ("sslmode", "disable")]
            yield urlunsplit(parts._replace(netloc=f"{user}{at}", query=urlencode(kept)))
        except OperatorError as error:
            raise tunnel.failure or error from None  # the program only knows that its connection was closed
        finally:
            server.close()
            tunnel.abort()


class _Tunnel:
    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self.failure: OperatorError | None = None
        self._host = host
        self._port = port
        self._context = context
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                from_server, to_server = await self._connect()
            self._open.add(to_server)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, to_server))
                group.create_task(_copy(from_server, writer))
        except* OSError as errors:  # ssl.SSLError and TimeoutError are among these
            self.failure = OperatorError(f"{self._host}:{self._port} cannot be reached by TLS: {errors.exceptions[0]}")
        except* OperatorError as errors:
            self.failure = OperatorError(str(errors.exceptions[0]))
        finally:
            writer.close()

    def abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(REQUEST)
        if await reader.read(len(ACCEPTED)) != ACCEPTED:
            writer.close()
            raise OperatorError(f"{self._host}:{self._port} speaks no TLS, and AUTOGRAPH_POSTGRES_URL asks for it")
        await writer.start_tls(self._context, server_hostname=self._host)
        return reader, writer


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        with suppress(OSError):
            writer.close()


def _option(name: str, query: list[tuple[str, str]]) -> str:
    return dict(query).get(name) or os.environ.get(OPTIONS[name], "")


def _context(options: Mapping[str, str]) -> ssl.SSLContext:
    """Raises ``OperatorError``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    roots = Path(options["sslrootcert"] or ROOT).expanduser()
    mode = options["sslmode"]
    try:
        if mode in {"verify-full", "verify-ca"} or roots.is_file():  # `require` verifies if there are roots
            context.check_hostname = mode == "verify-full"
            context.load_verify_locations(roots)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if options["sslcrl"]:
            context.load_verify_locations(Path(options["sslcrl"]).expanduser())
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        if options["sslcert"]:
            context.load_cert_chain(options["sslcert"], options["sslkey"] or None, options["sslpassword"] or None)
    except OSError as error:
        raise OperatorError(f"TLS to PostgreSQL: {roots} or another file that it names: {error}") from None
    return context
