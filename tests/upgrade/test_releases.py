import subprocess
from pathlib import Path

import pytest

from tests.published.collect import last_releases_names, published_names
from tests.servers import REPOSITORY
from tests.upgrade.releases import Release, previous_release, previous_version_and_commit


async def test_the_previous_releases_code_is_what_runs(previous: Release) -> None:
    """And not this checkout's, which the environment's path names as well."""
    loaded = await previous.python("-c", "import gateway, workers, chassis; print(gateway.__file__, workers.__path__)")

    assert str(previous.folder) in loaded
    assert f"{REPOSITORY}/" not in loaded


@pytest.mark.slow("reads all code of a release, and runs its command")
def test_the_names_that_must_stay_are_those_of_the_previous_release(previous: Release) -> None:
    assert last_releases_names() == published_names(previous.folder)


def test_the_previous_release_is_an_ancestor_of_this_one() -> None:
    _, commit = previous_version_and_commit()

    subprocess.run(["git", "merge-base", "--is-ancestor", commit, "HEAD"], cwd=REPOSITORY, check=True)


def test_a_shallow_clone_says_what_it_needs(tmp_path: Path) -> None:
    clone = tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{REPOSITORY}", clone], check=True)

    with pytest.raises(AssertionError, match="git fetch --unshallow"):
        previous_release(tmp_path / "code", clone=clone)
