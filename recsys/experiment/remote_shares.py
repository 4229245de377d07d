"""The users of one fitted model shared out among several machines, each with lists of its own to make."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsys.data.dataset import Dataset
from recsys.experiment.job import Job
from recsys.experiment.lists import Lists
from recsys.experiment.remote_node import Request
from recsys.models.list_maker import ListMaker
from recsys.models.registry import model_class
from recsys.retrieval.lists import block_size
from recsys.splits.account import positives
from recsys.splits.fold import Fold

# A share takes seconds before it serves anybody: a process starts, the model and the data are opened.
USERS_A_SHARE = 100_000


def shares_of(job: Job) -> int:
    """Shares that the users of a job are worth; 1 for a model that makes its lists itself."""
    if issubclass(model_class(job.model.name), ListMaker):
        return 1
    data, fold = Dataset.load(job.dataset), Fold.load(job.fold)
    n_users = len(np.unique(data.user[positives(data, fold.test, job.positive)]))
    return max(1, min(n_users // USERS_A_SHARE, n_users // block_size(len(data.items))))


def changed(request: Request, **changes: Any) -> Request:
    """The request with another job."""
    return request.model_copy(update={"job": request.job.model_copy(update=changes)})


def part_of(request: Request, number: int, of: int) -> Request:
    """The request to serve one share of the users with the model that this request fitted."""
    name = f"share-{number}"
    folder = request.folder / name
    folder.mkdir()
    part = changed(request, share=(number, of), fitted=request.folder / "model")
    places = {"folder": folder, "result": name, "checkpoint": request.checkpoint / name}
    return part.model_copy(update=places)


def join(parts: Sequence[Path], folder: Path) -> None:
    """Make one result of those of all shares, in the folder of the fit; what was measured is of all together."""
    Lists.joined([Lists.load(part) for part in parts]).save(folder)
    measured = [json.loads((part / "measured.json").read_text()) for part in parts]
    fit = json.loads((folder / "measured.json").read_text())
    fit["recommend_seconds"] = sum(each["recommend_seconds"] for each in measured)
    fit["cpu_seconds"] += sum(each["cpu_seconds"] for each in measured)
    fit["peak_memory_mb"] = max(each["peak_memory_mb"] for each in [fit, *measured])
    (folder / "measured.json").write_text(json.dumps(fit))
    for part in parts:
        shutil.rmtree(part)
