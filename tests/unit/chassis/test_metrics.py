"""The names that dashboards rely on, and what a scrape costs."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from chassis.metrics import BusMetrics, HealthMetrics, LoopMetrics, PoolMetrics, process_registry
from gateway.metrics import GatewayMetrics
from workers.auth.metrics import AuthMetrics
from workers.diagram.metrics import DiagramMetrics

BUSY_SECONDS = 10.0  # how long a test's machine may be busy with something else


@pytest.fixture
def registry() -> CollectorRegistry:
    return process_registry("test", "1.2.3")


def described(registry: CollectorRegistry) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name as exposed → type and labels, without what the client library says of the process."""
    found = {}
    for collector in list(registry._collector_to_names):
        labels = tuple(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            if name.startswith(("autograph_", "api_gateway_", "auth_service_", "diagram_service_")):
                found[name] = (family.type, labels)
    found.pop("autograph_build_info")
    return found


def test_the_gateway_shows_the_names_that_dashboards_rely_on(registry: CollectorRegistry) -> None:
    GatewayMetrics(registry)

    assert described(registry) == {
        "api_gateway_requests_total": ("counter", ("method", "path", "status")),
        "api_gateway_request_duration_seconds": ("histogram", ("method", "path")),
        "api_gateway_active_connections": ("gauge", ()),
        "api_gateway_circuit_breaker_state": ("gauge", ("service",)),
        "api_gateway_circuit_breaker_failures_total": ("counter", ("service",)),
        "api_gateway_redis_connections": ("gauge", ()),
        "api_gateway_rate_limit_exceeded_total": ("counter", ("key_type",)),
        "api_gateway_forwarded_not_understood_total": ("counter", ()),
    }


def test_the_auth_worker_shows_the_names_that_dashboards_rely_on(registry: CollectorRegistry) -> None:
    AuthMetrics(registry)

    assert described(registry) == {
        "auth_service_requests_total": ("counter", ("message", "outcome")),
        "auth_service_request_duration_seconds": ("histogram", ("message",)),
        "auth_service_active_connections": ("gauge", ()),
        "auth_service_login_attempts_total": ("counter", ("result",)),
        "auth_service_registration_attempts_total": ("counter", ("result",)),
        "auth_service_tokens_issued_total": ("counter", ("token_type",)),
        "auth_service_database_queries_total": ("counter", ("operation",)),
        "auth_service_database_query_duration_seconds": ("histogram", ("operation",)),
    }


def test_the_diagram_worker_shows_the_names_that_dashboards_rely_on(registry: CollectorRegistry) -> None:
    DiagramMetrics(registry)

    assert described(registry) == {
        "diagram_service_requests_total": ("counter", ("message", "outcome")),
        "diagram_service_request_duration_seconds": ("histogram", ("message",)),
        "diagram_service_active_connections": ("gauge", ()),
        "diagram_service_diagrams_created_total": ("counter", ()),
        "diagram_service_diagrams_updated_total": ("counter", ()),
        "diagram_service_versions_restored_total": ("counter", ()),
        "diagram_service_diagrams_deleted_total": ("counter", ()),
        "diagram_service_storage_operations_total": ("counter", ("operation",)),
        "diagram_service_storage_operation_duration_seconds": ("histogram", ("operation",)),
    }


def test_every_service_shows_its_bus_its_pools_and_its_loop(registry: CollectorRegistry) -> None:
    BusMetrics(registry)
    PoolMetrics(registry)
    LoopMetrics(registry)

    assert described(registry) == {
        "autograph_deliveries_total": ("counter", ("message", "outcome")),
        "autograph_handler_seconds": ("histogram", ("message",)),
        "autograph_queue_wait_seconds": ("histogram", ("message",)),
        "autograph_retries_total": ("counter", ("message", "rung")),
        "autograph_parked_total": ("counter", ("message", "reason")),
        "autograph_outbox_depth": ("gauge", ()),
        "autograph_outbox_oldest_seconds": ("gauge", ()),
        "autograph_consumers": ("gauge", ("queue",)),
        "autograph_pool_connections": ("gauge", ()),
        "autograph_event_loop_lag_seconds": ("histogram", ()),
    }


def test_the_build_and_the_process_describe_themselves(registry: CollectorRegistry) -> None:
    scrape = generate_latest(registry).decode()

    assert 'autograph_build_info{service="test",version="1.2.3"} 1.0' in scrape
    assert "process_resident_memory_bytes" in scrape
    assert "python_gc_collections_total" in scrape
    assert "_created" not in scrape


def test_a_message_in_hand_feeds_the_workers_own_metrics_beside_the_bus(registry: CollectorRegistry) -> None:
    bus = BusMetrics(registry, AuthMetrics(registry).requests)
    message = {"message": "sign_in"}

    with bus.delivery("sign_in"):
        assert registry.get_sample_value("auth_service_active_connections") == 1
        bus.settled("sign_in", "refused")

    assert registry.get_sample_value("auth_service_active_connections") == 0
    assert registry.get_sample_value("auth_service_request_duration_seconds_count", message) == 1
    for name in ("auth_service_requests_total", "autograph_deliveries_total"):
        assert registry.get_sample_value(name, {**message, "outcome": "refused"}) == 1


def test_a_message_that_fails_is_no_longer_in_hand(registry: CollectorRegistry) -> None:
    bus = BusMetrics(registry, AuthMetrics(registry).requests)

    with pytest.raises(ZeroDivisionError), bus.delivery("sign_in"):
        raise ZeroDivisionError

    assert registry.get_sample_value("auth_service_active_connections") == 0
    assert registry.get_sample_value("auth_service_request_duration_seconds_count", {"message": "sign_in"}) == 1


def test_a_service_that_serves_no_messages_needs_no_request_metrics(registry: CollectorRegistry) -> None:
    bus = BusMetrics(registry)

    with bus.delivery("diagram_created"):
        bus.settled("diagram_created", "done")

    labels = {"message": "diagram_created", "outcome": "done"}
    assert registry.get_sample_value("autograph_deliveries_total", labels) == 1


def test_a_clock_that_is_ahead_makes_no_negative_wait(registry: CollectorRegistry) -> None:
    bus = BusMetrics(registry)

    bus.waited("sign_in", -3.0)

    assert registry.get_sample_value("autograph_queue_wait_seconds_sum", {"message": "sign_in"}) == 0


def test_retries_and_parked_messages_are_counted_by_rung_and_reason(registry: CollectorRegistry) -> None:
    bus = BusMetrics(registry)

    bus.retried("sign_in", "10s")
    bus.parked("sign_in", "undecodable")

    assert registry.get_sample_value("autograph_retries_total", {"message": "sign_in", "rung": "10s"}) == 1
    assert registry.get_sample_value("autograph_parked_total", {"message": "sign_in", "reason": "undecodable"}) == 1


def test_a_pool_is_asked_when_it_is_scraped(registry: CollectorRegistry) -> None:
    states = {"idle": 10, "used": 0}
    PoolMetrics(registry).watch("postgres", lambda: states)
    states.update(idle=3, used=7)

    assert registry.get_sample_value("autograph_pool_connections", {"pool": "postgres", "state": "used"}) == 7
    assert registry.get_sample_value("autograph_pool_connections", {"pool": "postgres", "state": "idle"}) == 3


def test_a_health_check_shows_how_it_last_went_and_not_before_it_was_asked(registry: CollectorRegistry) -> None:
    found: dict[str, bool] = {}
    HealthMetrics(registry, lambda: found)
    assert registry.get_sample_value("autograph_health_check_ok", {"check": "redis"}) is None
    for ok in (True, False):
        found["redis"] = ok
        assert registry.get_sample_value("autograph_health_check_ok", {"check": "redis"}) == int(ok)
