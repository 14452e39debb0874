"""The compose files say what they promise: validated by Docker Compose and compose-lint, then by rules of ours."""

import re
from pathlib import Path
from typing import Any

import pytest

from autograph.installation import Installation
from autograph.service_credentials import service_credentials
from autograph.settings import OperatorSettings
from autograph.settings_page import settings_of
from chassis.lifecycle import CLOSE_SECONDS
from compose.local.servers.seaweedfs import S3Account
from compose.local.stack import Servers
from compose.secret_files import NAMES, operators
from compose.secret_files import servers as server_files
from contracts.services import SERVICES as ENTRIES
from contracts.services import Engine, entry, max_connections, needing
from tests.manifests.compose_files import (
    COMPOSE,
    DEVELOPMENT,
    FOLDER,
    JOBS,
    OURS,
    SERVERS,
    SERVICES,
    compose,
    config,
    rendered,
    services,
)
from tests.tools import ROOT, run, tool

SETTINGS = {service.name: settings_of(service) for service in ENTRIES}
LONG_RUNNING = [name for name in services() if name not in JOBS]
OTHERS = [name for name in services() if name not in OURS]
ACCOUNT = S3Account("http://s3:9000", "key", "secret")
INSTALLATION = Installation(
    servers=Servers("postgresql://p/a", "redis://r", "amqp://b/a", "http://b", ACCOUNT, ACCOUNT),
    secret="i" * 32, own_secrets={service.name: "s" * 32 for service in ENTRIES if service.own_secret},
)  # fmt: skip


# Validated by the tools themselves


@pytest.mark.parametrize("files", [(ROOT / "compose.yaml",), (COMPOSE,), (COMPOSE, DEVELOPMENT)])
def test_docker_compose_accepts_the_files_without_a_word(files: tuple[Path, ...]) -> None:
    assert set(SERVERS) | set(OURS) <= set(services(*files))


def test_up_in_the_checkouts_folder_is_the_whole_stack() -> None:
    whole = rendered(ROOT / "compose.yaml")

    assert whole["name"] == rendered(COMPOSE)["name"]
    for part in ("services", "networks", "volumes"):
        assert set(whole[part]) == set(rendered(COMPOSE)[part])


def test_compose_lint_finds_nothing(tmp_path: Path) -> None:
    configuration = str(FOLDER / ".compose-lint.yml")
    strictly = ("check", "--strict-config", "--fail-on", "low", "--quiet", "--no-env", "--config", configuration)
    both = tmp_path / "compose.yaml"
    both.write_text(config(COMPOSE, DEVELOPMENT), encoding="utf-8")

    for file in (COMPOSE, both):
        done = run(tool("compose-lint"), *strictly, str(file))
        assert (done.returncode, done.stderr.replace(f"compose-lint {_lint_version()}\n", "")) == (0, ""), done.stdout


def _lint_version() -> str:
    return run(tool("compose-lint"), "--version").stdout.split()[-1]


def changed(tmp_path: Path, before: str, after: str) -> Path:
    text = COMPOSE.read_text(encoding="utf-8")
    assert before in text
    file = tmp_path / "compose.yaml"
    file.write_text(text.replace(before, after, 1), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("restart: unless-stopped", "restrat: unless-stopped", "restrat"),
        ("condition: service_healthy", "condition: service_happy", "condition"),
        ("interval: 30s", "interval: often", "interval"),
        ("memory: 512M", "memory: plenty", "memory"),
        ("postgres-secrets:/run", "postgres-secret:/run", "postgres-secret"),
        ("networks: [objects]", "networks: [object]", "object"),
    ],
)
def test_docker_compose_refuses_a_wrong_value(before: str, after: str, complaint: str, tmp_path: Path) -> None:
    done = compose("-f", str(changed(tmp_path, before, after)), "config", "--quiet")

    assert done.returncode != 0
    assert complaint in done.stderr


@pytest.mark.parametrize("variable", ["AUTOGRAPH_HTTP_PORT", "AUTOGRAPH_GRAFANA_PORT", "AUTOGRAPH_PROMETHEUS_PORT"])
def test_a_port_that_is_none_is_refused(variable: str, tmp_path: Path) -> None:
    own = tmp_path / "env"
    own.write_text(f"{variable}=eighty\n", encoding="utf-8")

    done = compose("-f", str(COMPOSE), "config", "--quiet", env_file=own)

    assert done.returncode != 0
    assert "eighty" in done.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("read_only: true", "privileged: true"),
        ("cap_drop: [ALL]", "cap_add: [ALL]"),
        ("networks: [database]\n    shm_size", "network_mode: host\n    shm_size"),
    ],
)
def test_compose_lint_refuses_what_would_open_the_host(before: str, after: str, tmp_path: Path) -> None:
    done = run(tool("compose-lint"), "check", "--fail-on", "medium", str(changed(tmp_path, before, after)))

    assert done.returncode == 1


# Held to by looking


