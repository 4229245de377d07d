"""Wrong data told before servers are started for it, where a look takes about a second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recsys.data import files
from recsys.data.config import SyntheticData, TableData
from recsys.experiment.keys import dataset_key
from recsys.experiment.spec import Experiment
from recsys.settings import Settings
from recsys.store import Store

QUICK_BYTES, QUICK_ROWS = 5_000_000, 100_000
QUICK_SETS = ("movielens-100k", "movielens-latest-small")


def refuse_wrong_data(experiment: Experiment, inputs: Mapping[str, str], settings: Settings) -> None:
    """Raise the InputError that reading, splitting or the leak checks would raise in the flow.

    inputs: digests of the files. Looks only at little data that no earlier run has read; the flow tells of the rest.
    """
    if not _is_quick(experiment) or Store(settings.store).get("dataset", dataset_key(experiment, inputs)) is not None:
        return
    from recsys.comparison.evaluation import refuse_nobody
    from recsys.data.build import check_weight
    from recsys.data.load import load
    from recsys.splits.leaks import ERRORS, Case, check_fold, refuse_errors
    from recsys.splits.splitting import split

    data = load(experiment.data, experiment.predefined, settings)
    check_weight(data, experiment.data.weight)
    for fold in split(data, experiment.split):
        exclude_seen = experiment.evaluation.exclude_seen
        case = Case(data, fold, experiment.positive, exclude_seen, experiment.refit)
        refuse_errors(check_fold(case, ERRORS))
        refuse_nobody(experiment, data, fold)


def _is_quick(experiment: Experiment) -> bool:
    data, parts = experiment.data, experiment.predefined
    if isinstance(data, SyntheticData):
        # A world that cannot be drawn is refused before anything of it is.
        return data.interactions <= QUICK_ROWS or 2 * data.interactions > data.users * data.items
    if not isinstance(data, TableData):
        return data.source in QUICK_SETS
    named = {name: getattr(data, name) for name in ("interactions", "items", "users", "sessions")}
    named |= {} if parts is None else {"test": parts.test, "validation": parts.validation}
    names = [file.name for name, path in named.items() if path is not None for file in files.find(path, name)]
    return all("://" not in name for name in names) and sum(map(_bytes, names)) <= QUICK_BYTES


def _bytes(name: str) -> int:
    return Path(name).stat().st_size
