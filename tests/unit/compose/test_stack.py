"""Which servers are the user's, and where all of them are."""

from pathlib import Path

from compose.local.home import Home
from compose.local.servers.seaweedfs import administrator, identities, worker
from compose.local.stack import addresses, is_external_server
from contracts.services import BUCKETS

BROKER = {
    "AUTOGRAPH_RABBITMQ_URL": "amqp://me:secret@broker:5672/mine",
    "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": "http://me:secret@broker:15672",
}


def test_a_server_that_the_user_names_keeps_its_address(tmp_path: Path) -> None:
    servers = addresses(Home(tmp_path).open(), BROKER)

    assert servers.rabbitmq_url == BROKER["AUTOGRAPH_RABBITMQ_URL"]
    assert servers.rabbitmq_management_url == BROKER["AUTOGRAPH_RABBITMQ_MANAGEMENT_URL"]
    assert servers.postgres_url.startswith("postgresql://postgres:")


def test_ours_listen_on_loopback_only(tmp_path: Path) -> None:
    ours = addresses(Home(tmp_path).open(), {}).environment()

    urls = [value for name, value in ours.items() if name.endswith("_URL")]
    assert len(urls) == 5
    assert all("127.0.0.1:" in url for url in urls)


def test_a_broker_is_given_with_its_management_api() -> None:
    assert is_external_server("rabbitmq", BROKER)
    assert not is_external_server("rabbitmq", {"AUTOGRAPH_RABBITMQ_URL": "amqp://broker"})


def test_a_store_of_the_users_own_serves_the_worker_with_the_keys_that_it_was_given(tmp_path: Path) -> None:
    given = {
        "AUTOGRAPH_S3_URL": "https://store",
        "AUTOGRAPH_S3_ACCESS_KEY": "access",
        "AUTOGRAPH_S3_SECRET_KEY": "secret",
    }

    servers = addresses(Home(tmp_path).open(), given)

    assert servers.s3_worker == servers.s3


def test_a_store_of_the_users_own_serves_the_worker_with_keys_of_its_own_where_they_are_named(tmp_path: Path) -> None:
    given = {
        "AUTOGRAPH_S3_URL": "https://store",
        "AUTOGRAPH_S3_ACCESS_KEY": "access",
        "AUTOGRAPH_S3_SECRET_KEY": "secret",
        "AUTOGRAPH_S3_WORKER_ACCESS_KEY": "workers",
        "AUTOGRAPH_S3_WORKER_SECRET_KEY": "workers-own",
    }

    servers = addresses(Home(tmp_path).open(), given)

    assert (servers.s3.access_key, servers.s3.secret_key) == ("access", "secret")
    assert (servers.s3_worker.access_key, servers.s3_worker.secret_key) == ("workers", "workers-own")


def test_the_worker_at_our_store_may_use_its_buckets_and_nothing_else(tmp_path: Path) -> None:
    home = Home(tmp_path).open()

    [_, workers] = identities(administrator(home), worker(home))["identities"]

    assert {action.partition(":")[2] for action in workers["actions"]} == set(BUCKETS)
