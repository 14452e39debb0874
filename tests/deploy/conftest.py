"""One stack of containers for all tests here, under a name of its own, on a free port, gone afterwards.

`AUTOGRAPH_TEST_COMPOSE` names further compose files (separated by ``:``): to stand in for images that cannot be had,
say. `AUTOGRAPH_TEST_CONTAINERS` names the services to bring up, all of them otherwise.
"""

import os
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from tests.containers.stack import Containers
from tests.manifests.compose_files import COMPOSE


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    further = [file for file in os.environ.get("AUTOGRAPH_TEST_COMPOSE", "").split(":") if file]
    wanted = os.environ.get("AUTOGRAPH_TEST_CONTAINERS", "").split()
    stack = Containers(f"autograph-test-{secrets.token_hex(4)}", (str(COMPOSE), *further), wanted)
    try:
        stack.compose("build", "gateway")
        stack.up()
        yield stack
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{error}\n{error.stdout}\n{error.stderr}")
    finally:
        stack.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "30")
        stack.docker("image", "rm", "--force", stack.image)
