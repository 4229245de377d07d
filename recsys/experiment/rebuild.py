"""The data and the split of a finished run, made again from its experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.data.dataset import Dataset
from recsys.data.load import inputs, load
from recsys.data.progress import Progress, silent
from recsys.errors import InputError
from recsys.experiment.keys import dataset_key, split_key
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.splits.fold import Fold, save_folds
from recsys.splits.splitting import split
from recsys.store import Ref, Store


@dataclass(frozen=True)
class Rebuilt:
    """A data set and its folds, by number, as the store has them."""

    dataset: Ref
    split: Ref

    @property
    def data(self) -> Dataset:
        return Dataset.load(self.dataset.folder)

    def fold(self, number: int) -> Fold:
        """One of the folds."""
        return Fold.load(self.split.folder / str(number))


def rebuilt(spec: Experiment, manifest: Mapping[str, Any], settings: Settings, progress: Progress = silent) -> Rebuilt:
    """What the run with this manifest was evaluated on: from the store, or read and split anew.

    Raises InputError where its files are not those of the run, or where they give another data set or split now.
    """
    found = same_inputs(spec, manifest, settings, progress)
    store = Store(settings.store)

    def build_dataset(folder: Path) -> None:
        load(spec.data, spec.predefined, settings, progress, expected=found).save(folder)

    def build_split(folder: Path) -> None:
        save_folds(split(Dataset.load(dataset.folder), spec.split), folder)

    dataset = store.produce("dataset", dataset_key(spec, found), build_dataset)
    folds = store.produce("split", split_key(spec, dataset), build_split)
    for what, ref in (("data", dataset), ("split", folds)):
        if ref.digest != manifest[what]["digest"]:
            message = f"its digest is {ref.digest[:12]} and was {manifest[what]['digest'][:12]}, from the same files"
            raise InputError(what, message, "use the code and the versions of the run: its manifest.json names them")
    return Rebuilt(dataset, folds)


def same_inputs(
    spec: Experiment, manifest: Mapping[str, Any], settings: Settings, progress: Progress = silent
) -> dict[str, str]:
    """The digests of the experiment's files. Raises InputError for the first that is not the one the run has read."""
    then: Mapping[str, str] = manifest["data"]["inputs"]
    now = inputs(spec.data, spec.predefined, settings, progress)
    for name in {**then, **now}:
        if name not in now:
            raise InputError(name, "the run has read it, and it is not there", "put it back")
        if name not in then:
            raise InputError(name, "the run has not read it", "move it away")
        if then[name] != now[name]:
            message = (
                f"is not what the run has read: its SHA-256 begins with {now[name][:12]}, and was {then[name][:12]}"
            )
            raise InputError(name, message, "put back the data of the run, or compare anew")
    return now
