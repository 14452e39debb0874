"""Every setting is described, where it is read."""

import pytest

from autograph.settings_page import OTHERS, description, page, programs, settings_of
from chassis.setting_names import KNOWN
from contracts.services import SERVICES, Engine, Service, needing


@pytest.mark.parametrize("service", programs())
def test_each_setting_says_in_a_line_below_it_what_it_does(service: str) -> None:
    silent = [name for name in programs()[service].model_fields if not description(programs()[service], name)]

    assert silent == []


def test_the_page_has_each_setting_once_with_who_reads_it_its_limits_and_its_default() -> None:
    lines = page().splitlines()

    for name in KNOWN:
        assert len([line for line in lines if line.startswith(f"| `AUTOGRAPH_{name}` |")]) == 1
    [limit] = [line for line in lines if line.startswith("| `AUTOGRAPH_BCRYPT_COST` ")]
    assert limit.split(" | ")[1:4] == ["auth", "whole number, \u2265 4, \u2264 16", "`12`"]
    [url] = [line for line in lines if line.startswith("| `AUTOGRAPH_POSTGRES_URL` ")]
    workers = ", ".join(service.name for service in needing(Engine.POSTGRES))
    assert f"{workers}: must be set; autograph: none" in url
    [flag] = [line for line in lines if line.startswith("| `AUTOGRAPH_PUBLIC_DETAILS` ")]
    assert flag.split(" | ")[2:4] == ["true or false", "`false`"]
    [port] = [line for line in lines if line.startswith("| `AUTOGRAPH_HTTP_PORT` ")]
    assert "gateway: whole number, \u2265 0, \u2264 65,535; autograph: whole number, \u2265 1, \u2264 65,535" in port


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_services_settings_say_what_its_entry_says(service: Service) -> None:
    fields = settings_of(service).model_fields

    assert {engine for engine in Engine if f"{engine}_url" in fields} == set(service.engines)
    assert fields["side_port"].default == service.side_port
    assert (f"{service.name}_secret" in fields) is service.own_secret
    assert set(service.optional_secrets) <= set(fields)
    assert set(service.pod_settings) <= set(fields)
    if Engine.POSTGRES in service.engines:
        assert fields["postgres_pool_max"].default == service.pool_max
        assert fields["postgres_pool_min"].default <= service.pool_max


def test_what_is_named_as_another_programs_is_no_setting_of_ours() -> None:
    ours = {name.upper() for settings in programs().values() for name in settings.model_fields}

    assert ours.isdisjoint(OTHERS)
    assert ours | OTHERS.keys() == KNOWN
