"""docs/openapi.json as others' programs read it: a linter, three generators, and one that asks all that it allows."""

import json
from pathlib import Path

import pytest

from tests.clients.programs import DESCRIPTION, HERE, NPM, node, python, run
from tests.integration.gateway.local_system import Gateway, signed_up

pytestmark = pytest.mark.clients

TYPESCRIPT = {
    "target": "ES2022",
    "module": "NodeNext",
    "moduleResolution": "NodeNext",
    "types": ["node"],
    "strict": True,
    "lib": ["ES2023", "DOM"],
}
ALL_THAT_THERE_IS = {"noUncheckedIndexedAccess": True, "noImplicitOverride": True}

SCHEMATHESIS = """
[headers]
Authorization = "Bearer {token}"

# Fields that do not fit together are refused with 422, which no schema says.
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "304", "401", "403", "404", "409", "410", "422", "428"]
"""


async def test_a_linter_finds_nothing_in_the_description() -> None:
    silent = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    lint = NPM / "@redocly" / "cli" / "bin" / "cli.js"
    await node(lint, "lint", DESCRIPTION, "--config", HERE / "redocly.yaml", folder=HERE, **silent)


async def test_a_generated_python_client_works(gateway: Gateway, tmp_path: Path) -> None:
    package = tmp_path / "autograph_client"
    generator = python("openapi-python-client")
    said = await run(
        *(generator, "generate", "--path", DESCRIPTION, "--meta", "none", "--output-path", package), folder=tmp_path
    )
    assert "unsupported" not in said.lower()
    await run(python(), HERE / "journey.py", address(gateway), folder=tmp_path, PYTHONPATH=str(tmp_path))


async def test_types_by_default_flags_compile_and_work(gateway: Gateway, tmp_path: Path) -> None:
    make_project(tmp_path, "fetch.ts", TYPESCRIPT)
    generator = NPM / "openapi-typescript" / "bin" / "cli.js"
    await node(generator, DESCRIPTION, "-o", tmp_path / "schema.d.ts", folder=tmp_path)
    await compile_and_run(tmp_path, "fetch", gateway)


async def test_a_generated_typescript_client_compiles_strictly_and_works(gateway: Gateway, tmp_path: Path) -> None:
    make_project(tmp_path, "sdk.ts", TYPESCRIPT | ALL_THAT_THERE_IS)
    generator = NPM / "@hey-api" / "openapi-ts" / "bin" / "run.js"
    output = {"path": str(tmp_path / "sdk"), "module": {"extension": ".js"}}  # Node.js looks for nothing else
    configuration = json.dumps({"input": str(DESCRIPTION), "output": output})
    (tmp_path / "openapi-ts.config.mjs").write_text(f"export default {configuration};")
    await node(generator, "--silent", folder=tmp_path)
    await compile_and_run(tmp_path, "sdk", gateway)


async def test_a_running_gateway_answers_as_it_is_described(gateway: Gateway, tmp_path: Path) -> None:
    """Whatever the description allows and much that it does not; each run asks the same."""
    anna = await signed_up(gateway.http)
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(SCHEMATHESIS.format(token=anna.tokens["access_token"]))
    ends_the_session = ("sign_out", "sign_out_everywhere", "end_session")
    left_out = [word for name in ends_the_session for word in ("--exclude-operation-id", name)]
    bounds = (
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        "5",
        "--generation-deterministic",
        "--generation-allow-x00",
        "false",
    )
    await run(
        *(python("schemathesis"), "--config-file", configuration, "run", f"{address(gateway)}/api/openapi.json"),
        *(*left_out, *bounds, "--workers", "1", "--no-color"),
        folder=tmp_path,
        SCHEMATHESIS_HOOKS="hooks",
        PYTHONPATH=str(HERE),
    )


def make_project(folder: Path, source: str, options: dict[str, object]) -> None:
    """Of TypeScript, with *source* of this folder in it."""
    (folder / source).write_text((HERE / source).read_text("utf-8"))
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(NPM)
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": [source]}))


async def compile_and_run(folder: Path, name: str, gateway: Gateway) -> None:
    await node(NPM / "typescript" / "bin" / "tsc", "-p", folder, folder=folder)
    await node(folder / f"{name}.js", address(gateway), folder=folder)


def address(gateway: Gateway) -> str:
    return str(gateway.http._base_url).rstrip("/")