@pytest.mark.parametrize("name", OTHERS)
def test_an_image_that_is_not_ours_is_named_by_version_and_digest(name: str) -> None:
    assert re.fullmatch(r"[a-z/]+:v?[0-9][0-9.]+[a-z-]*@sha256:[0-9a-f]{64}", services()[name]["image"])


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_health_is_asked_every_30_seconds_and_three_failures_count(name: str) -> None:
    check = services()[name]["healthcheck"]

    assert (check["interval"], check["retries"]) == ("30s", 3)
    assert check["start_interval"] in {"2s", "5s"}  # so that starting does not take the 30 s


@pytest.mark.parametrize("name", services())
def test_what_is_depended_on_is_healthy_or_done_and_never_merely_started(name: str) -> None:
    wanted = {other: said["condition"] for other, said in services()[name].get("depends_on", {}).items()}

    assert wanted == {
        other: "service_completed_successfully" if other in JOBS else "service_healthy" for other in wanted
    }


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_starts_before_the_migration(name: str) -> None:
    assert "migrate" in services()[name]["depends_on"]


@pytest.mark.parametrize("name", services())
def test_a_container_is_nobody_special_and_cannot_change_its_image(name: str) -> None:
    found = services()[name]

    assert int(found["user"].partition(":")[0]) > 0
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert "cap_add" not in found
    assert found["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", services())
def test_a_container_has_limits(name: str) -> None:
    limits = services()[name]["deploy"]["resources"]["limits"]

    assert 0 < float(limits["cpus"]) <= 1  # more than a machine has is refused
    assert 0 < int(limits["memory"]) <= 2 << 30
    assert 0 < limits["pids"] <= 400


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_runs_for_long_comes_back_and_its_log_does_not_fill_the_disk(name: str) -> None:
    found = services()[name]

    assert found["restart"] == "unless-stopped"
    assert found["logging"]["options"] == {"max-size": "10m", "max-file": "5"}


def seconds(text: str) -> float:
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text).groups()  # type: ignore[union-attr]  # as rendered
    return int(minutes or 0) * 60 + int(rest or 0)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_time_that_its_drain_and_its_closing_may_take(name: str) -> None:
    fields = SETTINGS[name].model_fields
    grace = fields["drain_grace_seconds"].default if "drain_grace_seconds" in fields else 0

    allowed = seconds(services()[name]["stop_grace_period"])
    assert allowed > fields["drain_seconds"].default + grace + CLOSE_SECONDS


def members(network: str) -> set[str]:
    return {name for name, found in services().items() if network in found.get("networks", {})}


def test_the_edge_reaches_the_gateway_and_nothing_else() -> None:
    assert members("edge") == {"gateway"}


def test_servers_are_on_networks_without_a_way_in_or_out() -> None:
    inner = {name for name, found in rendered()["networks"].items() if found.get("internal")}

    assert inner == {"bus", "database", "objects", "monitoring"}
    for server in SERVERS:
        assert set(services()[server]["networks"]) <= inner


def names(engine: Engine) -> set[str]:
    return {service.name for service in needing(engine)}


def test_postgres_takes_the_connections_of_all_pools() -> None:
    assert f"max_connections={max_connections()}" in services()["postgres"]["command"]


def test_each_server_is_reached_by_those_that_use_it() -> None:
    assert members("database") == {"postgres", *names(Engine.POSTGRES), "migrate", "operator"}
    assert members("objects") == {"s3", *names(Engine.S3), "migrate", "operator"}
    assert members("bus") == {"redis", "rabbitmq", *SERVICES, "migrate", "operator"}


def test_whatever_has_metrics_is_where_prometheus_is() -> None:
    assert {*SERVICES, "rabbitmq", "prometheus"} <= members("monitoring")


def test_only_the_gateway_and_the_operators_pages_are_published_and_on_this_machine_only() -> None:
    published = {name: found["ports"] for name, found in services().items() if "ports" in found}

    assert {name: [port["target"] for port in ports] for name, ports in published.items()} == {
        "gateway": [8080], "prometheus": [9090], "grafana": [3000], "mail": [8025],
    }  # fmt: skip
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}


def named_volumes(name: str) -> dict[str, dict[str, Any]]:
    return {volume["source"]: volume for volume in services()[name].get("volumes", ()) if volume["type"] == "volume"}


def test_what_must_not_be_lost_is_in_a_volume() -> None:
    where = {"postgres": "/var/lib/postgresql", "rabbitmq": "/var/lib/rabbitmq", "s3": "/data"}

    for server, target in where.items():
        assert named_volumes(server)[f"{server}-data"]["target"] == target
    assert not [volume for volume in named_volumes("redis") if not volume.endswith("-secrets")]  # keeps nothing


def test_only_the_operator_sees_backups_and_only_it_and_the_migration_have_its_image() -> None:
    targets = {name: (services()[name]["image"], services()[name]["build"]["target"]) for name in OURS}

    assert [name for name in services() if "backups" in named_volumes(name)] == ["operator"]
    administrators = ("autograph-operator:local", "operator")
    assert targets == {
        name: administrators if name in ("migrate", "operator") else ("autograph:local", "application") for name in OURS
    }


