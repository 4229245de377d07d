"""The experiment as JSON Schema: a form for people, and a check that names the field that is wrong.

Where the keys of a section depend on one of them (`source`, `kind`, a model's `name`), JSON Schema has two tongues.
`anyOf` lists the possible shapes, which a form can show; but what it complains of is never the field that is wrong.
`if`/`then` by that key complains of the very field, and no form shows it. So both stand side by side, and the last
shape of the list, plain JSON, takes everything, so that only the second ever complains.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from recsys.data.config import SOURCES
from recsys.errors import InputError
from recsys.models.registry import installed, model_class
from recsys.splits.config import SPLITS

# A shape without any demand: forms show it as a text field for JSON.
ANYTHING: dict[str, Any] = {"title": "JSON"}


def refine(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an Experiment with data, split and models as described above."""
    properties = schema["properties"]
    properties["data"] = _keep(properties["data"], by_kind("source", _schemas(SOURCES)))
    # A form shows a value in the first shape that has most of its keys: plain ones first, for they have none too many.
    splits = dict(sorted(SPLITS.items(), key=lambda split: len(split[1].model_fields)))
    properties["split"] = _keep(properties["split"], by_kind("kind", _schemas(splits)))
    configs = _configs()
    complete = [
        name for name, kind in configs.items() if not any(map(FieldInfo.is_required, kind.model_fields.values()))
    ]
    models = by_kind("name", _schemas(configs))
    properties["models"]["items"] = {
        "anyOf": [{"type": "string", "enum": complete, "title": "Name, with default settings"}, *models.pop("anyOf")],
        "if": {"type": "string"},
        "then": {"enum": complete},
        "else": models,
    }
    for position, name in enumerate(properties):
        properties[name]["position"] = position
    return schema


def _configs() -> dict[str, type[BaseModel]]:
    """The settings of every model that loads: one broken package does not take the others with it."""
    configs: dict[str, type[BaseModel]] = {}
    for name in sorted(installed()):
        with contextlib.suppress(InputError):
            configs[name] = model_class(name).Config
    return configs


def by_kind(key: str, schemas: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A section whose keys depend on `key`; schemas: of the section by the value of that key.

    The demands are a chain of if/then/else and not `allOf`, which a form would take for fields.
    """
    demands: dict[str, Any] = {"type": "object", "required": [key], "properties": {key: {"enum": sorted(schemas)}}}
    for kind, schema in schemas.items():
        is_kind = {"type": "object", "properties": {key: {"const": kind}}, "required": [key]}
        demands = {"if": is_kind, "then": _demands(schema, key), "else": demands}
    return {"anyOf": [*(_form(kind, schema, key) for kind, schema in _distinct(schemas)), ANYTHING], **demands}


def _schemas(kinds: Mapping[str, type[BaseModel]]) -> dict[str, dict[str, Any]]:
    return {name: _schema(kind) for name, kind in kinds.items()}


@cache
def _schema(kind: type[BaseModel]) -> dict[str, Any]:
    """Nobody changes it: Prefect asks for the schema of an experiment four times before the first flow runs."""
    return inline(kind.model_json_schema())


def _distinct(schemas: Mapping[str, dict[str, Any]]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Each shape once: several kinds may share one."""
    seen: list[dict[str, Any]] = []
    for kind, schema in schemas.items():
        if schema not in seen:
            seen.append(schema)
            yield kind, schema


def _demands(schema: dict[str, Any], key: str) -> dict[str, Any]:
    """What a section of one kind must be: known keys alone, each within its bounds."""
    properties = {name: value for name, value in schema["properties"].items() if name != key}
    return {
        "properties": properties,
        "required": [name for name in schema.get("required", []) if name != key],
        "propertyNames": {"enum": [key, *properties]},
    }


def _form(kind: str, schema: dict[str, Any], key: str) -> dict[str, Any]:
    """The shape of one kind, as a form shows it.

    Without defaults but that of the kind: a form would fill them in and send them, also for another kind that shares
    some keys. They stand in the descriptions.
    """
    properties = {name: _described(value) for name, value in schema["properties"].items() if name != key}
    kinds = schema["properties"][key].get("enum", [kind])
    title = kind if len(kinds) == 1 else f"{kind} …"
    chosen = {"title": key.title(), "type": "string", "enum": kinds, "default": kind}
    required = list(dict.fromkeys([key, *schema.get("required", [])]))
    return {"title": title, "type": "object", "required": required, "properties": {key: chosen, **properties}}


def _described(value: Mapping[str, Any]) -> dict[str, Any]:
    shown = {word: part for word, part in value.items() if word != "default"}
    if value.get("default") is not None:
        default = f"Default: {json.dumps(value['default'])}"
        shown["description"] = f"{value['description']} {default}" if "description" in value else default
    return shown


def _keep(old: Mapping[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {**{word: old[word] for word in ("title", "description", "default") if word in old}, **new}


def inline(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its definitions put where they are referred to."""
    definitions = schema.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, list):
            return [resolved(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolved(
                {**definitions[node["$ref"].rpartition("/")[2]], **{k: v for k, v in node.items() if k != "$ref"}}
            )
        return {key: resolved(value) for key, value in node.items()}

    return resolved(schema)
