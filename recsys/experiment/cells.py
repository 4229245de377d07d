"""The cells of an experiment, (model, seed, fold), as jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from recsys.experiment.job import Job
from recsys.experiment.spec import Evaluation, Experiment
from recsys.metrics.registry import METRICS, column, parse_column
from recsys.models.base import ModelConfig, Recommender
from recsys.models.list_maker import ListMaker
from recsys.models.registry import model_class

RANKS: Final = ("ranks", "row ranks")


def job_of(spec: Experiment, model: ModelConfig, seed: int, dataset: Path, fold: Path, threads: int) -> Job:
    """What the child process of a cell is asked to do. What makes no difference to this model is left out."""
    evaluation, kind, runner = spec.evaluation, model_class(model.name), spec.runner
    is_network = "torch" in kind.libraries and kind.watches_validation
    needs = {METRICS[name].needs for name in evaluation.metrics}
    return Job(
        dataset=dataset,
        fold=fold,
        settings=model.settings(),
        seed=seed if kind.stochastic else 0,
        positive=spec.positive,
        weight=spec.data.weight,
        refit=spec.refit,
        primary=_watched(evaluation, kind) if kind.watches_validation else "",
        length=max(evaluation.k),
        exclude_seen=evaluation.exclude_seen,
        candidates=evaluation.candidates,
        predict=kind.predicts_values and "values" in needs,
        threads=threads,
        device=runner.device if is_network else "cpu",
        processes=runner.processes if is_network else 1,
        ranks=() if issubclass(kind, ListMaker) else tuple(each for each in RANKS if each in needs),
    )


def expected_seconds(spec: Experiment, model: ModelConfig, size: tuple[int, int, int]) -> float:
    """CPU seconds that a cell of this model may take. size: users, items and interactions of its training part.

    Where epochs are chosen on validation rows, the model is fitted once more on all of them.
    """
    kind = model_class(model.name)
    fits = 1 + (kind.watches_validation and spec.refit and bool(getattr(spec.split, "validation", 0)))
    return fits * kind(model).seconds(*size)


def _watched(evaluation: Evaluation, kind: type[Recommender]) -> str:
    """What ends training early: the primary metric, or NDCG where the validation part does not tell that one."""
    metric, k = parse_column(evaluation.primary)
    if (metric.of_lists and not metric.reads) or (metric.needs == "values" and kind.predicts_values):
        return evaluation.primary
    return column("ndcg", k or max(evaluation.k))
