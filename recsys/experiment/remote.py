"""Fits on a Ray cluster: each a Ray task, asked for and followed from here, its result fetched."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from recsys.data.dataset import Dataset
from recsys.errors import InputError, RunError
from recsys.experiment.candidates import NAMED
from recsys.experiment.fit import NOBODY
from recsys.experiment.job import Job, from_failure
from recsys.experiment.keys import fit_key
from recsys.experiment.launch import Limits, Stop, Stopped
from recsys.experiment.remote_files import Shared
from recsys.experiment.remote_node import Request, fit_on_node
from recsys.experiment.remote_shares import changed, join, part_of, shares_of
from recsys.models.base import Recommender
from recsys.models.registry import model_class
from recsys.store import Ref, digest

logger = logging.getLogger(__name__)

TRIES = 4
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 10.0
CONNECT_SECONDS = 5.0
CHILD_BYTES = 300_000_000
"""What a fit takes beside what its model's law says: the worker of Ray and the child with its libraries."""
ADVICE = "start one, or name it in runner.address; see docs/ray.md"

Tell = Callable[[dict[str, Any]], None]


class RunChild(Protocol):
    """Does a job as `recsys.experiment.launch.run_child` does."""

    def __call__(
        self,
        job: Job,
        folder: Path,
        *,
        label: str,
        records: Path,
        log: Path,
        checkpoint: Path,
        limits: Limits,
        stop: Stop,
        tell: Tell,
    ) -> None: ...


class _LostError(Exception):
    """The machine that did the work, or its worker, has gone."""


