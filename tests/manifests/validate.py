"""Holds manifests to schemas: JSON on standard input, complaints on standard output. Run by `.venv-tools`' Python.

What no schema is known for is a complaint too.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # these four are in the other environment only
import kubernetes_validate  # type: ignore[import-not-found]
from cloudcoil.models.keda import v1alpha1 as keda  # type: ignore[import-not-found]
from cloudcoil.models.prometheus_operator import v1 as prometheus  # type: ignore[import-not-found]

VERSIONS = ("1.31", "1.37")  # the oldest that Chart.yaml admits, and the newest with schemas
MODELS = {"keda.sh/v1alpha1": keda, "monitoring.coreos.com/v1": prometheus}
SCHEMAS = Path(__file__).parent / "schemas"


def complaints(manifest: dict[str, Any]) -> Iterator[str]:
    version, kind = manifest["apiVersion"], manifest["kind"]
    own = SCHEMAS / f"{kind}.json"
    if version in MODELS:
        yield from _by_model(getattr(MODELS[version], kind), manifest)
    elif own.exists():
        schema = json.loads(own.read_text("utf-8"))
        for error in jsonschema.Draft7Validator(schema).iter_errors(manifest):
            yield f"{'.'.join(map(str, error.path))}: {error.message}"
    else:
        yield from _by_kubernetes(manifest)


def _by_model(model: Any, manifest: dict[str, Any]) -> Iterator[str]:
    try:
        read = model.model_validate(manifest)
    except ValueError as error:
        yield str(error)
        return
    # A model passes over what it does not know.
    if json.loads(read.model_dump_json(by_alias=True, exclude_unset=True)) != manifest:
        yield "has a field that the resource does not"


def _by_kubernetes(manifest: dict[str, Any]) -> Iterator[str]:
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield error.message


if __name__ == "__main__":
    found = [
        f"{manifest['kind']}/{manifest['metadata']['name']}: {complaint}"
        for manifest in json.load(sys.stdin)
        for complaint in complaints(manifest)
    ]
    sys.stdout.write(json.dumps(found))
