"""What a pod of ours may do, and how it comes and goes."""

from pathlib import Path
from typing import Any

import pytest

from chassis.lifecycle import CLOSE_SECONDS
from tests.manifests.chart import VALUES, Manifest, matches, of_kind, pod_specs, render, settings_of

ALLOWED_VOLUMES = {"configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
ADMINISTRATORS = "AUTOGRAPH_INSTALLATION_SECRET"


def restrictions_broken(spec: Manifest) -> list[str]:
    """Of the Pod Security Standard "restricted": kubernetes.io/docs/concepts/security/pod-security-standards."""
    pod = spec.get("securityContext", {})
    found = [f"{name} is shared" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    if not pod.get("runAsNonRoot") or pod.get("runAsUser") == 0:
        found.append("may be root")
    if pod.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        found.append("no seccomp profile")
    for volume in spec.get("volumes", []):
        found += [f"volume {kind}" for kind in volume.keys() - {"name"} - ALLOWED_VOLUMES]
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own = container.get("securityContext", {})
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            found.append(f"{container['name']} may become more")
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            found.append(f"{container['name']} has capabilities")
        if own.get("runAsNonRoot") is False or own.get("runAsUser") == 0:
            found.append(f"{container['name']} may be root")
        found += ["a port of the node" for port in container.get("ports", []) if "hostPort" in port]
    return found


@pytest.mark.parametrize("values", VALUES)
def test_every_pod_keeps_to_the_restricted_standard(values: str) -> None:
    for how in ((), ("--is-upgrade",)):
        for name, spec in pod_specs(render(values, *how)):
            assert restrictions_broken(spec) == [], name


def test_a_pod_that_does_not_keep_to_it_is_noticed() -> None:
    spec: Manifest = {
        "hostNetwork": True,
        "volumes": [{"name": "node", "hostPath": {"path": "/"}}],
        "containers": [{"name": "a", "securityContext": {"privileged": True}, "ports": [{"hostPort": 1}]}],
    }

    assert restrictions_broken(spec) == [
        "hostNetwork is shared", "may be root", "no seccomp profile", "volume hostPath", "a may become more",
        "a has capabilities", "a port of the node",
    ]  # fmt: skip


@pytest.mark.parametrize("values", VALUES)
def test_nothing_but_tmp_can_be_written_and_backups_by_what_makes_them(values: str) -> None:
    for name, spec in pod_specs(render(values)):
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            writable = {
                mount["mountPath"]: volumes[mount["name"]]
                for mount in container.get("volumeMounts", [])
                if not mount.get("readOnly")
            }
            tests_nothing = container["name"] == "test"
            assert writable.keys() - {"/backups"} == (set() if tests_nothing else {"/tmp"}), name  # noqa: S108 - a path in a container
            assert tests_nothing or "sizeLimit" in writable["/tmp"]["emptyDir"], name  # noqa: S108 - as above
            assert ("/backups" in writable) == (container["name"] == "backup"), name


@pytest.mark.parametrize("values", VALUES)
def test_each_service_is_given_its_own_secret_and_nothing_of_an_administrators(values: str) -> None:
    seen: dict[str, str] = {}
    for name, found in of_kind(render(values), "Deployment").items():
        spec = found["spec"]["template"]["spec"]
        service = found["metadata"]["labels"]["app.kubernetes.io/component"]
        secrets = [volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume]
        assert len(secrets) == 1, name
        assert seen.setdefault(service, secrets[0]) == secrets[0], "two tracks of a service have one Secret"
        assert ADMINISTRATORS not in str(spec), name
        assert "secretKeyRef" not in str(spec), f"{name}: a credential in the environment is shown by too much"
    assert len(set(seen.values())) == len(seen), "two services share a Secret"


@pytest.mark.parametrize("values", VALUES)
def test_only_the_container_that_fills_secrets_has_a_token(values: str) -> None:
    holders = []
    for name, spec in pod_specs(render(values)):
        assert spec["automountServiceAccountToken"] is False, name
        tokens = {volume["name"] for volume in spec.get("volumes", []) if "serviceAccountToken" in str(volume)}
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            if tokens & {mount["name"] for mount in container.get("volumeMounts", [])}:
                holders.append(container["command"][:3])  # noqa: PERF401 - three loops in one line say less
    filled = values not in {"external", "blue-green"}

    assert holders == ([["autograph", "credentials", "kubernetes"]] if filled else [])


@pytest.mark.parametrize("values", VALUES)
def test_a_pod_is_given_the_time_that_its_drain_takes(values: str) -> None:
    manifests = render(values)
    for name, found in of_kind(manifests, "Deployment").items():
        spec = found["spec"]["template"]["spec"]
        settings = settings_of(manifests, name)
        ends_itself = float(settings["AUTOGRAPH_DRAIN_SECONDS"]) + CLOSE_SECONDS

        assert spec["terminationGracePeriodSeconds"] > ends_itself, name
        assert float(settings.get("AUTOGRAPH_DRAIN_GRACE_SECONDS", 0)) < float(settings["AUTOGRAPH_DRAIN_SECONDS"])


@pytest.mark.parametrize("values", VALUES)
def test_probes_ask_the_side_port_where_the_service_listens(values: str) -> None:
    manifests = render(values)
    for name, found in of_kind(manifests, "Deployment").items():
        spec = found["spec"]["template"]["spec"]
        container = spec["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        settings = settings_of(manifests, name)
        asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}

        assert {kind: probe["path"] for kind, probe in asked.items()} == {
            "startup": "/health/live",  # live and not ready: a database that is unavailable is no reason to start again
            "liveness": "/health/live",
            "readiness": "/health/ready",
        }, name
        assert {probe["port"] for probe in asked.values()} == {"side"}
        assert ports["side"] == int(settings["AUTOGRAPH_SIDE_PORT"])
        if "http" in ports:
            assert ports["http"] == int(settings["AUTOGRAPH_HTTP_PORT"])


@pytest.mark.parametrize("values", VALUES)
def test_every_deployment_has_a_budget_and_is_spread_and_is_replaced_without_a_gap(values: str) -> None:
    manifests = render(values)
    budgets = of_kind(manifests, "PodDisruptionBudget")
    for name, found in of_kind(manifests, "Deployment").items():
        labels = found["spec"]["template"]["metadata"]["labels"]
        assert matches(labels, found["spec"]["selector"]["matchLabels"])
        assert matches(labels, budgets[name]["spec"]["selector"]["matchLabels"])
        spread = found["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert all(matches(labels, one["labelSelector"]["matchLabels"]) for one in spread)
        assert spread[0]["topologyKey"] == "topology.kubernetes.io/zone"
        assert found["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert budgets.keys() == of_kind(manifests, "Deployment").keys()


@pytest.mark.parametrize("values", VALUES)
def test_a_selector_finds_the_pods_of_its_own_deployment_and_no_others(values: str) -> None:
    manifests = render(values)
    pods = {
        name: found["spec"]["template"]["metadata"]["labels"]
        for kind in ("Deployment", "Job")
        for name, found in of_kind(manifests, kind).items()
    }
    for name, found in of_kind(manifests, "Deployment").items():
        assert [pod for pod, labels in pods.items() if matches(labels, found["spec"]["selector"]["matchLabels"])] == [
            name
        ]
    for name, found in of_kind(manifests, "Service").items():
        expected = name.removesuffix("-side")
        assert [pod for pod, labels in pods.items() if matches(labels, found["spec"]["selector"])] == [expected]


@pytest.mark.parametrize("values", ["default", "canary"])
def test_a_change_of_settings_replaces_the_pods_that_read_them_and_no_others(values: str) -> None:
    before = of_kind(render(values), "Deployment")
    after = of_kind(render(values, "--set", "workers.diagram.settings.archive_every_seconds=77"), "Deployment")
    changed = {
        before[name]["metadata"]["labels"]["app.kubernetes.io/component"]
        for name in before
        if before[name]["spec"]["template"] != after[name]["spec"]["template"]
    }

    assert changed == {"diagram"}


def test_a_raised_revision_of_the_credentials_replaces_all_pods() -> None:
    before = of_kind(render(), "Deployment")
    after = of_kind(render("default", "--set", "credentials.revision=2"), "Deployment")

    assert all(before[name]["spec"]["template"] != after[name]["spec"]["template"] for name in before)


def test_settings_arrive_as_they_were_written() -> None:
    manifests = render("external")
    gateway = of_kind(manifests, "ConfigMap")["shop-autograph-gateway"]["data"]

    assert gateway["AUTOGRAPH_MAX_BODY_BYTES"] == "10485760"  # and not 1.048576e+07
    assert gateway["AUTOGRAPH_DRAIN_SECONDS"] == "12.5"
    assert gateway["AUTOGRAPH_CORS_ORIGINS"] == "https://a.example.org,https://b.example.org"
    assert gateway["AUTOGRAPH_OTLP_URL"] == "http://collector.tracing:4318"
    assert of_kind(manifests, "ConfigMap")["shop-autograph-render"]["data"]["AUTOGRAPH_PAGES"] == "2500000"


def test_what_is_said_of_all_services_reaches_each_pod() -> None:
    for name, found in of_kind(render("external"), "Deployment").items():
        template: Any = found["spec"]["template"]
        spec = template["spec"]
        assert template["metadata"]["annotations"]["team"] == template["metadata"]["labels"]["team"] == "diagrams", name
        assert (spec["nodeSelector"], spec["priorityClassName"]) == ({"pool": "services"}, "important")
        assert spec["tolerations"]
        assert spec["affinity"]
        assert {"name": "TZ", "value": "UTC"} in spec["containers"][0]["env"]
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert spec["containers"][0]["image"].startswith("autograph@sha256:0123")


def test_the_security_context_names_the_user_that_the_image_has() -> None:
    dockerfile = Path(__file__).parents[2] / "compose" / "Dockerfile"
    users = {spec["securityContext"]["runAsUser"] for _, spec in pod_specs(render())}

    assert users == {10001}
    if dockerfile.exists():
        assert "USER 10001:10001" in dockerfile.read_text("utf-8")