@pytest.mark.parametrize("name", services())
def test_no_secret_is_in_an_environment(name: str) -> None:
    environment = services()[name].get("environment") or {}

    assert not [
        variable
        for variable in environment
        if re.search("PASSWORD|SECRET|KEY|(POSTGRES|REDIS|RABBITMQ|MANAGEMENT)_URL", variable)
        and not variable.endswith("_FILE")
    ]


@pytest.mark.parametrize("name", [*SERVICES, *OTHERS])
def test_a_container_mounts_its_own_secrets_only_and_cannot_change_them(name: str) -> None:
    kinds = ("-secrets", "-credentials")
    secret = {source: volume for source, volume in named_volumes(name).items() if source.endswith(kinds)}

    assert set(secret) <= {f"{name}{kind}" for kind in kinds}
    assert all(volume["read_only"] for volume in secret.values())


def files_named(name: str) -> dict[str, str]:
    environment = services()[name].get("environment") or {}
    found = {variable: value for variable, value in environment.items() if variable.endswith("_FILE")}
    return {variable.removesuffix("_FILE"): value for variable, value in found.items()}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_reads_each_file_that_is_handed_to_it(name: str) -> None:
    assert files_named(name) == {
        variable: f"/run/autograph/{name}/{variable}" for variable in service_credentials(INSTALLATION, name)
    }


@pytest.mark.parametrize("name", ["migrate", "operator"])
def test_an_administrators_job_reads_each_file_that_is_made_for_it(name: str) -> None:
    made = operators(dict.fromkeys(NAMES, "x"))

    assert files_named(name) == {variable: f"/run/autograph/operator/{variable}" for variable in made}


def test_each_server_is_told_of_a_file_that_is_made_for_it() -> None:
    for file in server_files(dict.fromkeys(NAMES, "x")):
        server, _, name = file.partition("/")
        found = services()[server]
        said = [*(found.get("command") or ()), *(found.get("environment") or {}).values()]
        folder = named_volumes(server)[f"{server}-secrets"]["target"]
        assert any(f"{folder}/{name}" in word or word == folder for word in said), file


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_run_as_the_launcher_runs_it_and_at_its_agreed_side_port(name: str) -> None:
    found = services()[name]

    assert found["command"] == ["python", "-m", entry(name).module]
    assert found["environment"]["AUTOGRAPH_SIDE_PORT"] == str(entry(name).side_port)


@pytest.mark.parametrize("name", [*SERVICES, "migrate", "operator"])
def test_each_setting_that_is_given_exists(name: str) -> None:
    fields = SETTINGS.get(name, OperatorSettings).model_fields
    variables = [variable for variable in services()[name]["environment"] if variable.startswith("AUTOGRAPH_")]

    assert not [
        variable
        for variable in variables
        if variable.removeprefix("AUTOGRAPH_").removesuffix("_FILE").lower() not in fields
    ]


def mounted_paths() -> list[Path]:
    every = [volume for found in services(COMPOSE, DEVELOPMENT).values() for volume in found.get("volumes", ())]
    return sorted({Path(volume["source"]) for volume in every if volume["type"] == "bind"})


@pytest.mark.parametrize("path", mounted_paths(), ids=lambda path: str(path.relative_to(ROOT)))
def test_each_folder_that_is_mounted_is_there(path: Path) -> None:
    assert path.is_dir()


# .env.example, and the override for development


def example() -> dict[str, str]:
    lines = (FOLDER / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_example_has_the_defaults_of_all_that_the_files_ask_for() -> None:
    text = COMPOSE.read_text("utf-8") + DEVELOPMENT.read_text("utf-8")
    asked = dict(re.findall(r"\$\{(AUTOGRAPH_[A-Z_]+):-([^}]*)\}", text))
    settings = {name: value for name, value in example().items() if name not in asked}

    assert asked.items() <= example().items()
    fields = {name: field for kind in SETTINGS.values() for name, field in kind.model_fields.items()}
    for variable, value in settings.items():
        default = fields[variable.removeprefix("AUTOGRAPH_").lower()].default
        assert value == ("" if default in (None, ()) else str(default)), variable


def test_a_copy_of_the_example_changes_nothing(tmp_path: Path) -> None:
    own = tmp_path / "env"
    own.write_text((FOLDER / ".env.example").read_text("utf-8"), encoding="utf-8")

    assert config(env_file=own) == config()


@pytest.mark.parametrize("name", SERVICES)
def test_in_development_a_service_restarts_when_code_that_it_runs_is_saved(name: str) -> None:
    found = services(COMPOSE, DEVELOPMENT)[name]
    own = ROOT / Path(*entry(name).module.split("."))
    watched = {(rule["action"], rule["path"]) for rule in found["develop"]["watch"]}

    restarting = {("restart", str(folder)) for folder in (own, ROOT / "chassis", ROOT / "contracts")}
    assert watched == {*restarting, ("rebuild", str(ROOT / "requirements.lock"))}
    mounted = {Path(volume["source"]) for volume in found["volumes"] if volume["type"] == "bind"}
    assert all(Path(path).exists() and {Path(path), Path(path).parent} & mounted for _, path in restarting)
