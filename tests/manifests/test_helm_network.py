"""Who may talk to whom, read from the policies as a network would read them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.manifests.chart import NAME, Manifest, matches, of_kind, pod_specs, pods, render

# Engines as their operators label them, ours as the chart does, and others as their namespaces do.
OURS = {"app.kubernetes.io/name": "autograph", "app.kubernetes.io/instance": "shop"}
PODS = {
    "services": OURS,
    "tester": {**OURS, "app.kubernetes.io/component": "test"},
    "postgres": {"cnpg.io/cluster": f"{NAME}-postgres"},
    "rabbitmq": {"app.kubernetes.io/name": f"{NAME}-rabbitmq", "app.kubernetes.io/component": "rabbitmq"},
    "redis": {"app": f"{NAME}-redis", "redis_setup_type": "standalone"},
}
NAMESPACES = {"prometheus": "monitoring", "dns": "kube-system", "edge": "gateway-system", "stranger": "elsewhere"}
PORTS = {
    "postgres": 5432, "rabbitmq": 5672, "management": 15672, "redis": 6379, "s3": 443, "kubernetes": 6443,
    "collector": 4318, "dns": 53, "services": 8080,
}  # fmt: skip
DRAWN = {
    "gateway": {"redis", "rabbitmq", "dns"},
    "auth": {"postgres", "redis", "rabbitmq", "dns"},
    "diagram": {"postgres", "redis", "rabbitmq", "s3", "dns"},
    "migrate": {"postgres", "rabbitmq", "management", "s3", "kubernetes", "dns"},
    "backup": {"postgres", "rabbitmq", "management", "s3", "dns"},
    "test": {"dns", "services"},
}


def policies_of(manifests: tuple[Manifest, ...], labels: dict[str, str]) -> list[Manifest]:
    return [
        policy["spec"]
        for policy in of_kind(manifests, "NetworkPolicy").values()
        if matches(labels, policy["spec"]["podSelector"]["matchLabels"])
    ]


def labels_of(manifests: tuple[Manifest, ...], component: str) -> dict[str, str]:
    found: Iterator[dict[str, str]] = (
        pod["metadata"]["labels"]
        for _, pod in pods(manifests)
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == component
    )
    return next(found)


def admits(rules: list[dict[str, Any]], direction: str, peer: str, port: int) -> bool:
    """Any rule, any of its peers, any port: kubernetes.io/docs/concepts/services-networking/network-policies."""
    return any(
        any(entry["port"] == port for entry in rule["ports"])
        and (not rule.get(direction) or any(_is(peer, one) for one in rule[direction]))
        for rule in rules
    )


def _is(peer: str, selector: dict[str, Any]) -> bool:
    namespace = selector.get("namespaceSelector")
    if namespace is not None:
        return bool(namespace["matchLabels"]["kubernetes.io/metadata.name"] == NAMESPACES.get(peer))
    return matches(PODS.get(peer, {}), selector["podSelector"]["matchLabels"])


def reach(manifests: tuple[Manifest, ...], component: str) -> set[str]:
    """Everything that a pod of *component* may open a connection to."""
    rules = [
        rule for policy in policies_of(manifests, labels_of(manifests, component)) for rule in policy.get("egress", [])
    ]
    peer = {"management": "rabbitmq"}
    return {name for name, port in PORTS.items() if admits(rules, "to", peer.get(name, name), port)}


@pytest.mark.parametrize("component", DRAWN)
def test_each_process_reaches_what_the_architecture_draws_and_nothing_else(component: str) -> None:
    assert reach(render("production"), component) == DRAWN[component]


@pytest.mark.parametrize("component", DRAWN)
def test_before_an_upgrade_the_same_is_so(component: str) -> None:
    assert reach(render("production", "--is-upgrade"), component) == DRAWN[component]


@pytest.mark.parametrize("how", [(), ("--is-upgrade",)])
def test_the_migration_reaches_redis_where_it_makes_users_there(how: tuple[str, ...]) -> None:
    manifests = render("production", *how, "--set", "redis.serviceUsers=true")

    assert reach(manifests, "migrate") == DRAWN["migrate"] | {"redis"}


@pytest.mark.parametrize("component", ["gateway", "auth", "diagram"])
def test_a_collector_is_reached_only_where_one_is_named(component: str) -> None:
    named = render("production", "--set", "settings.otlp_url=http://collector:4318")

    assert reach(named, component) == DRAWN[component] | {"collector"}


def test_each_tracks_own_collector_is_reached() -> None:
    collectors = ("--set", "settings.otlp_url=http://a:4318,tracks.canary.workers.auth.settings.otlp_url=http://b:4317")
    ports = {
        component: {
            port["port"]
            for rule in of_kind(render("canary", *collectors), "NetworkPolicy")[f"{NAME}-{component}"]["spec"]["egress"]
            for port in rule["ports"]
        }
        & {4317, 4318}
        for component in ("auth", "diagram")
    }

    assert ports == {"auth": {4317, 4318}, "diagram": {4318}}


@pytest.mark.parametrize("component", [*DRAWN])
def test_no_policy_lets_a_stranger_in(component: str) -> None:
    manifests = render("production")
    rules = [
        rule for policy in policies_of(manifests, labels_of(manifests, component)) for rule in policy.get("ingress", [])
    ]
    allowed = {
        (peer, port)
        for peer in NAMESPACES
        for port in (80, 8080, 9080, 8085, 8082, 5672)
        if admits(rules, "from", peer, port)
    }

    assert (
        allowed
        == {
            "gateway": {("edge", 8080), ("prometheus", 9080)},
            "auth": {("prometheus", 8085)},
            "diagram": {("prometheus", 8082)},
            "migrate": set(),
            "backup": set(),
            "test": set(),
        }[component]
    )


@pytest.mark.parametrize("how", [(), ("--is-upgrade",)])
def test_whatever_is_not_allowed_is_forbidden_for_every_pod_of_ours_in_both_directions(how: tuple[str, ...]) -> None:
    manifests = render("production", *how)
    found = [pod["metadata"]["labels"] for _, pod in pods(manifests)]
    assert found
    for labels in found:
        closed = [
            policy
            for policy in policies_of(manifests, labels)
            if not policy.get("ingress") and not policy.get("egress")
        ]
        assert [policy["policyTypes"] for policy in closed] == [["Ingress", "Egress"]]


def test_an_engines_pods_are_under_no_policy_of_ours_whatever_labels_its_operator_copies() -> None:
    manifests = render("production")
    for kind in ("Cluster", "RabbitmqCluster", "Redis"):
        (engine,) = of_kind(manifests, kind).values()
        assert policies_of(manifests, engine["metadata"]["labels"]) == []


def test_external_engines_are_reached_where_they_are_said_to_be_and_on_their_port_only() -> None:
    policies = of_kind(render("external"), "NetworkPolicy")
    diagram = policies[f"{NAME}-diagram"]["spec"]["egress"]

    assert {"ports": [{"port": 5432, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]} in diagram
    assert {"ports": [{"port": 8443, "protocol": "TCP"}]} in diagram  # the object store's, as its URL says
    assert all(rule["ports"] for policy in policies.values() for rule in policy["spec"].get("egress", []))


def test_a_cluster_without_policies_gets_none() -> None:
    assert of_kind(render("dev"), "NetworkPolicy") == {}
    assert list(pod_specs(render("dev")))
