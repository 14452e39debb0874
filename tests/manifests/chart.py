"""The chart as Helm renders it, and what is asked of its manifests in several tests."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from contracts.services import SERVICES
from tests.tools import ROOT, run, tool

CHART = ROOT / "helm" / "autograph"
CASES = ROOT / "tests" / "manifests" / "values"
HELMS = ("helm3", "helm4")
RELEASE, NAMESPACE = "shop", "team-a"
NAME = "shop-autograph"

# What is delivered, then what is only tested: together they render every template's every part.
VALUES: Mapping[str, tuple[str, ...]] = {
    "default": (),
    "dev": ("values-dev.yaml",),
    "production": ("values-production.yaml",),
    "scale": ("values-production.yaml", "values-scale.yaml"),
    "external": (str(CASES / "external.yaml"),),
    "canary": ("values-production.yaml", str(CASES / "canary.yaml")),
    "blue-green": (str(CASES / "blue-green.yaml"),),
    "extras": (str(CASES / "extras.yaml"),),
}

# What the cases need for each service, whichever there are.
OF_SERVICES: Mapping[str, tuple[str, ...]] = {
    "canary": tuple(f"tracks.canary.replicas.{one.name}=1" for one in SERVICES),
    "blue-green": tuple(f"credentials.services.existing.{one.name}={one.name}-own" for one in SERVICES),
    "extras": tuple(
        f"credentials.administrator.values.{one.secret_variable}=for-tests-only-for-tests-only-{one.name}"
        for one in SERVICES
        if one.own_secret
    ),
}

Manifest = dict[str, Any]


def helm(program: str, command: str, *arguments: str, values: str = "default") -> tuple[int, str, str]:
    """Exit status, and what went to standard output and error. *values* is one of ``VALUES``."""
    files = [argument for name in VALUES[values] for argument in ("--values", name)]
    files += [argument for one in OF_SERVICES.get(values, ()) for argument in ("--set", one)]
    release = [RELEASE] if command in {"template", "install"} else []
    said = run(tool(program), command, *release, ".", "--namespace", NAMESPACE, *files, *arguments, folder=CHART)
    return said.returncode, said.stdout, said.stderr


@functools.cache
def render(values: str = "default", *arguments: str, program: str = "helm4") -> tuple[Manifest, ...]:
    """Every manifest; not to be changed, as others are given the same. A word on standard error fails the test."""
    status, output, complaint = helm(program, "template", *arguments, values=values)
    assert (status, complaint) == (0, ""), complaint
    return tuple(document for document in yaml.safe_load_all(output) if document)


def refusal(*arguments: str, values: str = "default", program: str = "helm4") -> str:
    """Why Helm renders nothing."""
    status, output, complaint = helm(program, "template", *arguments, values=values)
    assert status != 0, f"this was rendered:\n{output[:2000]}"
    return complaint


def notes(values: str) -> str:
    """What Helm tells whoever has just installed. Helm 3 says it only where there is a cluster."""
    status, output, complaint = helm("helm4", "install", "--dry-run=client", values=values)
    assert status == 0, complaint
    return output.partition("\nNOTES:\n")[2]


def settings_of(manifests: tuple[Manifest, ...], deployment: str) -> dict[str, str]:
    """The variables that its pods get of their ConfigMap."""
    (source,) = of_kind(manifests, "Deployment")[deployment]["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    data: dict[str, str] = of_kind(manifests, "ConfigMap")[source["configMapRef"]["name"]]["data"]
    return data


def of_kind(manifests: tuple[Manifest, ...], kind: str) -> dict[str, Manifest]:
    return {found["metadata"]["name"]: found for found in manifests if found["kind"] == kind}


def pods(manifests: tuple[Manifest, ...]) -> Iterator[tuple[str, Manifest]]:
    """Name, and what the pods of it are made of: metadata and spec."""
    for found in manifests:
        name, spec = found["metadata"]["name"], found.get("spec", {})
        match found["kind"]:
            case "Deployment" | "Job":
                yield name, spec["template"]
            case "CronJob":
                yield name, spec["jobTemplate"]["spec"]["template"]
            case "Pod":
                yield name, found


def pod_specs(manifests: tuple[Manifest, ...]) -> Iterator[tuple[str, Manifest]]:
    for name, pod in pods(manifests):
        yield name, pod["spec"]


def matches(labels: Mapping[str, str], selector: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in selector.items())
