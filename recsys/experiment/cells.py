"""The cells of an experiment, (model, seed, fold), as jobs."""

from __future__ import annotations

from pathlib import Path

from recsys.experiment.job import Job
from recsys.experiment.spec import Experiment
from recsys.metrics.registry import METRICS
from recsys.models.base import ModelConfig
from recsys.models.registry import model_class


def job_of(spec: Experiment, model: ModelConfig, seed: int, dataset: Path, fold: Path, threads: int) -> Job:
    """What the child process of a cell is asked to do. What makes no difference to this model is left out."""
    evaluation, kind = spec.evaluation, model_class(model.name)
    return Job(
        dataset=dataset,
        fold=fold,
        settings=model.settings(),
        seed=seed if kind.stochastic else 0,
        positive=spec.positive,
        weight=spec.data.weight,
        refit=spec.refit,
        primary=evaluation.primary if kind.watches_validation else "",
        length=max(evaluation.k),
        exclude_seen=evaluation.exclude_seen,
        candidates=evaluation.candidates,
        predict=kind.predicts_values and any(METRICS[name].needs == "values" for name in evaluation.metrics),
        threads=threads,
    )
