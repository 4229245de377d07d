"""The JSON Schema of an experiment: what a deployment refuses, by which field, and the form that it shows."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from recsys.data.config import SOURCES
from recsys.experiment.schema import inline
from recsys.experiment.spec import Experiment
from recsys.models.registry import installed
from recsys.splits.config import SPLITS

ROOT = Path(__file__).resolve().parents[2]
BASE = {"name": "x", "data": {"source": "synthetic"}, "models": ["ease"]}
TABLE = {"source": "table", "interactions": "events.csv"}


@pytest.fixture(scope="module")
def schema():
    """The parameters of a flow whose `spec` is an experiment, as Prefect keeps them with a deployment."""
    from prefect.utilities.callables import parameter_schema

    def compare(spec: Experiment, overrides: list[str] | None = None) -> None: ...

    return parameter_schema(compare).model_dump()


@pytest.fixture(scope="module")
def check(schema):
    from prefect.utilities.schema_tools import validation

    def checked(**changes):
        parameters = {"spec": {**BASE, **changes}, "overrides": []}
        validation.validate(parameters, schema, raise_on_error=True, preprocess=True)

    with pytest.MonkeyPatch.context() as patch:
        # That the schema is one is checked once below; here it would take a second for every five values.
        patch.setattr(validation._VALIDATOR, "check_schema", lambda *args, **options: None)
        yield checked


WRONG = [
    ({"name": "a b"}, "spec.name", "does not match"),
    ({"data": 5}, "spec.data", "5 is not of type 'object'"),
    ({"data": "synthetic"}, "spec.data", "is not of type 'object'"),
    ({"data": {}}, "spec.data", "'source' is a required property"),
    ({"data": {"source": "tabel"}}, "spec.data.source", "'tabel' is not one of"),
    (
        {"data": {"source": "synthetic", "duplicates": "x"}},
        "spec.data.duplicates",
        "'x' is not one of ['error', 'first'",
    ),
    ({"data": {"source": "synthetic", "users": 1}}, "spec.data.users", "1 is less than the minimum of 2"),
    ({"data": {"source": "synthetic", "path": "u"}}, "spec.data", "'path' is not one of ['source', "),
    ({"data": {"source": "movielens-100k", "users": 5}}, "spec.data", "'users' is not one of ['source', "),
    ({"data": {"source": "table"}}, "spec.data", "'interactions' is a required property"),
    ({"data": {**TABLE, "columns": {"usr": "x"}}}, "spec.data.columns", "'usr' was unexpected"),
    ({"data": {**TABLE, "weight": "x"}}, "spec.data.weight", "'x' is not one of ['value', 'log']"),
    ({"split": {"kind": "rolin"}}, "spec.split.kind", "'rolin' is not one of"),
    ({"split": {"kind": "random", "test": 1.5}}, "spec.split.test", "1.5 is greater than or equal to the maximum of 1"),
    ({"split": {"kind": "rolling", "window": "x"}}, "spec.split.window", "'x' does not match"),
    ({"models": []}, "spec.models", "should be non-empty"),
    ({"models": ["easy"]}, "spec.models[0]", "'easy' is not one of ['co-visitation', "),
    ({"models": ["ease", 3]}, "spec.models[1]", "3 is not of type 'object'"),
    ({"models": [{"regularization": 1}]}, "spec.models[0]", "'name' is a required property"),
    ({"models": [{"name": "easy"}]}, "spec.models[0].name", "'easy' is not one of"),
    ({"models": [{"name": "ease", "epochs": 3}]}, "spec.models[0]", "'epochs' is not one of ['name', 'label', "),
    ({"models": [{"name": "mf", "epochs": 0}]}, "spec.models[0].epochs", "0 is less than or equal to the minimum of 0"),
    ({"models": [{"name": "mf", "epochs": "many"}]}, "spec.models[0].epochs", "'many' is not of type 'integer'"),
    ({"evaluation": {"metrics": ["ndgc"]}}, "spec.evaluation.metrics[0]", "'ndgc' is not one of"),
    ({"evaluation": {"k": [0]}}, "spec.evaluation.k[0]", "0 is less than the minimum of 1"),
    ({"evaluation": {"users": "cold"}}, "spec.evaluation.users", "'cold' is not one of ['warm', 'all']"),
    ({"seeds": [-1]}, "spec.seeds[0]", "-1 is less than the minimum of 0"),
    ({"refit": "maybe"}, "spec.refit", "'maybe' is not of type 'boolean'"),
    ({"runner": {"memory": 0}}, "spec.runner.memory", "0 is less than or equal to the minimum of 0"),
    ({"tuning": 20}, "spec.tuning", "20 is not valid under any of the given schemas"),
    ({"modles": []}, "spec", "'modles' was unexpected"),
]

RIGHT = [
    {},
    {"data": {"source": "synthetic", "weight": None, "users": 100}},
    {"data": {"source": "movielens-1m", "path": None, "weight": "log"}},
    {"data": {**TABLE, "items": None, "columns": {"user": "who", "value": None}}},
    {"split": {"kind": "predefined", "test": "t.csv", "validation": None}},
    {"split": {"kind": "predefined", "test": "t.csv", "validation": 0.1}},
    {"split": {"kind": "predefined", "test": "t.csv", "validation": "v.csv"}},
    {"models": ["ease", {"name": "mf", "label": None, "epochs": 3}, {"name": "popularity", "label": "base line"}]},
    {
        "evaluation": {"users": None, "metrics": ["rmse"], "primary": "rmse", "candidates": "pairs.csv"},
        "models": ["mf"],
    },
    {"positive": None, "tuning": None, "runner": {"workers": "auto", "timeout": None, "memory": None}},
    {"tuning": {"trials": 5, "seconds": 60}},
    {"positive": 3.5, "runner": {"workers": 2, "timeout": 0.5, "memory": 4}},
]


def test_it_is_a_schema(schema):
    Draft202012Validator.check_schema(schema)
    Draft202012Validator.check_schema(Experiment.model_json_schema())


@pytest.mark.parametrize(("change", "field", "reason"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_value_is_refused_by_the_name_of_its_field(check, change, field, reason):
    from prefect.utilities.schema_tools.validation import ValidationError

    with pytest.raises(ValidationError) as caught:
        check(**change)
    assert str(caught.value).startswith(f"Validation failed for field '{field}'. Failure reason: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("change", RIGHT, ids=lambda value: str(value)[:40])
def test_a_good_value_is_taken(check, change):
    check(**change)
    Experiment.parse({**BASE, **change})


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_specs_in_conf_are_taken(check, path):
    check(**yaml.safe_load(path.read_text()))
    check(**Experiment.load(path).model_dump(mode="json"))


@pytest.mark.parametrize(
    "split", [{"kind": kind} if kind != "predefined" else {"kind": kind, "test": "t.csv"} for kind in SPLITS]
)
def test_every_split_with_all_its_defaults_is_taken(check, split):
    check(split=Experiment.parse({**BASE, "split": split}).split.model_dump(mode="json"))


def test_every_model_with_all_its_defaults_is_taken(check):
    required = {"external": {"name": "external", "command": ["python3", "score.py", "{folder}"]}}
    experiment = Experiment.parse({**BASE, "models": [required.get(name, name) for name in sorted(installed())]})
    check(models=[model.model_dump(mode="json") for model in experiment.models])


class TestForm:
    """What a person sees: a shape for each kind, and one for plain JSON."""

    @pytest.fixture(scope="class")
    @classmethod
    def sections(cls):
        properties = Experiment.model_json_schema()["properties"]
        return {
            "source": (properties["data"]["anyOf"], SOURCES),
            "kind": (properties["split"]["anyOf"], SPLITS),
            "name": (properties["models"]["items"]["anyOf"][1:], installed()),
        }

    @pytest.mark.parametrize("key", ["source", "kind", "name"])
    def test_every_kind_has_a_shape(self, sections, key):
        *shapes, anything = sections[key][0]
        shown = [kind for shape in shapes for kind in shape["properties"][key]["enum"]]
        assert sorted(shown) == sorted(sections[key][1])
        assert anything == {"title": "JSON"}
        assert all(shape["type"] == "object" and shape["required"][0] == key for shape in shapes)

    def test_what_is_required_is_marked(self, sections):
        (table,) = [shape for shape in sections["source"][0] if shape["title"] == "table"]
        assert table["required"] == ["source", "interactions"]

    @pytest.mark.parametrize(
        "split",
        [
            {"kind": "random", "test": 0.2, "validation": 0.1, "seed": 42},
            {"kind": "temporal", "test": 0.2, "validation": 0.1},
            {"kind": "leave-one-out", "order": "time"},
            {"kind": "cold-users", "history": 0.5},
            {"kind": "rolling", "window": "14d"},
        ],
        ids=lambda split: split["kind"],
    )
    def test_a_split_is_shown_in_a_shape_without_foreign_fields(self, sections, split):
        """Prefect's form takes the first shape with most of the keys."""
        shapes = sections["kind"][0][:-1]
        chosen = max(shapes, key=lambda shape: len(split.keys() & shape["properties"].keys()))
        assert set(chosen["properties"]) <= set(SPLITS[split["kind"]].model_fields)

    @pytest.mark.parametrize("key", ["source", "kind", "name"])
    def test_a_form_fills_in_nothing_but_the_kind(self, sections, key):
        for shape in sections[key][0][:-1]:
            filled = {name: value["default"] for name, value in shape["properties"].items() if "default" in value}
            assert list(filled) == [key]

    @pytest.mark.parametrize("key", ["source", "kind", "name"])
    def test_the_list_of_shapes_never_complains(self, sections, key):
        for value in (5, None, "x", {}, {key: "x"}, {key: 3, "duplicates": []}):
            assert Draft202012Validator({"anyOf": sections[key][0]}).is_valid(value)

    def test_defaults_stand_in_the_descriptions(self, sections):
        shape = next(shape for shape in sections["name"][0] if shape["title"] == "ease")
        assert shape["properties"]["regularization"]["description"].endswith("Default: 500.0")
        assert "description" not in shape["properties"]["label"]

    def test_sections_stand_in_the_order_of_the_spec(self):
        properties = Experiment.model_json_schema()["properties"]
        assert sorted(properties, key=lambda name: properties[name]["position"]) == [
            *Experiment.model_fields,
            "format",
        ]


def test_definitions_are_put_in_place():
    schema = {
        "$defs": {"A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}}, "B": {"enum": ["x"]}},
        "properties": {"a": {"$ref": "#/$defs/A", "title": "One"}, "list": {"items": [{"$ref": "#/$defs/B"}]}},
    }
    assert inline(deepcopy(schema)) == {
        "properties": {
            "a": {"type": "object", "properties": {"b": {"enum": ["x"]}}, "title": "One"},
            "list": {"items": [{"enum": ["x"]}]},
        }
    }