class Cluster:
    """A Ray cluster that is already running. Nothing of Ray is started or stopped here.

    address: host:port of its head, or auto for the one that this machine belongs to. shared: the URI of a place that
    all its machines see; None where they all see the store. root: the home of this installation, which names the
    work of this one among others' in the shared place.
    """

    def __init__(self, address: str, shared: str | None, root: Path) -> None:
        self.address = address
        self._shared = shared or None
        self._owner = digest({"host": platform.node(), "home": str(root)})[:12]
        self._lock, self._ray = threading.Lock(), None

    def connect(self) -> Any:
        """Ray, connected. Raises InputError where it is not installed, RunError where no cluster answers."""
        with self._lock:
            if self._ray is None:
                self._ray = _connected(self.address)
            return self._ray

    def width(self, threads: int) -> int:
        """Fits of so many threads that the cluster has CPUs for at once."""
        return sum(max(1, int(node["CPU"] // threads)) for node in self._nodes())

    def near(self, dataset: Ref, split: Ref) -> RunChild:
        """What does jobs on these data on the cluster, in the place of `run_child`."""

        def run_child(job: Job, folder: Path, **how: Any) -> None:
            self._run(job, folder, dataset, split, **how)

        return run_child

    def _run(
        self,
        job: Job,
        folder: Path,
        dataset: Ref,
        split: Ref,
        *,
        label: str,
        records: Path,
        log: Path,
        checkpoint: Path,
        limits: Limits,
        stop: Stop,
        tell: Tell,
    ) -> None:
        """Do a job on some machine of the cluster, and on another one where that is lost.

        Where it serves many users, the lists are made by several machines. records: is this machine's and not used.
        Raises as `run_child`, and RunError where every try was lost.
        """
        if stop:
            raise Stopped
        key = fit_key(job, dataset, split, int(job.fold.name))
        shared = None if self._shared is None else Shared(self._shared)
        request = Request(
            job=job,
            dataset=dataset,
            split=split,
            candidates=_offered(job, dataset, split, shared),
            key=key,
            name=f"fits/{self._owner}/{key}",
            shared=self._shared,
            label=label,
            folder=folder,
            checkpoint=checkpoint,
            log=log,
            seconds=limits.seconds,
            n_bytes=limits.n_bytes,
        )
        log.parent.mkdir(parents=True, exist_ok=True)
        n_shares = shares_of(job)
        if n_shares > 1:
            request = changed(request, share=NOBODY)
        self._result(request, self._needs(job, limits), stop, tell, shared)
        if n_shares > 1:
            needs = self._needs(job, limits, folder / "model")
            parts = [part_of(request, number, n_shares) for number in range(n_shares)]
            with ThreadPoolExecutor(min(n_shares, self.width(job.threads))) as pool:
                list(pool.map(lambda part: self._result(part, needs, stop, tell, shared), parts))
            join([part.folder for part in parts], folder)
        if shared is not None:
            shared.remove(request.name)

    def _result(self, request: Request, needs: dict[str, float], stop: Stop, tell: Tell, shared: Shared | None) -> None:
        """The result of one task in the request's folder, however many machines are lost meanwhile."""
        for attempt in range(1, TRIES + 1):
            try:
                files = self._once(request, needs, stop, tell)
                break
            except _LostError as lost:
                if attempt == TRIES:
                    message = f"{TRIES} machines that worked on it were lost"
                    raise RunError(request.label, message, "look at the cluster, then run again") from lost
                logger.warning("%s: the machine that worked on it has gone (%s): on another one", request.label, lost)
        if shared is not None and shared.pull(f"{request.name}/{request.result}", request.folder) != files:
            raise RunError(request.label, f"its result in {shared.uri} is damaged", "run again")

    def _once(self, request: Request, needs: dict[str, float], stop: Stop, tell: Tell) -> dict[str, str]:
        """One try; the digests of the files that it left in the shared place."""
        ray = self.connect()
        how = {"num_returns": "streaming", "max_retries": 0, "name": f"fit {request.label}", **needs}
        said, result = _task().options(**how).remote(request.model_dump_json()), None
        try:
            for happening in _happenings(ray, said, stop, request.label):
                if "step" in happening:
                    tell(happening["step"])
                elif "log" in happening:
                    with request.log.open("a") as file:
                        file.write(happening["log"])
                elif "failure" in happening:
                    raise from_failure(happening["failure"], request.label)
                else:
                    result = happening["result"]
        finally:
            _end(ray, said)
        if result is None:
            raise _LostError("its task ended without a word")
        return result

    def _needs(self, job: Job, limits: Limits, fitted: Path | None = None) -> dict[str, float]:
        """What to ask Ray for: the job's threads, or all CPUs of the largest machine; memory by the model's law.

        fitted: the folder of the model, where it only serves: it and the training rows are all that is held then.
        Raises RunError where no machine has so much memory, or a GPU where one is needed.
        """
        data, model = Dataset.load(job.dataset), job.model
        recommender, size = model_class(model.name)(model), (len(data.users), len(data.items), len(data))
        law = recommender.memory(*size)
        if fitted is not None:
            law = Recommender.memory(recommender, *size) + 2 * sum(path.stat().st_size for path in fitted.iterdir())
        memory = limits.n_bytes or law + CHILD_BYTES
        nodes, place = self._nodes(), f"model '{model.name}'"
        most = max(node["memory"] for node in nodes)
        if memory > most:
            message = f"needs about {_gigabytes(memory)} and the largest machine of the cluster has {_gigabytes(most)}"
            raise RunError(place, message, "add a larger one, or set runner.memory")
        cpus = min(job.threads, max(int(node["CPU"]) for node in nodes))
        needs: dict[str, float] = {"num_cpus": cpus, "memory": memory}
        if job.device.startswith("cuda"):
            if not any(node.get("GPU", 0) >= 1 for node in nodes):
                raise RunError(place, "wants a GPU and no machine of the cluster has one", "set device: cpu")
            needs["num_gpus"] = 1
        return needs

    def _nodes(self) -> list[dict[str, float]]:
        """The resources of the machines that compute. Raises RunError where there is none."""
        nodes = [node["Resources"] for node in self.connect().nodes() if node["Alive"]]
        working = [node for node in nodes if node.get("CPU", 0) >= 1 and "memory" in node]
        if not working:
            raise RunError("runner.address", f"the cluster at {self.address} has no CPUs", "add machines to it")
        return working


@cache
def _task() -> Any:
    import ray

    return ray.remote(fit_on_node)


def _connected(address: str) -> Any:
    """Ray; a process that is connected already stays where it is."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # else a call after the end of a run starts a cluster of its own
    try:
        import ray
    except ImportError as error:
        remedy = "install it: pip install 'recsys-experiments[ray]', or set runner.kind: local"
        raise InputError("runner.kind", "ray is not installed", remedy) from error
    if ray.is_initialized():
        return ray
    if address != "auto":
        _knock(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    with _own_signals():
        try:
            ray.init(address=address, namespace="recsys", configure_logging=False, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise RunError("runner.address", f"no Ray cluster at {address} ({first})", ADVICE) from error
    return ray


def _knock(address: str) -> None:
    """Raise RunError where nobody listens at host:port; Ray itself would go on trying for a minute."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise RunError("runner.address", f"no Ray cluster answers at {address} ({error})", ADVICE) from error


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """What TERM does stays as it is: Ray would have it end this process at once."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _offered(job: Job, dataset: Ref, split: Ref, shared: Shared | None) -> str | None:
    """Have what the job reads in the shared place; the name of its file of candidates there, if it has one."""
    if shared is None:
        return None
    shared.offer(dataset)
    shared.offer(split)
    return None if job.candidates in NAMED else shared.offer_file(Path(job.candidates))


def _happenings(ray: Any, said: Any, stop: Stop, label: str) -> Iterator[dict[str, Any]]:
    """What a task says, as it comes.

    Raises Stopped once the run is to end, _LostError where its machine has gone, RunError where Ray failed it.
    """
    gone = ray.exceptions
    while True:
        if stop:
            raise Stopped
        ready, _ = ray.wait([said], timeout=POLL_SECONDS)
        if not ready:
            continue
        try:
            text = ray.get(next(said))
        except StopIteration:
            return
        except gone.OutOfMemoryError as error:
            raise RunError(label, "its machine ran out of memory", "set runner.memory, or fewer workers") from error
        except (gone.WorkerCrashedError, gone.NodeDiedError, gone.ObjectLostError) as error:
            raise _LostError(type(error).__name__) from error
        except gone.RayError as error:  # it could not so much as start there
            why = f"Ray could not run it: {str(error).strip().splitlines()[-1]}"
            raise RunError(label, why, "is this package installed on every machine? See docs/ray.md") from error
        if text:
            yield json.loads(text)


def _end(ray: Any, said: Any) -> None:
    """End a task that has not ended: it may clean up first, for a while."""
    with contextlib.suppress(ray.exceptions.RayError, StopIteration):
        ray.cancel(said)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if ray.wait([said], timeout=POLL_SECONDS)[0]:
                ray.get(next(said))
        ray.cancel(said, force=True)


def _gigabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB"
