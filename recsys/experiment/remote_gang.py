"""Several processes on a cluster that fit one model together: what each is asked, and what all of them took."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from recsys.experiment.job import Peer
from recsys.experiment.remote_node import Request


def gang_of(request: Request, addresses: Sequence[str]) -> list[Request]:
    """The request as each process gets it, on the machines with these addresses; the first one does what one would do
    alone, and the others leave no more than what they took."""
    return [_member(request, rank, own) for rank, own in enumerate(addresses)]


def _member(request: Request, rank: int, own: str) -> Request:
    job = request.job.model_copy(update={"peer": Peer(rank=rank, own=own)})
    if rank == 0:
        return request.model_copy(update={"job": job})
    name = f"process-{rank}"
    place = request.checkpoint / name  # not in the folder of the fit, which the first one empties when it begins
    folder = place / "result"
    folder.mkdir(parents=True, exist_ok=True)
    places = {"result": name, "folder": folder, "checkpoint": place / "checkpoint"}
    return request.model_copy(update={"job": job, **places})


def met(request: Request, meet: str) -> Request:
    """The request of a process that is to find the first one there."""
    assert request.job.peer is not None
    peer = request.job.peer.model_copy(update={"meet": meet})
    return request.model_copy(update={"job": request.job.model_copy(update={"peer": peer})})


def add_measured(others: Sequence[Path], folder: Path) -> None:
    """Count in the folder of the fit what the other processes took: seconds together, memory of the largest."""
    measured = [json.loads((each / "measured.json").read_text()) for each in (folder, *others)]
    all_in_all = {
        "cpu_seconds": sum(each["cpu_seconds"] for each in measured),
        "peak_memory_mb": max(each["peak_memory_mb"] for each in measured),
    }
    (folder / "measured.json").write_text(json.dumps(measured[0] | all_in_all))
