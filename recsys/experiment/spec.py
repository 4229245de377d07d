"""The experiment: everything that decides a comparison, as one typed, frozen value."""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    FiniteFloat,
    PlainSerializer,
    PositiveFloat,
    PositiveInt,
    SerializationInfo,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from recsys.config import Config, Seed, wrong
from recsys.data.config import SOURCES, DataConfig, Predefined
from recsys.errors import did_you_mean, remedy_by_format
from recsys.experiment.candidates import NAMED
from recsys.experiment.documents import override, read_document
from recsys.experiment.retrain import Retrain
from recsys.experiment.schema import refine
from recsys.experiment.trouble import explain, trouble_of
from recsys.experiment.tuning import Tuning
from recsys.metrics.registry import METRICS, column, is_primary, parse_column
from recsys.models.base import ModelConfig
from recsys.models.registry import installed, model_class
from recsys.splits.config import SPLITS, RandomSplit, SplitConfig

# A spec may say `format`; without it, it is of the first one.
FORMAT: Final = 1
# Held against every comparison, by the spec or beside it.
CONTROLS: Final = ("random", "popularity")


def _metric(name: Any) -> Any:
    if not isinstance(name, str) or name not in METRICS:
        raise wrong(f"no metric is called {name!r}", did_you_mean(name, METRICS))
    return name


MetricName = Annotated[str, BeforeValidator(_metric), WithJsonSchema({"type": "string", "enum": sorted(METRICS)})]


def _model(entry: Any) -> Any:
    """A model entry, a name or a mapping, as the typed settings of that model."""
    if isinstance(entry, ModelConfig):
        return entry
    settings = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
        raise wrong(f"{entry!r} is neither the name of a model nor a mapping with one", "write ease or {name: ease}")
    name = settings["name"]
    if name not in installed():
        raise wrong(f"no model is called '{name}'", did_you_mean(name, installed()))
    kind = model_class(name).Config
    try:
        config = kind.model_validate(settings)
    except ValidationError as error:
        raise wrong(*trouble_of(error, kind)) from None
    for key, value in config.settings().items():
        if isinstance(value, float) and not math.isfinite(value):
            raise wrong(f"is {value}", "a finite number is needed", key)
    return config


def _document(model: ModelConfig, info: SerializationInfo) -> dict[str, Any]:
    """The entry that gives this model again; a null that is the default anyway is left out."""
    fields = type(model).model_fields
    values = model.model_dump(mode="json", exclude_unset=info.exclude_unset)
    kept = {key: value for key, value in values.items() if value is not None or fields[key].default is not None}
    return {"name": model.name, **kept}


Model = Annotated[ModelConfig, BeforeValidator(_model), PlainSerializer(_document)]


