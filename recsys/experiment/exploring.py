"""All that is told of an experiment's data before any model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recsys.data.dataset import Dataset
from recsys.data.drift import drift
from recsys.data.exploration import explore
from recsys.experiment.spec import Experiment
from recsys.splits.choices import split_choices
from recsys.splits.fold import Fold, training_rows


def exploration(spec: Experiment, data: Dataset, folds: Sequence[Fold]) -> dict[str, Any]:
    """What `explore` says of the data, with `drift` of the experiment's split and what each kind of split would do.

    Of several folds the last one counts. name, split: of the experiment; fold: its name, or empty.
    """
    fold = folds[-1]
    about = explore(data)
    fitted = training_rows(data, fold, spec.refit)
    return {
        "name": spec.name,
        "split": spec.split.kind,
        "fold": fold.name,
        **about,
        "drift": drift(data, fitted, fold.test, about["values"] and about["values"]["histogram"]),
        "choices": split_choices(data, spec.split, spec.positive, spec.refit),
    }
