"""How the migration stands to install and upgrade, what it is told, and that pods wait for just what it hands out."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from autograph.settings_page import programs
from chassis.settings import Settings, read
from tests.kubernetes_api import Secret, kubernetes_api
from tests.manifests.chart import NAME, VALUES, Manifest, matches, of_kind, render

HOOK = "helm.sh/hook"
OF_OPERATORS = {"username": "administrator", "password": "operators-own", "REDIS_PASSWORD": "caches-own"}


def parts(manifests: tuple[Manifest, ...]) -> list[Manifest]:
    return [
        found
        for found in manifests
        if found["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "migrate"
    ]


def hooks(manifests: tuple[Manifest, ...]) -> list[Manifest]:
    """Of installing and upgrading; those of `helm test` are run by nothing else."""
    found = [(one, one["metadata"].get("annotations", {}).get(HOOK, "test")) for one in manifests]
    return [one for one, hook in found if hook != "test"]


def job(manifests: tuple[Manifest, ...]) -> Manifest:
    (found,) = of_kind(manifests, "Job").values()
    return found


@pytest.mark.parametrize("values", VALUES)
def test_at_first_the_migration_runs_beside_the_engines_and_waits_for_nothing_but_them(values: str) -> None:
    manifests = render(values)

    assert {found["kind"] for found in parts(manifests)} >= {"Job", "ServiceAccount"}
    # A hook of an installation would wait for engines that are installed after it, or for pods that wait for it.
    assert not hooks(manifests)
    assert job(manifests)["spec"]["backoffLimit"] > 0
    assert job(manifests)["spec"]["activeDeadlineSeconds"] > 0


@pytest.mark.parametrize("values", VALUES)
def test_an_upgrade_migrates_before_anything_else_of_it_with_all_that_it_takes(values: str) -> None:
    manifests = render(values, "--is-upgrade")
    found_hooks = hooks(manifests)
    weights = {found["kind"]: int(found["metadata"]["annotations"]["helm.sh/hook-weight"]) for found in found_hooks}

    assert found_hooks == parts(manifests)
    assert {found["metadata"]["annotations"][HOOK] for found in found_hooks} == {"pre-upgrade"}
    assert all(weight < weights["Job"] for kind, weight in weights.items() if kind != "Job")
    assert "NetworkPolicy" in weights or values == "dev"
    assert weights.get("RoleBinding", -9) > weights.get("Role", -10)


@pytest.mark.parametrize("values", VALUES)
def test_what_an_upgrades_migration_takes_is_gone_with_it_and_its_log_stays(values: str) -> None:
    for found in parts(render(values, "--is-upgrade")):
        policy = found["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(",")
        assert "before-hook-creation" in policy
        assert ("hook-succeeded" in policy) == (found["kind"] != "Job")


def test_hooks_never_have_the_name_of_a_part_of_the_release() -> None:
    """Helm removes what an upgrade does not have any more, by its name: also if a hook of that name was just made."""
    for values in VALUES:
        before = {(found["kind"], found["metadata"]["name"]) for found in render(values)}
        later = {(found["kind"], found["metadata"]["name"]) for found in parts(render(values, "--is-upgrade"))}
        assert not before & later


def test_another_releases_migration_is_another_job_and_the_same_one_is_the_same() -> None:
    """For whoever applies what `helm template` writes: a Job cannot be changed."""
    same, other = render(), render("default", "--set", "image.tag=0.3.0")
    more = render("default", "--set", "gateway.replicas=5")

    assert job(same)["metadata"]["name"] != job(other)["metadata"]["name"]
    assert job(same)["metadata"]["name"] == job(more)["metadata"]["name"]


@pytest.mark.parametrize("values", VALUES)
def test_only_the_migration_is_told_an_administrators_secrets(values: str) -> None:
    manifests = render(values)
    spec = job(manifests)["spec"]["template"]["spec"]
    (secret,) = [volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume]

    for found in of_kind(manifests, "Deployment").values():
        assert f"'{secret}'" not in str(found)
        assert "superuser" not in str(found)
        assert "default-user" not in str(found)


@pytest.mark.parametrize("how", [(), ("--is-upgrade",)])
def test_the_migration_may_fill_the_services_secrets_and_do_nothing_else(how: tuple[str, ...]) -> None:
    manifests = render("production", *how)
    (role,), (binding,) = of_kind(manifests, "Role").values(), of_kind(manifests, "RoleBinding").values()

    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [f"{NAME}-auth", f"{NAME}-diagram", f"{NAME}-gateway"],
            "verbs": ["patch"],
        }
    ]
    assert set(role["rules"][0]["resourceNames"]) <= of_kind(manifests, "Secret").keys(), "and they are there to fill"
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    account = job(manifests)["spec"]["template"]["spec"]["serviceAccountName"]
    assert [subject["name"] for subject in binding["subjects"]] == [account]
    assert account in of_kind(manifests, "ServiceAccount")


@pytest.mark.parametrize("values", ["external", "blue-green"])
def test_where_secrets_come_from_elsewhere_the_migration_may_do_nothing_in_kubernetes(values: str) -> None:
    manifests = render(values)

    assert of_kind(manifests, "Role") == {}
    assert "credentials" not in str(job(manifests)["spec"]["template"]["spec"]["containers"][0]["command"])


@pytest.mark.parametrize(("values", "image"), [("canary", "0.3.0"), ("blue-green", "0.3.0"), ("default", "0.2.0")])
def test_the_newest_release_of_all_tracks_migrates(values: str, image: str) -> None:
    containers = job(render(values))["spec"]["template"]["spec"]["containers"]

    assert [container["image"].rpartition(":")[2] for container in containers] == [image]


def test_secrets_in_values_stand_in_the_cluster_only_for_a_migration() -> None:
    first, upgrade = render("dev"), render("dev", "--is-upgrade")

    assert "AUTOGRAPH_INSTALLATION_SECRET" in of_kind(first, "Secret")[f"{NAME}-migrate"]["stringData"]
    hook = of_kind(upgrade, "Secret")[f"{NAME}-upgrade"]
    assert "hook-succeeded" in hook["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    assert f"{NAME}-migrate" not in of_kind(upgrade, "Secret")


def environment_of(container: Manifest, secret: dict[str, str], folder: Path) -> dict[str, str]:
    """As the kubelet makes it: files of the Secret, entries of others, and ``$(NAME)`` of what stands before."""
    for name, value in secret.items():
        (folder / name).write_text(value, "utf-8")
    made: dict[str, str] = {}
    for entry in container["env"]:
        if "valueFrom" in entry:
            made[entry["name"]] = OF_OPERATORS[entry["valueFrom"]["secretKeyRef"]["key"]]
        else:
            value = entry["value"].replace("/run/autograph/", f"{folder}/")
            made[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda match: made[match[1]], value)
    return made


def administrators(spec: Manifest) -> dict[str, str]:
    (items,) = [volume["secret"]["items"] for volume in spec["volumes"] if "secret" in volume]
    known = {
        "AUTOGRAPH_POSTGRES_URL": "postgresql://admin:admins-own@db/autograph",
        "AUTOGRAPH_REDIS_URL": "redis://:caches-own@cache/0",
        "AUTOGRAPH_RABBITMQ_URL": "amqp://admin:admins-own@broker/autograph",
        "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": "http://admin:admins-own@broker:15672",
    }
    return {item["key"]: known.get(item["key"], f"{item['key']}-own" * 2) for item in items}


@pytest.mark.parametrize("values", ["default", "dev", "production", "scale", "canary"])
async def test_the_services_start_on_what_the_migration_hands_out(
    values: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = render(values)
    spec: Any = job(manifests)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (tmp_path / "admin").mkdir()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AUTOGRAPH_")}
    given = environment_of(container, administrators(spec), tmp_path / "admin")
    (role,) = of_kind(manifests, "Role").values()
    async with kubernetes_api(tmp_path, may_patch=set(role["rules"][0]["resourceNames"])) as api:
        api.secrets |= {name: Secret({}) for name in of_kind(manifests, "Secret")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *container["command"], "--api", api.url, "--account", str(api.account),
            env=plain | given | {"PYTHONPATH": str(Path.cwd())}, cwd=tmp_path, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, complaint = await process.communicate()
        assert process.returncode == 0, complaint.decode()

        for name, found in of_kind(manifests, "Deployment").items():
            pod: Any = found["spec"]["template"]["spec"]
            folder = tmp_path / name
            folder.mkdir()
            (volume,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
            handed = api.values(volume["secretName"])
            wanted = {item["key"] for item in volume["items"]}
            assert wanted == set(handed), f"{name} waits for all of them, and would not miss one more"
            environment = environment_of(pod["containers"][0], handed, folder)
            config = pod["containers"][0]["envFrom"][0]["configMapRef"]["name"]
            with monkeypatch.context() as patch:
                patch.chdir(tmp_path)
                for variable, value in (of_kind(manifests, "ConfigMap")[config]["data"] | environment).items():
                    patch.setenv(variable, value)
                settings: Settings = read(programs()[found["metadata"]["labels"]["app.kubernetes.io/component"]])
            assert settings.profile == "kubernetes"
            assert "admins-own" not in json.dumps(handed)
            assert "operators-own" not in json.dumps(handed)


@pytest.mark.parametrize("values", ["dev", "production"])
def test_operators_engines_are_addressed_as_the_operators_name_them(values: str, tmp_path: Path) -> None:
    manifests = render(values)
    spec = job(manifests)["spec"]["template"]["spec"]
    made = environment_of(spec["containers"][0], administrators(spec), tmp_path)

    assert made["AUTOGRAPH_POSTGRES_URL"] == (
        f"postgresql://administrator:operators-own@{NAME}-postgres-rw:5432/autograph"
    )
    assert made["AUTOGRAPH_RABBITMQ_URL"] == f"amqp://administrator:operators-own@{NAME}-rabbitmq:5672/%2F"
    assert made["AUTOGRAPH_RABBITMQ_MANAGEMENT_URL"] == f"http://administrator:operators-own@{NAME}-rabbitmq:15672"
    assert made["AUTOGRAPH_REDIS_URL"] == f"redis://:caches-own@{NAME}-redis:6379/0"
    referred = {
        entry["valueFrom"]["secretKeyRef"]["name"] for entry in spec["containers"][0]["env"] if "valueFrom" in entry
    }
    redis = "autograph-administrator" if values == "production" else f"{NAME}-redis-password"
    assert referred == {f"{NAME}-postgres-superuser", f"{NAME}-rabbitmq-default-user", redis}


def test_the_engines_that_hold_what_people_made_outlive_the_release() -> None:
    for kind in ("Cluster", "RabbitmqCluster"):
        (engine,) = of_kind(render("production"), kind).values()
        assert engine["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_migrations_pods_are_nobodys_backend() -> None:
    manifests = render()
    labels = job(manifests)["spec"]["template"]["metadata"]["labels"]

    assert not [
        name for name, found in of_kind(manifests, "Service").items() if matches(labels, found["spec"]["selector"])
    ]
