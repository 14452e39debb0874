"""Canary and blue-green: two releases side by side, and how the requests and the work are shared between them."""

from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from chassis.metrics import BusMetrics
from contracts.catalogue import WORKERS
from contracts.services import SERVICES as ENTRIES
from tests.manifests.chart import HELMS, NAME, Manifest, notes, of_kind, render, settings_of

SERVICES = tuple(service.name for service in ENTRIES)

NGINX = "nginx.ingress.kubernetes.io/"
BY_GATEWAY_API = ("--set", "edge.ingress.enabled=false,edge.gatewayApi.enabled=true")
BY_NGINX = ("--set", "edge.gatewayApi.enabled=false,edge.ingress.enabled=true,edge.ingress.weightedBy=nginx")


def shares(manifests: tuple[Manifest, ...]) -> dict[str, int]:
    (route,) = of_kind(manifests, "HTTPRoute").values()
    (rule,) = route["spec"]["rules"]
    return {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}


def test_a_canary_gets_its_share_by_the_routes_weights() -> None:
    manifests = render("canary")

    assert shares(manifests) == {f"{NAME}-gateway": 95, f"{NAME}-gateway-canary": 5}
    assert shares(manifests).keys() <= of_kind(manifests, "Service").keys()


def test_a_canary_gets_its_share_by_ingress_nginx_too() -> None:
    main, canary = (of_kind(render("canary", *BY_NGINX), "Ingress")[name] for name in (NAME, f"{NAME}-canary"))

    of_both = {f"{NGINX}proxy-body-size": "10m"}
    assert canary["metadata"]["annotations"] == of_both | {
        f"{NGINX}canary": "true", f"{NGINX}canary-weight": "5", f"{NGINX}canary-weight-total": "100",
    }  # fmt: skip
    assert main["metadata"]["annotations"] == of_both
    assert [backend_of(one) for one in (main, canary)] == [f"{NAME}-gateway", f"{NAME}-gateway-canary"]


def backend_of(ingress: Manifest) -> str:
    (name,) = {
        path["backend"]["service"]["name"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]
    }
    return str(name)