class Evaluation(Config):
    """How lists are scored.

    k: the list lengths. primary: the metric that orders the leaderboard and stops training. users: warm are those in
    training; null: warm, but all under a split of cold users. candidates: train, catalogue, or a file of pairs.
    """

    metrics: Annotated[tuple[MetricName, ...], Field(min_length=1)] = (
        "ndcg",
        "recall",
        "precision",
        "map",
        "mrr",
        "hit_rate",
        "coverage",
        "novelty",
    )
    k: Annotated[tuple[Annotated[int, Field(ge=1, le=10_000)], ...], Field(min_length=1)] = (5, 10, 50)
    primary: str = "ndcg@10"
    exclude_seen: bool = True
    users: Literal["warm", "all"] | None = None
    candidates: Annotated[str, Field(min_length=1)] = "train"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the leaderboard, in order: `ndcg@5`, `ndcg@10`, …"""
        return tuple(dict.fromkeys(column(name, k) for name in self.metrics for k in sorted(set(self.k))))

    @model_validator(mode="after")
    def _primary_is_computed(self) -> Self:
        possible = [name for name in self.columns if is_primary(name)]
        if self.primary not in possible:
            message = f"'{self.primary}' is not computed for each user here"
            raise wrong(message, did_you_mean(self.primary, possible), "primary")
        return self


Limit = Annotated[PositiveFloat, Field(allow_inf_nan=False)]


class Runner(Config):
    """Where and how wide it runs. kind: ray for the machines of a Ray cluster; address: host:port of its head, auto
    for the cluster that this machine belongs to. workers: models at once; auto: one a core, of the cluster's under Ray.
    timeout (seconds) and memory (GB): limits of one model. device: where models of a torch network compute; auto: on a
    GPU where there is one. processes: how many of the cluster train one such model together."""

    kind: Literal["local", "ray"] = "local"
    address: Annotated[str, Field(pattern=r"^(auto|[^\s/]+:\d{1,5})$")] = "auto"
    workers: Literal["auto"] | PositiveInt = "auto"
    timeout: Limit | None = None
    memory: Limit | None = None
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    processes: PositiveInt = 1

    @model_validator(mode="after")
    def _several_processes_have_a_cluster(self) -> Self:
        if self.processes > 1 and self.kind != "ray":
            message = f"{self.processes} processes train a model together on a Ray cluster only"
            raise wrong(message, "set runner.kind to ray, or leave it out", "processes")
        return self

    @property
    def told(self) -> dict[str, Any]:
        """What of it a result depends on; nothing where it is as it comes."""
        return self.model_dump(include={"device", "processes"}, exclude_defaults=True)


class Experiment(Config):
    """Data, split, models and evaluation of one comparison.

    positive: values at or above it are positives, for training implicit models and for the truth; null: all. seeds: of
    the models, never of the split. refit: fit the final model on training and validation rows. retrain: when a newer
    model takes the place of the one that serves.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80, description="Names the runs.")]
    data: DataConfig
    split: SplitConfig = RandomSplit()
    positive: FiniteFloat | None = None
    models: Annotated[tuple[Model, ...], Field(min_length=1)]
    evaluation: Evaluation = Evaluation()
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (42,)
    refit: bool = True
    tuning: Tuning | None = None
    runner: Runner = Runner()
    retrain: Retrain = Retrain()

    @model_validator(mode="before")
    @classmethod
    def _is_of_a_known_format(cls, document: Any) -> Any:
        """The document without its format, which is no part of what decides a comparison."""
        if not isinstance(document, Mapping) or "format" not in document:
            return document
        found = document["format"]
        if found != FORMAT or isinstance(found, bool):
            remedy = remedy_by_format(found, FORMAT, f"write format: {FORMAT}, or leave it out")
            raise wrong(f"is {found!r}, and {FORMAT} is known", remedy, "format")
        return {key: value for key, value in document.items() if key != "format"}

    @model_validator(mode="after")
    def _rows_are_unique(self) -> Self:
        rows = [model.row for model in self.models]
        twice = sorted({row for row in rows if rows.count(row) > 1})
        if twice:
            raise wrong(f"two models have the row '{twice[0]}'", "give one of them a `label`", "models")
        if len(set(self.seeds)) < len(self.seeds):
            raise wrong("a seed stands twice", "name each seed once", "seeds")
        return self

    @model_validator(mode="after")
    def _somebody_is_evaluated(self) -> Self:
        if self.split.kind == "cold-users" and self.evaluation.users == "warm":
            message = "a split of cold users leaves no warm ones to evaluate"
            raise wrong(message, "set evaluation.users to all, or leave it out", "evaluation.users")
        return self

    @model_validator(mode="after")
    def _primary_has_values(self) -> Self:
        metric, _ = parse_column(self.evaluation.primary)
        if metric.needs == "values" and not any(model_class(model.name).predicts_values for model in self.models):
            message = f"none of the models predicts values, which '{self.evaluation.primary}' measures"
            raise wrong(message, "add a model such as mf, or choose another primary", "evaluation.primary")
        return self

    @model_validator(mode="after")
    def _tuning_has_validation(self) -> Self:
        if self.tuning is None:
            return self
        if self.split.kind == "k-fold":
            message = "tuning on one of the folds would look at the test rows of the others"
            raise wrong(message, "tune under another kind of split", "split.kind")
        if not self.split.validation:
            message = "tuning compares settings on the validation part, and this split has none"
            raise wrong(message, "set split.validation, such as 0.1", "split.validation")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        schema = handler(core_schema)
        properties = refine(handler.resolve_ref_schema(schema))["properties"]
        properties["format"] = {"const": FORMAT, "title": "Format", "position": len(properties)}
        return schema

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
        """Read a spec file. Raises InputError with place and remedy where anything is wrong with it.

        A relative path of data is taken from the current folder, or, where nothing is there, from the spec's folder.
        """
        path = Path(path)
        return cls.parse(_beside(override(read_document(path), overrides, _keys_beside), path.parent), str(path))

    @classmethod
    def parse(cls, document: dict[str, Any], place: str = "spec") -> Experiment:
        """The experiment that a document describes. Raises InputError where it describes none."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise explain(error, cls, place) from None

    def override(self, overrides: Sequence[str]) -> Experiment:
        """This experiment with `a.b=value` settings applied, as `--set` does."""
        if not overrides:
            return self
        return self.parse(override(self.document(), overrides, _keys_beside), "overrides")

    def document(self) -> dict[str, Any]:
        """What a spec file says that describes this experiment, without what is left to the defaults."""
        document = self.model_dump(mode="json", exclude_unset=True)
        # Made in Python, a section may have left its kind to the default.
        document["data"]["source"] = self.data.source
        if "split" in document:
            document["split"]["kind"] = self.split.kind
        return document

    @property
    def predefined(self) -> Predefined | None:
        """The files of a predefined split."""
        if self.split.kind != "predefined":
            return None
        validation = self.split.validation
        return Predefined(test=self.split.test, validation=validation if isinstance(validation, str) else None)

    @property
    def validation_share(self) -> float:
        """The share of the training rows that models may watch; 0 where the split names a file, or none."""
        share = getattr(self.split, "validation", None)
        return share if isinstance(share, float) else 0.0

    @property
    def users(self) -> Literal["warm", "all"]:
        """Whom the metrics count."""
        return self.evaluation.users or ("all" if self.split.kind == "cold-users" else "warm")

    @property
    def controls(self) -> tuple[ModelConfig, ...]:
        """Controls that the models leave out, for a comparison to add: without them no number has a scale."""
        rows = {model.row for model in self.models}
        left_out = (name for name in CONTROLS if all(model.name != name for model in self.models))
        return tuple(_model({"name": name, "label": _free(name, rows)}) for name in left_out)

    def candidates(self) -> Iterator[tuple[ModelConfig, int]]:
        """Every model with every seed; a model without randomness once, under the first seed."""
        return self._seeded(self.models)

    def compared(self) -> Iterator[tuple[ModelConfig, int]]:
        """What a comparison fits: the candidates, then the controls that are added."""
        return self._seeded((*self.models, *self.controls))

    def _seeded(self, models: Iterable[ModelConfig]) -> Iterator[tuple[ModelConfig, int]]:
        for model in models:
            for seed in self.seeds if model_class(model.name).stochastic else self.seeds[:1]:
                yield model, seed


def _free(name: str, rows: Container[str]) -> str | None:
    """A label for a model of this name that no row has; None where its name will do."""
    labels = (f"{name}-{suffix}" for suffix in ("control", *range(2, 10**6)))
    return next(label for label in labels if label not in rows) if name in rows else None


def _keys_beside(path: Sequence[str], value: Any) -> Container[str] | None:
    """What a section may hold whose kind is set to this value; None where the path names no kind, or the value none."""
    match path:
        case ["data", "source"] if str(value) in SOURCES:
            return SOURCES[value].model_fields
        case ["split", "kind"] if str(value) in SPLITS:
            return SPLITS[value].model_fields
        case ["models", _, "name"] if str(value) in installed():
            return model_class(value).Config.model_fields
    return None


_PATHS = (
    *(("data", key) for key in ("interactions", "items", "users", "sessions", "path")),
    *(("split", key) for key in ("test", "validation")),
    ("evaluation", "candidates"),
)


def _beside(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The document with relative paths that only exist beside the spec made to point there."""
    if isinstance(document.get("models"), list):
        document = {**document, "models": [_command_beside(model, folder) for model in document["models"]]}
    for section, key in _PATHS:
        values = document.get(section)
        value = values.get(key) if isinstance(values, dict) and values.get("source") != "sql" else None
        if not isinstance(value, str) or value in NAMED or "://" in value or Path(value).is_absolute():
            continue
        if not _is_there(Path(), value) and _is_there(folder, value):
            document = {**document, section: {**document[section], key: str(folder / value)}}
    return document


def _command_beside(model: Any, folder: Path) -> Any:
    """The entry of a model with the files of its command; a program without a folder is looked for as a shell does."""
    command = model.get("command") if isinstance(model, dict) else None
    if not isinstance(command, list) or not all(isinstance(part, str) for part in command):
        return model

    def place(part: str) -> str:
        is_only_there = not _is_file(Path(part)) and _is_file(folder / part)
        return str(folder / part) if is_only_there and not Path(part).is_absolute() else part

    found = [part if number == 0 and "/" not in part else place(part) for number, part in enumerate(command)]
    return {**model, "command": found}


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 -- false for a name that no file can have


def _is_there(folder: Path, pattern: str) -> bool:
    if glob.has_magic(pattern):
        return next(glob.iglob(pattern, root_dir=folder, recursive=True), None) is not None  # noqa: PTH207 -- takes any
    return os.path.exists(folder / pattern)  # noqa: PTH110 -- false for a name that no file can have
