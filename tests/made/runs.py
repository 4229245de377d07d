"""Finished runs as MLflow would have them, made in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from made import cells
from recsys.comparison.assemble import assemble
from recsys.comparison.result import Comparison
from recsys.comparison.stored_run import StoredRun
from recsys.data.dataset import Dataset
from recsys.data.summary import summarise
from recsys.experiment.keys import passport_choices
from recsys.experiment.rebuild import Rebuilt
from recsys.experiment.spec import Experiment
from recsys.metrics.passport import passport_hash
from recsys.splits.account import account
from recsys.splits.fold import Fold
from recsys.store import Ref


def finished_run(
    folder: Path, experiment: Experiment, data: Dataset, parts: Sequence[Fold], run_id: str, **about: Any
) -> StoredRun:
    """The experiment fitted and assembled below a new folder; about: what its manifest says."""
    folder.mkdir()
    choices = passport_choices(experiment)
    manifest = {
        "run_key": run_id,
        "data": {"digest": "d1", "inputs": {"events.csv": "e1"}, "account": data.account, **summarise(data)},
        "split": {"digest": "s1", "folds": [account(data, part, experiment.positive) for part in parts]},
        "code": "c1",
        "source": {"git.commit": "g1", "git.dirty": "false"},
        "choices": choices,
        "passports": {column: passport_hash(column, **choices) for column in experiment.evaluation.columns},
        "versions": {"numpy": "2.4"},
        "seeds": list(experiment.seeds),
        "threads": 1,
        "warnings": [],
        **about,
    }
    assemble(folder, experiment, data, cells(folder / "cells", experiment, data, parts, controls=True), {}, manifest)
    return StoredRun(run_id, Comparison(folder, run_id, run_id))


def rebuilt_of(folder: Path, data: Dataset, parts: Sequence[Fold]) -> Rebuilt:
    """The data and folds as a store would have them, below a new folder."""
    for number, part in enumerate(parts):
        (folder / "split" / str(number)).mkdir(parents=True)
        replace(part, number=number).save(folder / "split" / str(number))
    (folder / "dataset").mkdir()
    data.save(folder / "dataset")
    dataset, split = (
        Ref(stage=name, key="k", digest=digest, folder=folder / name)
        for name, digest in (("dataset", "d1"), ("split", "s1"))
    )
    return Rebuilt(dataset, split)
