"""A fit on a machine of a cluster: fetch what goes in, run the child process here, send back what came out."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import queue
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from recsys.config import Config
from recsys.errors import RunError
from recsys.experiment.job import Job, as_failure
from recsys.experiment.keys import fit_key
from recsys.experiment.launch import Limits, Stop, run_child
from recsys.experiment.remote_files import PLACE, Shared
from recsys.models.registry import installed
from recsys.store import Ref, Store

BEAT_SECONDS = 0.5
KEEP_SECONDS = 30.0
LOCK_SECONDS = 60.0
LOG_BYTES = 100_000
CHECKPOINT = "checkpoint.safetensors"


class Request(Config):
    """A fit as it is sent to a machine.

    job: with the folders of the machine that asks. candidates: the name of the file of candidates in the shared place,
    None where there is none. key: what the fit is stored under; name: where its files are in the shared place. shared:
    the URI of that place; None where all machines see the store itself, and work in `folder` and `checkpoint` there.
    result: the name of what comes out below `name`; that of a fit is `result`.
    """

    job: Job
    dataset: Ref
    split: Ref
    candidates: str | None = None
    key: str
    name: str
    result: str = "result"
    shared: str | None
    label: str
    folder: Path
    checkpoint: Path
    log: Path
    seconds: float | None
    n_bytes: int | None


@dataclass(frozen=True)
class Here:
    """Where a fit works on this machine."""

    job: Job
    folder: Path
    checkpoint: Path
    log: Path


def fit_on_node(text: str) -> Iterator[str]:
    """Do a request, in JSON; a Ray task, which yields what happens as JSON, and an empty text when nothing does.

    {"meet": host:port}: where the other processes of a fit find the first one. {"step": …}: an epoch. At the end
    {"result": digests of the files by name}, or {"failure": …}; before it {"log": …}, the last of what the process
    printed, where the machine that asks does not see the log itself. Where the caller goes away or cancels, the child
    ends, what it had reached is kept, and nothing else is.
    """
    request = Request.model_validate_json(text)
    try:
        with _meeting(request.job) as job:
            if job.peer is not None and job.peer.rank == 0:
                yield json.dumps({"meet": job.peer.meet})
            request = request.model_copy(update={"job": job})
            if request.shared is None:
                yield from _fitted(request, _in_place(request), lambda: None)
                yield json.dumps({"result": {}})
            else:
                yield from _copied(request, Shared(request.shared))
    except Exception as error:
        failure = as_failure(error)
        yield json.dumps({"failure": failure | {"message": f"{failure['message']} (on {platform.node()})"}})


@contextlib.contextmanager
def _meeting(job: Job) -> Iterator[Job]:
    """The job; where it is that of the first of several processes, with a socket at which the others find it."""
    if job.peer is None or job.peer.rank > 0:
        yield job
        return
    own = job.peer.own
    with socket.create_server((own, 0), family=socket.AF_INET6 if ":" in own else socket.AF_INET) as server:
        found = {"meet": f"{own}:{server.getsockname()[1]}", "listening": server.fileno()}
        yield job.model_copy(update={"peer": job.peer.model_copy(update=found)})


def home() -> Path:
    """Where this machine keeps what it fetches: RECSYS_HOME as Ray was started with it, else below ~/.cache."""
    return Path(os.environ.get("RECSYS_HOME") or "~/.cache/recsys").expanduser().absolute()


def _in_place(request: Request) -> Here:
    for path in (request.job.dataset, request.job.fold, request.folder):
        if not path.is_dir():
            remedy = f"put RECSYS_HOME on a file system that all machines see, or name a shared place in {PLACE}"
            raise RunError(platform.node(), f"does not see {path}", remedy)
    _refuse_other_code(request, request.job)
    for left in request.folder.iterdir():  # by a try whose machine was lost
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    return Here(request.job, request.folder, request.checkpoint, request.log)


def _copied(request: Request, shared: Shared) -> Iterator[str]:
    """A fit in a folder of this machine, gone at its end: what it reached is then in the shared place."""
    work = home() / "remote"
    work.mkdir(parents=True, exist_ok=True)
    scratch = work / f"{request.name}/{request.result}".replace("/", "-")
    _sweep([path for path in work.iterdir() if path.is_dir() and path != scratch])
    with _locked(scratch):
        here = Here(_inputs(request, shared, scratch), scratch / "result", scratch / "checkpoint", scratch / "log")
        shutil.rmtree(here.folder, ignore_errors=True)  # of a try that was killed
        here.folder.mkdir(parents=True)
        if request.job.peer is not None and request.job.peer.rank > 0:  # what was reached is known to the first one
            yield from _fitted(request, here, lambda: None)
            yield json.dumps({"result": shared.push(here.folder, f"{request.name}/{request.result}")})
            return
        if not here.checkpoint.is_dir():
            shared.pull(f"{request.name}/checkpoint", here.checkpoint)
        keep = _Keeper(here.checkpoint, shared, f"{request.name}/checkpoint")
        try:
            yield from _fitted(request, here, keep.now_and_then)
            yield json.dumps({"result": shared.push(here.folder, f"{request.name}/{request.result}")})
        except BaseException:
            keep.now()
            raise


def _inputs(request: Request, shared: Shared, scratch: Path) -> Job:
    """The job with the folders of this machine."""
    store = Store(home() / "store")
    fold = request.job.fold.name
    changes: dict[str, Any] = {"dataset": shared.fetch(request.dataset, store).folder}
    changes["fold"] = shared.fetch(request.split, store).folder / fold
    if request.candidates is not None:
        changes["candidates"] = str(shared.fetch_file(request.candidates, scratch))
    if request.job.fitted is not None:
        changes["fitted"] = scratch / "model"
        shared.pull(f"{request.name}/result/model", changes["fitted"])
    job = request.job.model_copy(update=changes)
    _refuse_other_code(request, job)
    return job


def _refuse_other_code(request: Request, job: Job) -> None:
    """Raise RunError where this machine would fit something else: its code or its libraries are other ones."""
    known = job.settings["name"] in installed()
    if not known or fit_key(job, request.dataset, request.split, int(job.fold.name)) != request.key:
        message = "has another version of this code, of Python or of a library than the machine that asks"
        raise RunError(platform.node(), message, "install the same on both, see docs/ray.md")


def _fitted(request: Request, here: Here, between: Callable[[], None]) -> Iterator[str]:
    """Run the child process and yield its steps; between: called about each beat. Raises what `run_child` raises."""
    steps: queue.Queue[str | None] = queue.Queue()
    stop, ended = Stop(), list[BaseException]()

    def run() -> None:
        try:
            run_child(
                here.job,
                here.folder,
                label=request.label,
                records=home() / "processes",
                log=here.log,
                checkpoint=here.checkpoint,
                limits=Limits(request.seconds, request.n_bytes),
                stop=stop,
                tell=lambda step: steps.put(json.dumps({"step": step})),
            )
        except BaseException as error:
            ended.append(error)
        finally:
            steps.put(None)

    thread = threading.Thread(target=run, name="child", daemon=True)
    thread.start()
    try:
        while True:
            try:
                said = steps.get(timeout=BEAT_SECONDS)
            except queue.Empty:
                said = ""
            if said is None:
                break
            yield said
            between()
    finally:
        stop.set()
        thread.join()
    if request.shared is not None:
        yield json.dumps({"log": _tail(here.log)})
    if ended:
        raise ended[0]


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_BYTES))
        return file.read().decode(errors="replace")


class _Keeper:
    """Copies the checkpoint of a fit to the shared place, so that the loss of this machine costs seconds of it."""

    def __init__(self, checkpoint: Path, shared: Shared, name: str) -> None:
        self._checkpoint, self._shared, self._name = checkpoint, shared, name
        self._next = time.monotonic() + KEEP_SECONDS

    def now_and_then(self) -> None:
        """Copy where it is time: seldom enough that copying takes a tenth of the time at most."""
        began = time.monotonic()
        if began >= self._next:
            self.now()
            self._next = time.monotonic() + max(KEEP_SECONDS, 10 * (time.monotonic() - began))

    def now(self) -> None:
        """Copy where there is something to go on from; the state of a phase first, for its steps may be ahead of it."""
        for state in self._checkpoint.glob(f"*/{CHECKPOINT}"):
            self._shared.push(state.parent, f"{self._name}/{state.parent.name}")


@contextlib.contextmanager
def _locked(scratch: Path) -> Iterator[None]:
    """Nobody else works in this folder inside. An earlier try whose end the cluster has not noticed ends soon."""
    lock = FileLock(f"{scratch}.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout:
        message = f"another fit has held {scratch.name} for {LOCK_SECONDS:g} seconds"
        raise RunError(platform.node(), message, "wait for it, or end it") from None
    try:
        yield
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        lock.release()


def _sweep(others: Iterable[Path]) -> None:
    """Remove the folders of other fits whose process was killed, so that it could not: nobody holds their locks. What
    they had reached is in the shared place, but for the last seconds of it."""
    for scratch in others:
        with contextlib.suppress(Timeout, OSError), FileLock(f"{scratch}.lock").acquire(timeout=0):
            shutil.rmtree(scratch, ignore_errors=True)