def test_a_canary_runs_the_next_release_in_as_many_processes_as_it_says_and_stable_stays_as_it_was() -> None:
    alone, both = of_kind(render("production"), "Deployment"), of_kind(render("canary"), "Deployment")
    added = {name: found for name, found in both.items() if name not in alone}

    assert {name: found for name, found in both.items() if name in alone} == alone
    assert set(added) == {f"{NAME}-{service}-canary" for service in SERVICES}
    for found in added.values():
        assert found["spec"]["replicas"] == 1
        assert found["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":0.3.0")
    assert not [name for name in of_kind(render("canary"), "HorizontalPodAutoscaler") if name.endswith("-canary")]


@pytest.mark.parametrize("service", SERVICES)
def test_a_canary_runs_with_another_flag_than_what_stands_beside_it(service: str) -> None:
    manifests = render("canary", "--set", "settings.flags=open_registration=off")

    assert settings_of(manifests, f"{NAME}-{service}")["AUTOGRAPH_FLAGS"] == "open_registration=off"
    assert settings_of(manifests, f"{NAME}-{service}-canary")["AUTOGRAPH_FLAGS"] == "archiving=off"


@pytest.mark.parametrize(("service", "level"), [("diagram", "ERROR"), ("gateway", "WARNING"), ("auth", "DEBUG")])
@pytest.mark.parametrize("program", HELMS)
def test_the_nearest_word_about_a_setting_holds(service: str, level: str, program: str) -> None:
    levels = ("--set", "settings.log_level=INFO,workers.diagram.settings.log_level=ERROR")
    for_one = ("--set", "workers.auth.settings.log_level=ERROR,gateway.settings.log_level=ERROR")
    manifests = render("canary", *levels, *for_one, program=program)
    deployment = f"{NAME}-{service}" if service == "diagram" else f"{NAME}-{service}-canary"

    assert settings_of(manifests, deployment)["AUTOGRAPH_LOG_LEVEL"] == level


@pytest.mark.parametrize("program", HELMS)
def test_a_track_can_turn_a_setting_to_nought_and_to_nothing(program: str) -> None:
    for_all = ("--set", "settings.flags=archiving=off,settings.trace_ratio=1,gateway.settings.rate_limit_per_user=9")
    for_one = ("--set", "tracks.canary.settings.flags=,tracks.canary.settings.trace_ratio=0")
    manifests = render("canary", *for_all, *for_one, program=program)
    stable, canary = (settings_of(manifests, f"{NAME}-gateway{track}") for track in ("", "-canary"))
    names = [f"AUTOGRAPH_{name}" for name in ("FLAGS", "TRACE_RATIO", "TRUSTED_PROXIES", "RATE_LIMIT_PER_USER")]

    assert [stable[name] for name in names] == ["archiving=off", "1", "1", "9"]
    assert [canary[name] for name in names] == ["", "0", "0", "9"]


def test_another_setting_of_a_track_replaces_its_pods_and_no_others() -> None:
    before, after = (
        of_kind(render("canary", "--set", f"tracks.canary.workers.diagram.settings.archive_after_seconds={seconds}"),
                "Deployment")
        for seconds in (10, 20)
    )  # fmt: skip

    assert [name for name in before if before[name] != after[name]] == [f"{NAME}-diagram-canary"]


def test_a_pod_is_given_the_time_that_its_own_track_takes_to_drain() -> None:
    given = {
        name: found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        for name, found in of_kind(render("canary"), "Deployment").items()
    }

    expected = {f"{NAME}-{service}": 30 for service in SERVICES}
    expected |= {f"{NAME}-{service}-canary": 60 if service == "auth" else 50 for service in SERVICES}
    assert given == expected


def test_whoever_installs_reads_what_differs_on_a_track() -> None:
    said = notes("canary")

    assert (
        "Set for canary alone: bcrypt_cost of auth, drain_seconds, drain_seconds of auth, flags, log_level, "
        "log_level of gateway, trusted_proxies of gateway." in said
    )
    assert f"trusted_proxies of {NAME}-gateway-canary is 0" in said
    assert f"trusted_proxies of {NAME}-gateway is 0" not in said
    assert "Set for" not in notes("production")


@pytest.mark.parametrize("route", [BY_NGINX, BY_GATEWAY_API])
def test_turning_from_blue_to_green_changes_the_route_and_no_pod(route: tuple[str, ...]) -> None:
    gateway = ("--set", "edge.gatewayApi.gateway.create=true,edge.gatewayApi.gateway.className=class")
    steps = [
        {
            (found["kind"], found["metadata"]["name"]): found
            for found in render("blue-green", *route, *gateway, "--set", weights)
        }
        for weights in (
            "tracks.blue.weight=100,tracks.green.weight=0",
            "tracks.blue.weight=50,tracks.green.weight=50",
            "tracks.blue.weight=0,tracks.green.weight=100",
        )
    ]

    for before, after in pairwise(steps):
        changed = {
            kind for kind, name in before.keys() | after.keys() if before.get((kind, name)) != after.get((kind, name))
        }
        assert changed
        assert changed <= {"Ingress", "HTTPRoute"}


def test_what_stands_by_is_as_large_as_what_serves_and_gets_nothing() -> None:
    manifests = render("blue-green")
    deployments = of_kind(manifests, "Deployment")
    (ingress,) = of_kind(manifests, "Ingress").values()

    assert backend_of(ingress) == f"{NAME}-gateway-green"
    assert {deployments[f"{NAME}-gateway-{colour}"]["spec"]["replicas"] for colour in ("blue", "green")} == {2}


@pytest.mark.parametrize("values", ["canary", "blue-green"])
def test_a_tracks_pods_are_found_by_its_own_service_and_by_monitoring(values: str) -> None:
    manifests = render(values, "--set", "monitoring.kind=ServiceMonitor")
    (monitor,) = of_kind(manifests, "ServiceMonitor").values()
    sides = [
        found
        for found in of_kind(manifests, "Service").values()
        if monitor["spec"]["selector"]["matchLabels"].items() <= found["metadata"]["labels"].items()
    ]

    assert len(sides) == len(of_kind(manifests, "Deployment"))
    assert {port["name"] for found in sides for port in found["spec"]["ports"]} == {
        monitor["spec"]["endpoints"][0]["port"]
    }


def test_the_side_port_is_not_shown_where_the_gateway_is() -> None:
    gateway = of_kind(render("external"), "Service")[f"{NAME}-gateway"]

    assert gateway["spec"]["type"] == "LoadBalancer"
    assert [port["name"] for port in gateway["spec"]["ports"]] == ["http"]
    paths = {
        path["path"]
        for rule in of_kind(render("external"), "Ingress")[NAME]["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    assert paths == {"/api", "/.well-known"}, "and neither /metrics nor /health"


@pytest.mark.parametrize("kind", ["PodMonitor", "ServiceMonitor"])
def test_prometheus_knows_a_process_by_the_names_that_rules_use(kind: str) -> None:
    (monitor,) = of_kind(render("production", "--set", f"monitoring.kind={kind}"), kind).values()
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    set_by = {rule["targetLabel"]: rule for rule in endpoint["relabelings"]}

    assert set_by["job"]["replacement"] == "autograph"
    assert set_by["service"]["sourceLabels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_component"]
    assert endpoint["path"] == "/metrics"


@pytest.mark.parametrize("values", ["production", "scale", "canary"])
def test_what_is_scaled_has_no_fixed_number_and_never_less_than_its_replicas(values: str) -> None:
    manifests = render(values)
    deployments = of_kind(manifests, "Deployment")
    scalers = {
        name: (found["spec"].get("minReplicas") or found["spec"]["minReplicaCount"],
               found["spec"].get("maxReplicas") or found["spec"]["maxReplicaCount"])
        for kind in ("HorizontalPodAutoscaler", "ScaledObject")
        for name, found in of_kind(manifests, kind).items()
    }  # fmt: skip

    assert scalers
    assert {name for name, found in deployments.items() if "replicas" not in found["spec"]} == set(scalers)
    assert all(1 <= least <= most for least, most in scalers.values())


def test_more_replicas_than_the_most_raise_the_most() -> None:
    manifests = render("production", "--set", "gateway.replicas=40")

    assert of_kind(manifests, "HorizontalPodAutoscaler")[f"{NAME}-gateway"]["spec"]["maxReplicas"] == 40


@pytest.mark.parametrize("worker", ["auth", "diagram"])
def test_a_worker_is_scaled_by_depth_and_age_of_its_queues_with_its_own_credentials(worker: str) -> None:
    manifests = render("scale")
    triggers = of_kind(manifests, "ScaledObject")[f"{NAME}-{worker}"]["spec"]["triggers"]
    depths = [trigger for trigger in triggers if trigger["type"] == "rabbitmq"]
    (age,) = [trigger for trigger in triggers if trigger["type"] == "prometheus"]
    authentication = of_kind(manifests, "TriggerAuthentication")[f"{NAME}-{worker}"]["spec"]["secretTargetRef"]

    assert f"{worker}.commands" in {trigger["metadata"]["queueName"] for trigger in depths}
    assert {trigger["authenticationRef"]["name"] for trigger in depths} == {f"{NAME}-{worker}"}
    assert authentication == [{"parameter": "host", "name": f"{NAME}-{worker}", "key": "AUTOGRAPH_RABBITMQ_URL"}]
    assert age["metricType"] == "Value"
    assert f'service="{worker}"' in age["metadata"]["query"]


def test_the_age_is_asked_of_a_metric_that_workers_have() -> None:
    registry = CollectorRegistry()
    BusMetrics(registry).waited("diagram.create_diagram", 1.0)
    triggers = of_kind(render("scale"), "ScaledObject")[f"{NAME}-diagram"]["spec"]["triggers"]
    (query,) = [trigger["metadata"]["query"] for trigger in triggers if trigger["type"] == "prometheus"]

    assert "autograph_queue_wait_seconds_bucket{" in query
    assert b"autograph_queue_wait_seconds_bucket{" in generate_latest(registry)


@pytest.mark.parametrize("values", ["dev", "production", "scale"])
@pytest.mark.parametrize("more", [(), ("--set", "workers.diagram.replicas=40")], ids=["as delivered", "more workers"])
def test_postgres_admits_all_the_connections_that_the_most_workers_may_open(values: str, more: tuple[str, ...]) -> None:
    manifests = render(values, *more)
    (cluster,) = of_kind(manifests, "Cluster").values()
    most = {name: found["spec"].get("replicas", 0) for name, found in of_kind(manifests, "Deployment").items()}
    most |= {
        name: found["spec"].get("maxReplicas") or found["spec"]["maxReplicaCount"]
        for kind in ("HorizontalPodAutoscaler", "ScaledObject")
        for name, found in of_kind(manifests, kind).items()
    }
    wanted = sum(
        (most[f"{NAME}-{worker}"] + 1)  # one more while pods are replaced
        * int(of_kind(manifests, "ConfigMap")[f"{NAME}-{worker}"]["data"]["AUTOGRAPH_POSTGRES_POOL_MAX"])
        for worker in WORKERS
    )

    assert wanted + 10 <= int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])


def test_an_operators_own_number_of_connections_stands() -> None:
    own = ("--set-string", "postgres.cloudnativepg.parameters.max_connections=77")
    (cluster,) = of_kind(render("dev", *own), "Cluster").values()

    assert cluster["spec"]["postgresql"]["parameters"]["max_connections"] == "77"
