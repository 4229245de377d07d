"""Keys of stages: the hash of a stage's own code, its settings, what went in, versions and threads."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from recsys.data.config import MovieLensData, SqlData, TableData
from recsys.experiment.candidates import candidates_name
from recsys.experiment.job import Job
from recsys.experiment.spec import Experiment
from recsys.models.base import ModelConfig
from recsys.models.registry import installed
from recsys.store import Ref, code_digest, digest, file_digest

# Settings that name files and tables: the digests of what they hold stand for them.
FILES: dict[type, tuple[str, ...]] = {
    TableData: ("interactions", "items", "users", "sessions"),
    MovieLensData: ("path",),
    SqlData: ("connection", "table", "query", "items", "users"),
}
COMPARISON = (
    "recsys.data.load",
    "recsys.splits.splitting",
    "recsys.splits.leaks",
    "recsys.experiment.fit",
    "recsys.comparison.assemble",
    "recsys.comparison.closer",
    "recsys.comparison.leaks",
    "recsys.report.page",
)
EXPLORATION = ("recsys.data.load", "recsys.splits.splitting", "recsys.experiment.exploring", "recsys.report.explore")
SEARCH = ("recsys.experiment.search", "recsys.comparison.evaluation")
LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "torch", "rectools-lightfm")


@cache
def versions() -> dict[str, str]:
    """Python and the libraries that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _key(stage: str, code: tuple[str, ...], **parts: Any) -> str:
    return digest({"stage": stage, "code": code_digest(*code), "versions": versions(), **parts})[:32]


def dataset_key(spec: Experiment, inputs: Mapping[str, str], as_of: int | None = None) -> str:
    """Key of the data set; inputs: digests of the source's files, as `recsys.data.load.inputs` names them.

    as_of: microseconds since 1970; later rows are left out.
    """
    left_out = {"weight", *FILES.get(type(spec.data), ())}
    settings = {key: value for key, value in spec.data.as_json().items() if key not in left_out}
    return _key("dataset", ("recsys.data.load",), settings=settings, inputs=_by_role(inputs), as_of=as_of)


def _by_role(inputs: Mapping[str, str]) -> list[list[str]]:
    """The digests in their order, each with what its file is for, and without the file's name.

    >>> _by_role({"interactions: events.csv": "1f", "items: films.csv": "2e"})
    [['interactions', '1f'], ['items', '2e']]
    """
    return [[name.partition(":")[0], found] for name, found in inputs.items()]


def split_key(spec: Experiment, dataset: Ref) -> str:
    """Key of the folds."""
    settings = spec.split.as_json()
    if spec.split.kind == "predefined":
        del settings["test"]
        settings["validation"] = settings["validation"] if not isinstance(settings["validation"], str) else "file"
    return _key("split", ("recsys.splits.splitting",), settings=settings, dataset=dataset.digest)


def tuning_fold_key(split: Ref, fold: int) -> str:
    """Key of the fold that settings are tuned on."""
    return _key("tuning fold", ("recsys.splits.tuning",), split=split.digest, fold=fold)


def trial_key(spec: Experiment, fit: str, history: str) -> str:
    """Key of what came of a trial; fit: the key of its fit. history: digest of what was known when it began."""
    question = {"users": spec.users, "positive": spec.positive, "primary": spec.evaluation.primary}
    return _key("trial", SEARCH, fit=fit, history=history, question=question, optuna=version("optuna"))


def tuned_key(spec: Experiment, first: str) -> str:
    """Key of what tuning found for one model; first: the key of the fit with the settings of the spec."""
    assert spec.tuning is not None
    question = {"users": spec.users, "positive": spec.positive, "primary": spec.evaluation.primary}
    drawn = {"seed": spec.seeds[0], "budget": spec.tuning.as_json(), "optuna": version("optuna")}
    return _key("tuned", SEARCH, first=first, question=question, **drawn)


def window_key(spec: Experiment, dataset: Ref, validation: float) -> str:
    """Key of the folds that retraining is decided on."""
    settings = {"window": spec.retrain.window, "validation": validation}
    return _key("window", ("recsys.champion.window",), settings=settings, dataset=dataset.digest)


def _contents(models: Iterable[ModelConfig]) -> dict[str, list[str]]:
    """The digests of the files that models name, for a key; nothing where they name none."""
    found = [file_digest(path) for model in models for path in model.files()]
    return {"files": found} if found else {}


