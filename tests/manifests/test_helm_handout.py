"""Who fills the services' Secrets when an upgrade makes some: for a new service, or where others made them before."""

import pytest
import yaml

from contracts.services import SERVICES as ENTRIES
from tests.manifests.chart import HELMS, NAME, NAMESPACE, Manifest, helm, of_kind, render
from tests.manifests.cluster import cluster

SERVICES = sorted(service.name for service in ENTRIES)
ACCOUNT = ("ServiceAccount", NAME)  # whatever else is missing: the release has it
FILLED = [("Secret", f"{NAME}-{service}") for service in SERVICES]
HOOK = "helm.sh/hook"
HANDS_OUT = ["autograph", "credentials", "kubernetes", NAME]


def upgrade(*there: tuple[str, str], program: str = "helm4", settings: str = "") -> tuple[Manifest, ...]:
    """What an upgrade consists of on a cluster where *there* is."""
    with cluster(NAMESPACE, *there) as address:
        looking = ("--is-upgrade", "--dry-run=server", "--kube-apiserver", address, "--disable-openapi-validation")
        status, output, complaint = helm(program, "template", *looking, "--set", settings)
    assert (status, complaint) == (0, ""), complaint
    return tuple(found for found in yaml.safe_load_all(output) if found)


def parted(manifests: tuple[Manifest, ...], kind: str) -> tuple[list[Manifest], list[Manifest]]:
    """Of the migration's: those that are hooks, and those that are parts of the release."""
    found = [
        one
        for one in of_kind(manifests, kind).values()
        if one["metadata"]["labels"].get("app.kubernetes.io/component") == "migrate"
    ]
    hooks = [one for one in found if HOOK in one["metadata"].get("annotations", {})]
    return hooks, [one for one in found if one not in hooks]


def commands(job: Manifest) -> list[list[str]]:
    spec = job["spec"]["template"]["spec"]
    return [container["command"] for container in (*spec.get("initContainers", ()), *spec["containers"])]


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize("there", [FILLED[:2], []], ids=["a new service", "other Secrets before"])
def test_an_upgrade_that_makes_secrets_migrates_before_it_and_fills_them_as_a_part_of_it(
    there: list[tuple[str, str]], program: str
) -> None:
    manifests = upgrade(ACCOUNT, *there, program=program)
    [[before], [beside]] = parted(manifests, "Job")

    assert commands(before) == [["autograph", "migrate"]], "what is not there yet it cannot fill"
    assert commands(beside) == [["autograph", "migrate"], HANDS_OUT]
    assert {name for _, name in FILLED} <= of_kind(manifests, "Secret").keys()


@pytest.mark.parametrize("program", HELMS)
def test_whoever_fills_them_has_the_right_and_the_way_to(program: str) -> None:
    manifests = upgrade(ACCOUNT, program=program)
    [hooks, [role]] = parted(manifests, "Role")
    [[policy_before], [policy_beside]] = parted(manifests, "NetworkPolicy")
    [_, [binding]] = parted(manifests, "RoleBinding")
    [_, [job]] = parted(manifests, "Job")

    assert not hooks
    assert role["rules"][0]["resourceNames"] == [name for _, name in FILLED]
    assert role["rules"][0]["verbs"] == ["patch"]
    assert binding["subjects"][0]["name"] == job["spec"]["template"]["spec"]["serviceAccountName"]
    # Kubernetes' API is the one thing that the hook has no business with.
    ports = [{port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]} for policy in
             (policy_before, policy_beside)]  # fmt: skip
    assert ports[1] - ports[0] == {443, 6443}


@pytest.mark.parametrize("program", HELMS)
def test_an_upgrade_that_finds_them_all_is_one_hook(program: str) -> None:
    assert upgrade(ACCOUNT, *FILLED, program=program) == render("default", "--is-upgrade", program=program)


def test_an_installations_job_that_is_still_there_is_not_taken_for_an_upgrades() -> None:
    [_, [first]] = parted(render(), "Job")
    [_, [later]] = parted(upgrade(ACCOUNT), "Job")

    assert first["spec"] == later["spec"]
    assert first["metadata"]["name"] != later["metadata"]["name"]


def test_where_others_make_the_secrets_none_is_missed() -> None:
    names = ",".join(f"credentials.services.existing.{service}=own" for service in SERVICES)
    manifests = upgrade(ACCOUNT, settings=f"credentials.services.from=existing,{names}")

    [[before], beside] = parted(manifests, "Job")
    assert (commands(before), beside) == ([["autograph", "migrate"]], [])


def test_what_external_secrets_makes_is_never_what_the_migration_fills() -> None:
    """It takes its Secret with it, and Helm does not take over what another has made."""
    made = {found["spec"]["target"]["name"] for found in of_kind(render("external"), "ExternalSecret").values()}

    assert {f"{NAME}-{service}-external" for service in SERVICES} <= made
    assert not made & {name for _, name in FILLED}
