"""The entries of the services hold together."""

import pkgutil
from collections import Counter
from importlib import import_module

import pytest

import contracts
import workers
from contracts import diagram
from contracts.catalogue import DELEGATIONS, EVENTS, MESSAGES, REQUESTS, SUBSCRIPTIONS, WORKERS
from contracts.services import PROCESSES, RESERVED_CONNECTIONS, SERVICES, Engine, Service, entry, max_connections
from gateway.settings import GatewaySettings


def test_names_and_side_ports_are_taken_once() -> None:
    assert max(Counter(service.name for service in SERVICES).values()) == 1
    assert max(Counter(service.side_port for service in SERVICES).values()) == 1


def test_there_is_an_entry_for_each_folder_and_a_folder_for_each_entry() -> None:
    assert {module.name for module in pkgutil.iter_modules(workers.__path__)} == set(WORKERS)


def test_no_contract_is_left_out_of_the_entries() -> None:
    """Whatever module of the contracts has messages is in some entry."""
    found = {
        message
        for module in pkgutil.walk_packages(contracts.__path__, "contracts.")
        if module.name != "contracts.catalogue"
        for message in getattr(import_module(module.name), "MESSAGES", ())
    }
    assert found == set(MESSAGES)


def test_what_a_worker_hears_and_asks_is_in_the_catalogue() -> None:
    assert {event for heard in SUBSCRIPTIONS.values() for event in heard} <= set(EVENTS)
    assert {request for asked in DELEGATIONS.values() for request in asked} <= set(REQUESTS)


def test_each_worker_has_a_database_since_what_it_has_done_stands_there() -> None:
    assert {service.name for service in SERVICES if Engine.POSTGRES in service.engines} == set(WORKERS)


def test_kinds_of_cache_entries_have_one_owner() -> None:
    assert max(Counter(kind for service in SERVICES for kind in service.caches).values()) == 1


@pytest.mark.parametrize("name", ["", "Render", "render2", "git-hub", "sixteencharacter", "a.b"])
def test_a_name_that_a_queue_or_a_schema_could_not_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a service"):
        Service(name=name, side_port=1)


def test_a_message_of_another_service_is_refused() -> None:
    with pytest.raises(ValueError, match=r"does not own autograph\.diagram\.create_diagram\.v1"):
        Service(name="render", side_port=1, messages=(diagram.diagrams.CreateDiagram,))


def test_a_bulkhead_for_an_event_that_the_worker_does_not_hear_is_refused() -> None:
    with pytest.raises(ValueError, match=r"bulkhead for autograph\.diagram\.diagram_created\.v1"):
        Service(name="render", side_port=1, event_bulkheads={diagram.diagrams.DiagramCreated: "slow"})


def test_the_gateway_is_no_worker_and_has_its_folder_to_itself() -> None:
    gateway = entry("gateway")
    assert not gateway.is_worker
    assert gateway.settings_class == (GatewaySettings.__module__, GatewaySettings.__name__)


def test_there_are_connections_for_all_pools() -> None:
    one = Service(name="one", side_port=1, needs={Engine.POSTGRES}, pool_max=10)
    none = Service(name="none", side_port=2)

    usual = max_connections(services=(one, none))

    assert usual == RESERVED_CONNECTIONS + 10 * PROCESSES
    assert max_connections({"one": 1}, services=(one, none)) == usual
    assert max_connections({"one": PROCESSES + 1}, services=(one, none)) == usual + 10
    assert max_connections({}, {"one": 20}, services=(one, none)) == usual + 10 * PROCESSES
