"""The chart's copies follow their originals."""

from pathlib import Path

import pytest

from autograph.generate import bring_up_to_date, copies


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in {
        "compose/prometheus/rules/edge.yaml": "groups: []\n",
        "compose/prometheus/rules/README.md": "no rule\n",
        "compose/grafana/dashboards/edge.json": "{}\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    bring_up_to_date(tmp_path, copies(tmp_path), check=False)
    return tmp_path


def test_the_chart_carries_every_rule_and_dashboard_and_nothing_else(repository: Path) -> None:
    files = repository / "helm/autograph/files"

    assert {str(path.relative_to(files)) for path in files.rglob("*.*")} == {"rules/edge.yaml", "dashboards/edge.json"}
    assert (files / "rules/edge.yaml").read_text("utf-8") == "groups: []\n"


def test_a_copy_that_follows_is_not_written_again(repository: Path) -> None:
    assert bring_up_to_date(repository, copies(repository), check=False) == []
    assert bring_up_to_date(repository, copies(repository), check=True) == []


def test_a_changed_original_is_noticed_and_copied(repository: Path) -> None:
    (repository / "compose/prometheus/rules/edge.yaml").write_text("groups: [{}]\n", "utf-8")

    with pytest.raises(SystemExit, match=r"helm/autograph/files/rules/edge\.yaml does not follow"):
        bring_up_to_date(repository, copies(repository), check=True)
    assert bring_up_to_date(repository, copies(repository), check=False) == [
        "written: helm/autograph/files/rules/edge.yaml"
    ]
    assert (repository / "helm/autograph/files/rules/edge.yaml").read_text("utf-8") == "groups: [{}]\n"


def test_a_copy_whose_original_is_gone_is_noticed_and_removed(repository: Path) -> None:
    (repository / "compose/grafana/dashboards/edge.json").unlink()

    with pytest.raises(SystemExit, match=r"helm/autograph/files/dashboards/edge\.json does not follow"):
        bring_up_to_date(repository, copies(repository), check=True)
    assert bring_up_to_date(repository, copies(repository), check=False) == [
        "removed: helm/autograph/files/dashboards/edge.json"
    ]
    assert not (repository / "helm/autograph/files/dashboards/edge.json").exists()