def fit_key(job: Job, dataset: Ref, split: Ref, fold: int) -> str:
    """Key of a fitted model and its lists."""
    code = ("recsys.experiment.fit", installed()[job.settings["name"]].partition(":")[0])
    question = job.question() | {"candidates": candidates_name(job.candidates)} | _contents([job.model])
    return _key("fit", code, job=question, dataset=dataset.digest, split=split.digest, fold=fold)


def evaluation_key(spec: Experiment, fit: Ref, split: Ref, fold: int) -> str:
    """Key of the metrics of one model's lists."""
    question = {
        "metrics": spec.evaluation.columns,
        "positive": spec.positive,
        "users": spec.users,
        "candidates": candidates_name(spec.evaluation.candidates),
        "refit": spec.refit,
    }
    code = ("recsys.comparison.evaluation",)
    return _key("evaluation", code, question=question, fit=fit.digest, split=split.digest, fold=fold)


def passport_choices(spec: Experiment) -> dict[str, Any]:
    """What an experiment chooses in the definition of its metrics."""
    return {
        "exclude_seen": spec.evaluation.exclude_seen,
        "users": spec.users,
        "candidates": candidates_name(spec.evaluation.candidates),
        "positive": spec.positive,
        "refit": spec.refit,
    }


def run_key(spec: Experiment, inputs: Mapping[str, str], threads: int) -> str:
    """Key of a whole comparison: the resolved spec, its input files, all code that takes part, versions, threads,
    device and processes."""
    return _key(
        "comparison",
        comparison_code(spec),
        spec=spec.model_dump(mode="json", exclude={"runner", "retrain"}),
        inputs=_by_role(inputs),
        candidates=candidates_name(spec.evaluation.candidates),
        threads=threads,
        **spec.runner.told,
        **_contents(spec.models),
    )


def exploration_key(spec: Experiment, inputs: Mapping[str, str]) -> str:
    """Key of what is told of the data and of their split; the models play no part in it."""
    asked = {"name": spec.name, "split": spec.split.as_json(), "positive": spec.positive, "refit": spec.refit}
    return _key("exploration", EXPLORATION, dataset=dataset_key(spec, inputs), asked=asked)


def tuning_key(spec: Experiment, inputs: Mapping[str, str], threads: int) -> str:
    """Key of a whole search: as of a comparison, without what is measured on the test part."""
    code = (*SEARCH, "recsys.data.load", "recsys.splits.splitting", "recsys.splits.tuning", *_models_of(spec.models))
    asked = {"spec": spec.model_dump(mode="json", exclude={"runner", "retrain"}), **spec.runner.told}
    return _key("tuning", code, **asked, inputs=_by_role(inputs), threads=threads, optuna=version("optuna"))


def comparison_code(spec: Experiment) -> tuple[str, ...]:
    """The modules that a comparison starts from; with all they import, its code."""
    return (*COMPARISON, *(SEARCH if spec.tuning else ()), *_models_of((*spec.models, *spec.controls)))


def _models_of(models: Iterable[ModelConfig]) -> list[str]:
    return sorted({installed()[model.name].partition(":")[0] for model in models})


def decision_key(spec: Experiment, **about: Any) -> str:
    """Names one decision: the experiment, and what was known of the data; the same on every machine."""
    return digest({"spec": spec.model_dump(mode="json", exclude={"runner"}), **about})[:32]


def bundle_key(fit: Ref, name: str) -> str:
    """Key of what serves a fitted model."""
    return _key("bundle", ("recsys.serving.bundle",), fit=fit.digest, name=name)


def stored_key(job: Job, model: str, dataset: Ref, window: Ref) -> str:
    """Key of the lists that a stored model makes."""
    return _key(
        "stored",
        ("recsys.experiment.fit",),
        job=job.question(),
        model=model,
        dataset=dataset.digest,
        window=window.digest,
    )


def aged_key(spec: Experiment, job: Job, fit: Ref, dataset: Ref, split: Ref, fold: int) -> str:
    """Key of what a model that was fitted before one period reaches in it and in all later ones."""
    return _key(
        "aged",
        ("recsys.experiment.fit", "recsys.champion.sides"),
        job=job.question() | {"candidates": candidates_name(job.candidates)},
        primary=spec.evaluation.primary,
        users=spec.users,
        fit=fit.digest,
        dataset=dataset.digest,
        split=split.digest,
        fold=fold,
    )
