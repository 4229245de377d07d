"""Fits on a Ray cluster: each a Ray task, asked for and followed from here, its result fetched."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from recsys.data.dataset import Dataset
from recsys.errors import InputError, RunError
from recsys.experiment.candidates import NAMED
from recsys.experiment.fit import NOBODY
from recsys.experiment.job import Job
from recsys.experiment.keys import fit_key
from recsys.experiment.launch import Limits, Stop, Stopped
from recsys.experiment.remote_files import Shared
from recsys.experiment.remote_gang import add_measured, gang_of
from recsys.experiment.remote_node import Request
from recsys.experiment.remote_shares import changed, join, part_of, shares_of
from recsys.experiment.remote_tasks import RESOURCES, LostError, Needs, Tasks, Tell, placed
from recsys.models.base import Recommender
from recsys.models.registry import model_class
from recsys.models.requirements import bytes_before
from recsys.store import Ref, digest

logger = logging.getLogger(__name__)

TRIES = 4
CONNECT_SECONDS = 5.0
WORKER_BYTES = 150_000_000
"""What Ray's worker takes beside the process of the fit."""
ADVICE = "start one, or name it in runner.address; see docs/ray.md"


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

    def _result(self, request: Request, needs: Needs, stop: Stop, tell: Tell, shared: Shared | None) -> None:
        """The result of a request in its folder, however many machines are lost meanwhile."""
        for attempt in range(1, TRIES + 1):
            try:
                parts, files = self._once(request, needs, stop, tell)
                break
            except LostError as lost:
                if attempt == TRIES:
                    message = f"{TRIES} machines that worked on it were lost"
                    raise RunError(request.label, message, "look at the cluster, then run again") from lost
                logger.warning("%s: the machine that worked on it has gone (%s): on another one", request.label, lost)
        for part, left in zip(parts, files, strict=True):
            if shared is not None and shared.pull(f"{part.name}/{part.result}", part.folder) != left:
                raise RunError(request.label, f"its result in {shared.uri} is damaged", "run again")
        if len(parts) > 1:
            add_measured([part.folder for part in parts[1:]], request.folder)

    def _once(
        self, request: Request, needs: Needs, stop: Stop, tell: Tell
    ) -> tuple[list[Request], list[dict[str, str]]]:
        """One try: what each process was asked, and the digests of the files that it left in the shared place."""
        ray, n = self.connect(), request.job.processes
        if n == 1 or request.job.fitted is not None:
            return [request], Tasks(ray, [request], [needs], stop).follow(tell)
        with placed(ray, needs, n, lambda: self._room(needs), stop) as places:
            parts = gang_of(request, [address for address, _ in places])
            return parts, Tasks(ray, parts, [{**needs, **where} for _, where in places], stop).follow(tell)

    def _needs(self, job: Job, limits: Limits, fitted: Path | None = None) -> Needs:
        """What to ask Ray for: the job's threads, or all CPUs of the largest machine; memory by the model's law.

        fitted: the folder of the model, where it only serves: it and the training rows are all that is held then.
        Raises RunError where no machine has so much memory, or a GPU where one is needed, or all together have no
        room for its processes.
        """
        data, model = Dataset.load(job.dataset), job.model
        recommender, size = model_class(model.name)(model), (len(data.users), len(data.items), len(data))
        law = recommender.memory(*size)
        if fitted is not None:
            law = Recommender.memory(recommender, *size) + 2 * sum(path.stat().st_size for path in fitted.iterdir())
        memory = limits.n_bytes or WORKER_BYTES + bytes_before(len(data)) + law
        nodes, place = self._nodes(), f"model '{model.name}'"
        most = max(node["memory"] for node in nodes)
        if memory > most:
            message = f"needs about {_gigabytes(memory)} and the largest machine of the cluster has {_gigabytes(most)}"
            raise RunError(place, message, "add a larger one, or set runner.memory")
        cpus = min(job.threads, max(int(node["CPU"]) for node in nodes))
        needs: dict[str, float] = {"num_cpus": cpus, "memory": memory}
        has_gpu = any(node.get("GPU", 0) >= 1 for node in nodes)
        if job.device == "cuda" and not has_gpu:
            raise RunError(place, "wants a GPU and no machine of the cluster has one", "set runner.device to cpu")
        if job.device != "cpu" and has_gpu:
            needs["num_gpus"] = 1
        if fitted is None and job.processes > 1 and self._room(needs) < job.processes:
            message = f"wants {job.processes} processes at once and the cluster has room for {self._room(needs)}"
            raise RunError(place, message, "add machines to it, or set fewer runner.processes")
        return needs

    def _room(self, needs: Needs) -> int:
        """Processes of such needs that the machines of the cluster hold at once, if nothing else does anything."""
        return sum(
            int(min(node.get(RESOURCES[need], 0) // much for need, much in needs.items())) for node in self._nodes()
        )

    def _nodes(self) -> list[dict[str, float]]:
        """The resources of the machines that compute. Raises RunError where there is none."""
        nodes = [node["Resources"] for node in self.connect().nodes() if node["Alive"]]
        working = [node for node in nodes if node.get("CPU", 0) >= 1 and "memory" in node]
        if not working:
            raise RunError("runner.address", f"the cluster at {self.address} has no CPUs", "add machines to it")
        return working


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


def _gigabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB"
