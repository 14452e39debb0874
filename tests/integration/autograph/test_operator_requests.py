"""What the commands that go over the bus say of a broker, and where."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from autograph import operator_requests
from autograph.installation import Installation
from compose.local.home import OperatorError
from compose.local.servers.seaweedfs import S3Account
from compose.local.stack import Servers
from contracts.auth.operator import KeyWithdrawn, WithdrawKey
from tests.brokers import prepared_vhost
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.servers import REPOSITORY, fresh_vhost

NOWHERE = S3Account("http://127.0.0.1:1", "", "")


@pytest.fixture
def silent_url() -> Iterator[str]:
    """Of a server that takes connections, and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield f"amqp://a:b@127.0.0.1:{listening.getsockname()[1]}/x"


@pytest.fixture
async def prepared(servers: Servers) -> AsyncIterator[Servers]:
    async with prepared_vhost(servers) as vhost:
        yield replace(servers, rabbitmq_url=vhost.url)


def installation(servers: Servers, secret: str = INSTALLATION_SECRET) -> Installation:
    return Installation(servers, secret)


async def said(found: Installation) -> str:
    with pytest.raises(OperatorError) as refused:
        await operator_requests.send_request_async(found, WithdrawKey(key_id="none"), KeyWithdrawn)
    return str(refused.value)


@pytest.mark.parametrize("url", ["silent", "amqp://a:b@127.0.0.1:1/x"])
async def test_a_broker_that_does_not_answer_is_not_said_to_refuse(
    url: str, silent_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_requests, "CONNECT_SECONDS", 1)
    url = silent_url if url == "silent" else url

    found = installation(Servers("", "", url, "", NOWHERE, NOWHERE))

    assert await said(found) == "RabbitMQ does not answer; nothing was changed"


async def test_a_broker_that_refuses_the_operators_user_is_said_to(
    prepared: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_requests, "CONNECT_SECONDS", 3)
    assert "refused the operator's user: `autograph migrate`" in await said(installation(prepared, "wrong"))


async def test_a_virtual_host_on_which_the_operators_user_has_no_rights_is_a_refusal(
    prepared: Servers, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_requests, "CONNECT_SECONDS", 3)
    async with fresh_vhost(servers) as other:
        found = installation(replace(prepared, rabbitmq_url=other.url))
        assert "refused the operator's user" in await said(found)


LOGS = """
import sys
from autograph import __main__
from chassis.logging import logger
log = logger("chassis.bus.link")
def app(**_):
    log.info("broker_link_up")
    log.warning("broker_link_lost")
    print("password  xyz")
__main__.app = app
__main__.main()
"""


@pytest.mark.parametrize(
    ("variables", "logged"),
    [
        ({}, ["broker_link_lost"]),
        ({"AUTOGRAPH_LOG_LEVEL": "info", "AUTOGRAPH_LOG_FORMAT": "json"}, ['"broker_link_up"', '"broker_link_lost"']),
        ({"AUTOGRAPH_LOG_LEVEL": "nonsense"}, ["broker_link_lost"]),
    ],
)
def test_what_a_command_logs_is_not_in_its_output(variables: dict[str, str], logged: list[str], tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOGS],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)} | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == "password  xyz\n"
    lines = ran.stderr.splitlines()
    assert len(lines) == len(logged)
    assert all(text in line for text, line in zip(logged, lines, strict=True))
