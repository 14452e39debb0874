"""The containers' secrets are made once, and each server's volume has its own only."""

import json
import re
import stat
from pathlib import Path
from urllib.parse import urlsplit

from chassis.bus.topology import MAX_MESSAGE_BYTES
from compose.secret_files import NAMES, main, servers
from contracts.catalogue import LARGEST_MESSAGE_BYTES

REPOSITORY = Path(__file__).parents[3]


def made(folder: Path) -> dict[str, str]:
    main(folder)
    return {str(file.relative_to(folder)): file.read_text("utf-8") for file in folder.rglob("*") if file.is_file()}


def test_what_was_made_is_kept_when_it_is_asked_for_again(tmp_path: Path) -> None:
    assert made(tmp_path) == made(tmp_path)


def test_every_broker_takes_the_largest_message_that_the_edge_lets_in() -> None:
    configurations = [
        servers(dict.fromkeys(NAMES, "s"))["rabbitmq/10-autograph.conf"],
        (REPOSITORY / "helm/autograph/templates/engines.yaml").read_text("utf-8"),
        f"max_message_size = {MAX_MESSAGE_BYTES}",  # the local launcher's
    ]
    for configuration in configurations:
        [taken] = re.findall(r"max_message_size = (\d+)", configuration)
        assert int(taken) > LARGEST_MESSAGE_BYTES


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    one, other = (json.loads(made(tmp_path / name)["operator/secrets.json"]) for name in ("one", "other"))

    assert set(one) == set(other) == set(NAMES)
    assert not set(one.values()) & set(other.values())
    assert min(map(len, one.values())) == 48  # of hex: 192 bits


def test_a_release_that_needs_another_secret_makes_that_one_and_keeps_the_others(tmp_path: Path) -> None:
    before = json.loads(made(tmp_path)["operator/secrets.json"])
    kept = tmp_path / "operator" / "secrets.json"
    kept.unlink()
    kept.write_text(json.dumps({name: value for name, value in before.items() if name != "grafana"}), "utf-8")

    after = json.loads(made(tmp_path)["operator/secrets.json"])

    assert after["grafana"] != before["grafana"]
    assert {**after, "grafana": before["grafana"]} == before


def test_the_installations_secret_is_made_anew_when_that_is_asked_and_no_other_changes(tmp_path: Path) -> None:
    before = made(tmp_path)

    main(tmp_path, renew="installation")

    after = {str(file.relative_to(tmp_path)): file.read_text("utf-8") for file in tmp_path.rglob("*") if file.is_file()}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"operator/secrets.json", "operator/AUTOGRAPH_INSTALLATION_SECRET"}


def test_a_server_reads_its_own_secret_and_no_other(tmp_path: Path) -> None:
    files = made(tmp_path)
    secrets = json.loads(files["operator/secrets.json"])
    own = {"postgres": {"postgres"}, "redis": {"redis"}, "rabbitmq": {"rabbitmq"}, "s3": {"s3", "s3-worker"}}
    own["grafana"] = {"grafana"}

    for name, text in files.items():
        folder = name.partition("/")[0]
        if folder != "operator":
            assert {secret for secret, value in secrets.items() if value in text} == own[folder], name
    assert {name.partition("/")[0] for name in files} == {*own, "operator"}


def test_the_operators_files_are_its_own_and_a_servers_can_be_read_under_its_user_id(tmp_path: Path) -> None:
    main(tmp_path)

    modes = {file: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.rglob("*") if file.is_file()}
    assert {mode for file, mode in modes.items() if file.parent.name == "operator"} == {0o400}
    assert {mode for file, mode in modes.items() if file.parent.name != "operator"} == {0o444}


def test_addresses_and_servers_agree_on_the_passwords(tmp_path: Path) -> None:
    files = made(tmp_path)

    redis = urlsplit(files["operator/AUTOGRAPH_REDIS_URL"])
    broker = urlsplit(files["operator/AUTOGRAPH_RABBITMQ_URL"])
    postgres = urlsplit(files["operator/AUTOGRAPH_POSTGRES_URL"])
    assert f"requirepass {redis.password}\n" in files["redis/valkey.conf"]
    assert (
        f"default_user = {broker.username}\ndefault_pass = {broker.password}\n" in files["rabbitmq/10-autograph.conf"]
    )
    assert f"default_vhost = {broker.path[1:]}\n" in files["rabbitmq/10-autograph.conf"]
    assert postgres.password == files["postgres/password"]
    keys = [identity["credentials"][0] for identity in json.loads(files["s3/identities.json"])["identities"]]
    assert keys == [
        {
            "accessKey": files[f"operator/AUTOGRAPH_S3_{whose}ACCESS_KEY"],
            "secretKey": files[f"operator/AUTOGRAPH_S3_{whose}SECRET_KEY"],
        }
        for whose in ("", "WORKER_")
    ]


def test_redis_keeps_nothing_on_disk() -> None:
    assert '\nsave ""\nappendonly no\n' in servers(dict.fromkeys(NAMES, "x"))["redis/valkey.conf"]
