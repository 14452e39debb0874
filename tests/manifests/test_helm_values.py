"""What the chart takes from an operator, and what it refuses before anything reaches a cluster."""

import json
import tomllib

import pytest
import yaml

from autograph.chart_schema import settings_schema
from autograph.settings_page import settings_of
from autograph.topology import NEEDED
from chassis.settings import ServiceSettings
from contracts.catalogue import WORKERS
from contracts.services import SERVICES, Service
from tests.manifests.chart import CHART, NAME, of_kind, refusal, render
from tests.tools import ROOT

SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))["properties"]
services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))

WRONG = {
    "an unknown key": ("replicaCount=3", "replicaCount"),
    "an unknown key of a worker": ("workers.auth.replcas=3", "replcas"),
    "an unknown key of a new worker": ("workers.render.sideport=1", "sideport"),
    "an unknown setting": ("gateway.settings.rate_limit=3", "rate_limit"),
    "a setting of another service": ("workers.auth.settings.archive_after_seconds=3", "archive_after_seconds"),
    "a setting that is out of range": ("workers.auth.settings.bcrypt_cost=3", "bcrypt_cost"),
    "a setting of a wrong type": ("gateway.settings.trusted_proxies=many", "trusted_proxies"),
    "no replica": ("gateway.replicas=0", "gateway/replicas"),
    "no replica of a worker": ("workers.diagram.replicas=0", "replicas"),
    "replicas of a wrong type": ("defaults.replicas=two", "replicas"),
    "half a replica": ("defaults.replicas=1.5", "replicas"),
    "an unknown way to scale": ("workers.auth.autoscaling.kind=vpa", "kind"),
    "a gateway that scales by queues": ("gateway.autoscaling.kind=keda", "kind"),
    "an unknown engine": ("postgres.from=zalando", "from"),
    "an even number of brokers": ("rabbitmq.operator.replicas=2", "replicas"),
    "an unknown need": ("workers.diagram.needs={postgres,kafka}", "needs"),
    "a port beyond all ports": ("gateway.port=70000", "port"),
    "a digest that is none": ("image.digest=sha256:abc", "digest"),
    "an image without a name": ("image.repository=", "repository"),
    "an unknown pull policy": ("image.pullPolicy=Sometimes", "pullPolicy"),
    "memory in words": ("gateway.resources.limits.memory=lots", "memory"),
    "a negative weight": ("tracks.stable.weight=-1", "weight"),
    "a track with a name that no label takes": ("tracks.Next_One.weight=1", "Next_One"),
    "an unknown setting of a track": ("tracks.canary.settings.rate_limit=3", "rate_limit"),
    "a setting of another service on a track": ("tracks.canary.gateway.settings.bcrypt_cost=9", "bcrypt_cost"),
    "a worker's setting that is out of range on a track": (
        "tracks.canary.workers.auth.settings.bcrypt_cost=3",
        "bcrypt_cost",
    ),
    "a track's word that is no setting": ("tracks.canary.workers.diagram.replicas=3", "replicas"),
    "a secret that is too short": ("credentials.administrator.values.AUTOGRAPH_AUTH_SECRET=short", "AUTH_SECRET"),
    "a password that no URL takes": ("credentials.administrator.values.REDIS_PASSWORD=a/b", "REDIS_PASSWORD"),
    "an object store without a scheme": ("s3.url=objects.example.org", "url"),
    "a password in an address": ("s3.url=https://me:own@objects.example.org", "url"),
    "an unknown monitor": ("monitoring.kind=Datadog", "kind"),
    "a peer that is nobody": ("networkPolicy.edge[0].pod=a", "pod"),
    "drained pods beyond none": ("defaults.maxUnavailable=0", "maxUnavailable"),
    "a mount without a path": ("pods.extraVolumeMounts[0].name=a", "mountPath"),
    "a volume without a name": ("gateway.extraVolumes[0].emptyDir.sizeLimit=1Mi", "name"),
    "an init container without an image": ("workers.auth.initContainers[0].name=a", "image"),
    "a schedule that is none": ("backup.schedule=nightly", "schedule"),
    "no backup to keep": ("backup.keep=0", "keep"),
    "a copy without an image": ("backup.copy.args[0]=sync", "image"),
}


# The two validate by different libraries: one case of each kind of rule for the older.
RULES = ("an unknown key", "a setting that is out of range", "replicas of a wrong type", "no replica",
         "an unknown engine", "a digest that is none", "a track with a name that no label takes",
         "a gateway that scales by queues", "an unknown setting", "an unknown setting of a track",
         "a worker's setting that is out of range on a track")  # fmt: skip


