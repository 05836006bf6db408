"""The JSON schemas of Compose and of Kubernetes, as `make dev` has them; see tests/schemas.lock."""

from __future__ import annotations

import json
import re
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource

WHEELS = Path(__file__).parents[1] / ".venv" / "schemas"
MISSING = "There are no schemas in .venv/schemas; `make dev` gets them."
COMPOSE = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
KUBERNETES = "kubernetes_validate/kubernetes-json-schema/v{version}.0-local-strict/{name}"
#: What the schemas of Kubernetes call each other by.
DEFINITIONS = "_definitions.json"


def faults_of_compose(said: Any) -> list[str]:
    """Return what is wrong with a Compose file."""
    return _faults(Draft202012Validator(_read("check_jsonschema", COMPOSE)), said)


def faults_of_kubernetes(said: Any, version: str) -> list[str]:
    """Return what is wrong with an object for Kubernetes of *version*, as in "1.37"; unknown fields are."""
    group = re.sub(r"^([^./]+)[^/]*/", r"\1-", said["apiVersion"])
    name = f"{said['kind'].lower()}-{group}.json"
    schema = _read("kubernetes_validate", KUBERNETES.format(version=version, name=name))
    return _faults(Draft202012Validator(schema, registry=_definitions(version)), said)


@cache
def _definitions(version: str) -> Any:
    told = _read("kubernetes_validate", KUBERNETES.format(version=version, name=DEFINITIONS))
    return Resource.from_contents(told) @ Registry()


def _faults(validator: Any, said: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(said)]


@cache
def _read(wheel: str, name: str) -> Any:
    found = [*WHEELS.glob(f"{wheel}-*.whl")]
    assert found, MISSING
    with zipfile.ZipFile(found[0]) as archive:
        return json.loads(archive.read(name))
