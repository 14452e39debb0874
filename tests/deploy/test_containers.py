"""The containers as they run: what they are for, what they keep, and what they cannot do."""

import json
import re
import subprocess

import pytest

from contracts.version import VERSION
from tests.deploy.client import signed_in, titles
from tests.deploy.stack import Containers
from tests.eventually import eventually
from tests.manifests.compose_files import SERVERS, SERVICES
from tests.tools import ROOT

pytestmark = pytest.mark.deploy


async def test_the_doctor_finds_all_well(containers: Containers) -> None:
    async def all_well() -> bool:
        try:
            return "No problems found" in containers.operator("doctor")
        except subprocess.CalledProcessError as error:  # of a busy machine's clocks, say, which is so for a moment
            raise AssertionError(error.stdout) from None

    assert await eventually(all_well, within_seconds=60)


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_is_nobody_special_and_its_root_is_read_only(service: str, containers: Containers) -> None:
    assert containers.inside(service, "id", "-u").strip() == "10001"
    status = containers.inside(service, "cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        containers.inside(service, "touch", "/run/autograph/operator/its-own-folder")
    assert "Read-only file system" in refused.value.stderr


def test_the_image_has_no_compiler_and_no_way_to_get_one_into_what_it_runs(containers: Containers) -> None:
    for program in ("gcc", "cc", "clang", "make", "ld", "curl", "wget", "pg_dump", "/opt/autograph/bin/pip"):
        with pytest.raises(subprocess.CalledProcessError):
            containers.inside("gateway", "sh", "-c", f"command -v {program}")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_sees_its_own_credentials_and_no_others(service: str, containers: Containers) -> None:
    found = containers.inside(service, "find", "/run/autograph", "-type", "f").split()

    assert found
    assert all(file.startswith(f"/run/autograph/{service}/AUTOGRAPH_") for file in found)


@pytest.mark.parametrize("network", ["edge", "monitoring", "objects", "database", "bus"])
def test_a_server_answers_on_its_own_networks_and_from_the_edge_no_server_does(
    network: str, containers: Containers
) -> None:
    ports = dict(zip(SERVERS, (5432, 6379, 5672, 9000), strict=True))
    program = (
        "import socket, sys\n"
        "for word in sys.argv[1:]:\n"
        "    address, port = word.split('=')\n"
        "    try:\n"
        "        socket.create_connection((address, int(port)), timeout=2).close()\n"
        "        print(port)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    addresses = [
        f"{attached['IPAddress']}={ports[server]}"
        for server in SERVERS
        for attached in containers.inspect(server)["NetworkSettings"]["Networks"].values()
    ]
    image = containers.inspect("gateway")["Config"]["Image"]
    on_it = ("run", "--rm", "--network", containers.network_of(network), image)

    reached = containers.docker(*on_it, "python", "-c", program, *addresses).split()

    expected = {"edge": set(), "monitoring": {5672}, "objects": {9000}, "database": {5432}, "bus": {6379, 5672}}
    assert set(map(int, reached)) == expected[network]


def test_the_bill_of_materials_names_each_package_of_the_lock_file_that_is_installed(containers: Containers) -> None:
    bill = json.loads(containers.inside("gateway", "cat", "/usr/share/sbom/autograph.cdx.json"))
    listed = {(part["name"].lower().replace("_", "-"), part["version"]) for part in bill["components"]}
    installed = json.loads(
        containers.inside(
            "gateway", "python", "-c",
            "import json; from importlib.metadata import distributions as d;"
            "print(json.dumps([[x.name.lower().replace('_', '-'), x.version] for x in d()]))",
        )
    )  # fmt: skip

    locked = set(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    everything = {(name, version) for name, version in installed if name != "autograph"}
    assert everything <= locked
    assert everything <= {(name.replace(".", "-"), version) for name, version in listed} | listed
    assert bill["metadata"]["component"]["name"] == "autograph"


def test_the_version_in_the_image_is_the_projects(containers: Containers) -> None:
    asking = "from importlib.metadata import version; print(version('autograph'))"

    assert containers.inside("gateway", "python", "-c", asking).strip() == VERSION


async def test_passwords_of_the_services_that_are_made_anew_are_used(containers: Containers) -> None:
    before = containers.inside("auth", "cat", "/run/autograph/auth/AUTOGRAPH_POSTGRES_URL")

    renew = ("python", "-m", "compose.secret_files", "/run/autograph", "--renew", "installation")
    containers.compose("run", "--rm", "--no-deps", "-T", "secrets", *renew)
    containers.compose("up", "--no-build", "--detach", "--wait", "--force-recreate", "migrate", *SERVICES)

    assert containers.inside("auth", "cat", "/run/autograph/auth/AUTOGRAPH_POSTGRES_URL") != before
    async with signed_in(containers.address(), "grace@example.org", register=True) as client:
        assert await titles(client) == {}