@pytest.mark.parametrize(("wrong", "program"), [*((one, "helm4") for one in WRONG), *((one, "helm3") for one in RULES)])
def test_a_wrong_value_is_refused_by_the_schema(wrong: str, program: str) -> None:
    setting, named = WRONG[wrong]

    complaint = refusal("--set", setting, program=program)

    assert "values don't meet the specifications of the schema" in complaint, complaint
    # Helm 3 separates by dots what Helm 4 separates by slashes.
    assert named.replace("/", ".") in complaint.replace("/", "."), complaint


INCOMPLETE = {
    "no Secret of a service": (("credentials.services.from=existing",), "credentials.services.existing.auth names no"),
    "no store": (("credentials.administrator.from=external",), "externalSecrets.store.name names no store"),
    "no administrator's values": (("credentials.administrator.from=values",), "AUTOGRAPH_INSTALLATION_SECRET is miss"),
    "no weight": (("tracks.stable.weight=0",), "no track has a weight"),
    "settings of no such service": (
        ("tracks.stable.weight=1", "tracks.stable.workers.daigram.settings.log_level=DEBUG"),
        f"tracks.stable: there is no service daigram (there are {', '.join(sorted(one.name for one in SERVICES))})",
    ),
    "replicas of no such service": (
        ("tracks.stable.weight=1", "tracks.stable.replicas.gatway=1"),
        "tracks.stable: there is no service gatway",
    ),
    "no such track to migrate": (("migration.track=green",), "there is no track green"),
    "no Gateway": (("edge.gatewayApi.enabled=true",), "name a Gateway in parentRefs"),
    "no class": (
        ("edge.gatewayApi.enabled=true", "edge.gatewayApi.gateway.create=true"),
        "edge.gatewayApi.gateway.className names no class",
    ),
    "shares that an Ingress cannot give": (
        ("edge.ingress.enabled=true", "tracks.stable.weight=95", "tracks.canary.weight=5"),
        "an Ingress alone cannot share requests",
    ),
    "three shares for ingress-nginx": (
        (
            "edge.ingress.enabled=true",
            "edge.ingress.weightedBy=nginx",
            "tracks.stable.weight=90",
            "tracks.a.weight=5",
            "tracks.b.weight=5",
        ),
        "between two tracks and no more",
    ),
}


@pytest.mark.parametrize("missing", INCOMPLETE)
def test_values_that_do_not_fit_together_are_refused_with_a_way_out(missing: str) -> None:
    settings, sentence = INCOMPLETE[missing]

    complaint = refusal(*(word for setting in settings for word in ("--set", setting)))

    assert sentence in " ".join(complaint.split()), complaint


@services
def test_the_schema_says_of_each_setting_what_the_service_says(service: Service) -> None:
    part = SCHEMA["workers"]["properties"][service.name] if service.is_worker else SCHEMA["gateway"]

    assert part["properties"]["settings"]["properties"] == settings_schema(settings_of(service))


def test_the_schema_says_of_shared_settings_what_the_chassis_says() -> None:
    assert SCHEMA["settings"]["properties"] == settings_schema(ServiceSettings)


def test_the_chart_runs_the_services_that_there_are() -> None:
    assert set(DEFAULTS["workers"]) == set(WORKERS)
    commands = {
        name: found["spec"]["template"]["spec"]["containers"][0]["command"]
        for name, found in of_kind(render(), "Deployment").items()
    }
    assert commands == {f"{NAME}-{service.name}": ["python", "-m", service.module] for service in SERVICES}


def test_side_ports_are_the_ones_that_the_services_have_everywhere() -> None:
    ports = {"gateway": DEFAULTS["gateway"]["sidePort"]}
    ports |= {name: worker["sidePort"] for name, worker in DEFAULTS["workers"].items()}

    assert ports == {service.name: service.side_port for service in SERVICES}


@pytest.mark.parametrize("worker", WORKERS)
def test_keda_looks_at_every_queue_that_a_worker_takes_from(worker: str) -> None:
    taken_from = {queue for queue in NEEDED.queues if queue.startswith(f"{worker}.")}
    taken_from -= {f"{worker}.parked", f"{worker}.refused"}

    assert set(DEFAULTS["workers"][worker]["queues"]) == taken_from


@services
def test_a_worker_needs_what_its_entry_says(service: Service) -> None:
    if service.is_worker:
        said = DEFAULTS["workers"][service.name]
        assert (said["needs"], said["ownSecret"]) == (list(service.engines), service.own_secret)


def test_the_chart_is_of_this_release() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert chart["version"] == chart["appVersion"] == project["version"]
