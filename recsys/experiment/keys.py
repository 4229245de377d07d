"""Keys of stages: the hash of a stage's own code, its settings, what went in, versions and threads."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from recsys.experiment.candidates import candidates_name
from recsys.experiment.job import Job
from recsys.experiment.spec import Experiment
from recsys.models.registry import installed
from recsys.store import Ref, code_digest, digest

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


def dataset_key(spec: Experiment, inputs: Mapping[str, str]) -> str:
    """Key of the data set; inputs: digests of the source's files in their order, whatever their names."""
    predefined = spec.predefined is not None
    settings = {
        key: value
        for key, value in spec.data.as_json().items()
        if key not in ("path", "interactions", "items", "users", "sessions", "weight")
    }
    return _key(
        "dataset", ("recsys.data.load",), settings=settings, inputs=list(inputs.values()), predefined=predefined
    )


def split_key(spec: Experiment, dataset: Ref) -> str:
    """Key of the folds."""
    settings = spec.split.as_json()
    if spec.split.kind == "predefined":
        del settings["test"]
        settings["validation"] = settings["validation"] if not isinstance(settings["validation"], str) else "file"
    return _key("split", ("recsys.splits.splitting",), settings=settings, dataset=dataset.digest)


def fit_key(job: Job, dataset: Ref, split: Ref, fold: int) -> str:
    """Key of a fitted model and its lists."""
    code = ("recsys.experiment.fit", installed()[job.settings["name"]].partition(":")[0])
    question = job.question() | {"candidates": candidates_name(job.candidates)}
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


def run_key(spec: Experiment, inputs: Mapping[str, str], threads: int) -> str:
    """Key of a whole comparison: the resolved spec, its input files, all code that takes part, versions, threads."""
    models = sorted({installed()[model.name].partition(":")[0] for model in spec.models})
    code = ("recsys.data.load", "recsys.experiment.fit", "recsys.comparison.assemble", "recsys.report.page", *models)
    resolved = spec.model_dump(mode="json", exclude={"runner"})
    candidates = candidates_name(spec.evaluation.candidates)
    return _key("comparison", code, spec=resolved, inputs=list(inputs.values()), candidates=candidates, threads=threads)
