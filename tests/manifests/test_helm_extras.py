"""What an operator adds to pods, the backup's CronJob, and `helm test`."""

import re
from typing import Any

import pytest

from autograph.backup.command import INCOMPLETE
from tests.integration.chassis.test_private_authority import VARIABLES
from tests.manifests.chart import NAME, Manifest, of_kind, pod_specs, pods, refusal, render

BACKUP = f"{NAME}-backup"


def containers(spec: Manifest) -> list[Manifest]:
    """Ours, and not those that an operator brings whole."""
    return [one for one in (*spec.get("initContainers", ()), *spec["containers"]) if one["name"] != "proxy"]


def mounts(container: Manifest) -> dict[str, str]:
    return {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", ())}


def variables(container: Manifest) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container.get("env", ()) if "value" in entry}


@pytest.mark.parametrize("how", [(), ("--is-upgrade",)], ids=["install", "upgrade"])
def test_what_is_added_to_all_pods_is_in_each_container(how: tuple[str, ...]) -> None:
    found = dict(pod_specs(render("extras", *how)))

    assert len(found) == 6  # three services, migration, backup and test
    for name, spec in found.items():
        volumes = {volume["name"] for volume in spec["volumes"]}
        for container in containers(spec):
            assert variables(container)["TZ"] == "UTC", name
            assert (
                mounts(container).items()
                >= {"/everywhere": "everywhere", "/etc/autograph/authority": "authority"}.items()
            )
            assert set(mounts(container).values()) <= volumes, name


def test_each_library_is_told_of_the_private_authority() -> None:
    """By the variables with which the services reach engines behind TLS in tests/integration."""
    for name, spec in pod_specs(render("extras")):
        [volume] = [volume for volume in spec["volumes"] if volume["name"] == "authority"]
        assert volume["configMap"] == {
            "name": "private-authority", "items": [{"key": "authority.pem", "path": "authority.pem"}],
        }  # fmt: skip
        for container in containers(spec):
            told = {name: value for name, value in variables(container).items() if value.startswith("/etc/autograph")}
            assert told == dict.fromkeys(VARIABLES, "/etc/autograph/authority/authority.pem"), name


def test_the_private_authority_may_be_a_secret_and_is_one_of_the_two() -> None:
    for _, spec in pod_specs(render("default", "--set", "certificateAuthority.secret=ca")):
        [volume] = [volume for volume in spec["volumes"] if volume["name"] == "authority"]
        assert volume["secret"]["secretName"] == "ca"
    both = refusal("--set", "certificateAuthority.secret=a,certificateAuthority.configMap=b")
    assert "name a ConfigMap or a Secret, not both" in both


def test_nothing_is_added_where_nothing_is_said() -> None:
    for name, spec in pod_specs(render()):
        assert "authority" not in str(spec), name


def test_a_services_own_additions_are_in_its_pods_alone() -> None:
    found = dict(pod_specs(render("extras")))
    services = {f"{NAME}-{service}" for service in ("gateway", "auth", "diagram")}

    with_the_services = {name for name, spec in found.items() if "of-services" in str(spec)}
    assert with_the_services == services
    assert {name for name, spec in found.items() if "OWN" in str(spec)} == {f"{NAME}-gateway"}
    assert {name: [one["name"] for one in found[name].get("initContainers", ())] for name in services} == {
        f"{NAME}-gateway": [], f"{NAME}-auth": [], f"{NAME}-diagram": ["proxy"],
    }  # fmt: skip


def test_accounts_have_the_annotations_that_are_named_for_them() -> None:
    manifests = render("extras")
    accounts = of_kind(manifests, "ServiceAccount")
    annotated = {name: found["metadata"].get("annotations", {}) for name, found in accounts.items()}
    role = "eks.amazonaws.com/role-arn"

    assert annotated[NAME][role].endswith("role/autograph")
    assert annotated[BACKUP][role].endswith("role/backups")
    assert role not in annotated[next(name for name in accounts if "migrate" in name)]
    used = {name: spec["serviceAccountName"] for name, spec in pod_specs(manifests)}
    assert used[f"{NAME}-gateway"] == "own-account"
    assert used[f"{NAME}-auth"] == NAME
    assert used[BACKUP] == BACKUP


def cron_job(*settings: str, values: str = "production") -> Any:
    return of_kind(render(values, *(word for one in settings for word in ("--set", one))), "CronJob")[BACKUP]["spec"]


def backup_pod(spec: Manifest) -> Any:
    return spec["jobTemplate"]["spec"]["template"]["spec"]


def test_no_backup_is_made_where_none_was_asked_for() -> None:
    for kind in ("CronJob", "PersistentVolumeClaim"):
        assert of_kind(render(), kind) == {}


