"""One stack of containers for all tests here, under a name of its own, on free ports, gone afterwards.

`make test-deploy` brings the engine and the images. `AUTOGRAPH_TEST_COMPOSE` names further compose files (separated by
``:``), by which it says what stands in for what cannot be had.
"""

import os
import secrets
import subprocess
from collections.abc import Iterator

import pytest

from tests.deploy.stack import Containers
from tests.manifests.compose_files import COMPOSE


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    further = [file for file in os.environ.get("AUTOGRAPH_TEST_COMPOSE", "").split(os.pathsep) if file]
    stack = Containers(f"autograph-test-{secrets.token_hex(4)}", (str(COMPOSE), *further))
    try:
        stack.build()
        stack.up()
        yield stack
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{error}\n{error.stdout}\n{error.stderr}\n{stack.told()}")
    finally:
        stack.remove()
