"""The experiment as JSON Schema: a form for people, and a check that names the field that is wrong.

Where the keys of a section depend on one of them (`source`, `kind`, a model's `name`), JSON Schema has two tongues:
`anyOf` lists the possible shapes, which a form can show, but its complaints name any of them; `if`/`then` by that key
complains of the field that is really wrong. So both stand side by side, the first without any demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from recsys.data.config import SOURCES
from recsys.models.registry import installed, model_class
from recsys.splits.config import SPLITS

SHOWN = ("title", "description", "default", "type", "items", "enum", "position")


def refine(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an Experiment with data, split and models as described above."""
    properties = schema["properties"]
    properties["data"] = _keep(properties["data"], by_kind("source", _schemas(SOURCES)))
    properties["split"] = _keep(properties["split"], by_kind("kind", _schemas(SPLITS)))
    names = sorted(installed())
    models = by_kind("name", _schemas({name: model_class(name).Config for name in names}))
    properties["models"]["items"] = {
        "anyOf": [{"type": "string", "enum": names, "title": "Name, with default settings"}, *models.pop("anyOf")],
        "if": {"type": "string"},
        "then": {"enum": names},
        "else": models,
    }
    for position, name in enumerate(properties):
        properties[name]["position"] = position
    return schema


def by_kind(key: str, schemas: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A section whose keys depend on `key`; schemas: of the section by the value of that key."""
    kinds = sorted(schemas)
    clauses = [
        {"if": {"properties": {key: {"const": kind}}, "required": [key]}, "then": _demands(schemas[kind], key)}
        for kind in kinds
    ]
    return {
        "anyOf": [_form(schema, key, kind) for kind, schema in _distinct(schemas)],
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": kinds}},
        "allOf": clauses,
    }


def _schemas(kinds: Mapping[str, type[BaseModel]]) -> dict[str, dict[str, Any]]:
    return {name: inline(kind.model_json_schema()) for name, kind in kinds.items()}


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


def _form(schema: dict[str, Any], key: str, kind: str) -> dict[str, Any]:
    """The same as a form: titles, types and defaults. Nothing that a value could fail: types stand in `anyOf` with
    everything else."""
    properties = {}
    for name, value in schema["properties"].items():
        shown = {word: value[word] for word in SHOWN if word in value}
        properties[name] = shown
    properties[key] = {"title": key.title(), "type": "string", "default": kind}
    return {"title": kind, "type": "object", "properties": properties}


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