def test_a_backup_is_made_by_the_operators_image_into_a_volume_that_outlives_the_release() -> None:
    manifests = render("production")
    spec = backup_pod(cron_job())
    [container] = spec["containers"]
    claims = {
        one["name"]: one["persistentVolumeClaim"]["claimName"]
        for one in spec["volumes"]
        if "persistentVolumeClaim" in one
    }

    assert container["image"] == "registry.example.org/autograph-operator:0.2.0"
    assert container["command"] == ["autograph", "backup", "/backups", "--keep", "14"]
    assert claims == {"backups": BACKUP}
    claim = of_kind(manifests, "PersistentVolumeClaim")[BACKUP]
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert claim["spec"]["resources"]["requests"] == {"storage": "200Gi"}
    assert cron_job()["concurrencyPolicy"] == "Forbid"
    own = backup_pod(cron_job("backup.volume.existingClaim=mine"))
    assert "'claimName': 'mine'" in str(own["volumes"])
    assert of_kind(render("production", "--set", "backup.volume.existingClaim=mine"), "PersistentVolumeClaim") == {}


@pytest.mark.parametrize("values", ["production", "extras"])
def test_a_backup_is_told_what_the_migration_is_told_and_what_keys_are_encrypted_under(values: str) -> None:
    manifests = render(values)
    [migration] = [found["spec"]["template"]["spec"] for found in of_kind(manifests, "Job").values()]
    spec = backup_pod(of_kind(manifests, "CronJob")[BACKUP]["spec"])
    made = {entry["name"] for entry in containers(spec)[0]["env"]}
    [secret] = [volume["secret"] for volume in spec["volumes"] if volume["name"] == "administrator"]

    assert {entry["name"] for entry in containers(migration)[0]["env"]} <= made
    assert {"AUTOGRAPH_AUTH_SECRET_FILE", "AUTOGRAPH_GATEWAY_SECRET_FILE"} <= made
    files = {re.sub("_FILE$", "", name) for name in made if name.endswith("_FILE") and name != "SSL_CERT_FILE"}
    assert {item["key"] for item in secret["items"]} == files
    if values == "extras":  # its secrets stand in the values
        assert of_kind(manifests, "Secret")[secret["secretName"]]["stringData"].keys() == files


def test_a_backup_may_do_nothing_in_kubernetes() -> None:
    manifests = render("production")
    bound = {subject["name"] for found in of_kind(manifests, "RoleBinding").values() for subject in found["subjects"]}

    assert BACKUP not in bound
    assert of_kind(manifests, "ServiceAccount")[BACKUP]["automountServiceAccountToken"] is False


def test_backups_are_taken_elsewhere_once_a_new_one_is_there() -> None:
    spec = backup_pod(cron_job(values="extras"))
    [made], [copy] = spec["initContainers"], spec["containers"]

    assert made["command"][:2] == ["sh", "-c"]
    assert made["command"][2] == f"autograph backup /backups --keep 30 || [ $? = {INCOMPLETE} ]"
    assert (copy["image"], copy["args"]) == ("rclone/rclone:1.71.0", ["sync", "/backups", "elsewhere:autograph"])
    assert {"mountPath": "/backups", "name": "backups", "readOnly": True} in copy["volumeMounts"]
    assert "administrator" not in mounts(copy).values(), "it carries backups, and signs in to no engine"
    assert variables(copy)["RCLONE_CONFIG"] == "/etc/rclone/rclone.conf"
    assert mounts(copy)["/etc/rclone"] == "rclone"
    assert [name for name, one in pod_specs(render("extras")) if "rclone" in str(one["volumes"])] == [BACKUP]
    egress = of_kind(render("extras"), "NetworkPolicy")[BACKUP]["spec"]["egress"]
    assert {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443, "protocol": "TCP"}]} in egress


def its_pod(values: str) -> Manifest:
    [pod] = [pod for _, pod in pods(render(values)) if pod.get("kind") == "Pod"]
    return pod


@pytest.mark.parametrize("values", ["default", "canary", "blue-green", "external"])
def test_helm_test_asks_every_deployments_pods_and_every_tracks_gateway(values: str) -> None:
    manifests = render(values)
    [container] = its_pod(values)["spec"]["containers"]
    asked = dict(one.rsplit(":", 1) for one in variables(container)["PODS"].split())
    services = of_kind(manifests, "Service")

    assert asked.keys() == {f"{name}-side" for name in of_kind(manifests, "Deployment")}
    assert {name: int(port) for name, port in asked.items()} == {
        name: services[name]["spec"]["ports"][0]["port"] for name in asked
    }
    gateways = {one.removeprefix("http://") for one in variables(container)["GATEWAYS"].split()}
    assert gateways == {name for name in services if not name.endswith("-side")}


def test_helm_test_is_a_part_of_nothing_else_and_signs_in_only_with_an_account() -> None:
    assert its_pod("default")["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert "/run/account" not in mounts(its_pod("default")["spec"]["containers"][0])
    assert mounts(its_pod("extras")["spec"]["containers"][0])["/run/account"] == "account"
    assert "'secretName': 'tester'" in str(its_pod("extras")["spec"]["volumes"])
