"""Tasks on a Ray cluster: those of one fit start together, and where one fails or is lost, all end."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from recsys.errors import RunError
from recsys.experiment.job import from_failure
from recsys.experiment.launch import Stop, Stopped
from recsys.experiment.remote_gang import met
from recsys.experiment.remote_node import Request, fit_on_node
from recsys.training.peers import PartedError

# What a task asks for by other names than a machine has it.
RESOURCES = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 10.0
REPLACED_SECONDS = 300.0
"""How long a fit waits for a machine in the place of one that is lost, where those that are left do not do."""

Tell = Callable[[dict[str, Any]], None]
Needs = Mapping[str, float]


class LostError(Exception):
    """A machine that did the work, or its worker, has gone."""


class Tasks:
    """The tasks of one fit, a request each; `how` to ask Ray for each of them.

    The first begins at once, and the others when it says where they meet.
    """

    def __init__(self, ray: Any, requests: Sequence[Request], how: Sequence[Mapping[str, Any]], stop: Stop) -> None:
        self._ray, self._requests, self._how, self._stop = ray, requests, how, stop
        self._running: dict[Any, int] = {}
        self._results: dict[int, dict[str, str]] = {}
        self._label = requests[0].label

    def follow(self, tell: Tell) -> list[dict[str, str]]:
        """The digests of the files that each left in the shared place, once all have ended.

        Raises what one of them raised, Stopped once the run is to end, LostError where a machine has gone, RunError
        where Ray failed one. None of them goes on then.
        """
        try:
            self._begin(0, self._requests[0])
            until = None
            while self._running:
                if self._stop:
                    raise Stopped
                if until is not None and time.monotonic() > until:
                    break
                for said in self._speaking():
                    try:
                        self._hear(said, tell)
                    except PartedError:  # the one that it lost says why, or that machine has gone
                        del self._running[said]
                        until = until or time.monotonic() + PATIENCE_SECONDS
        finally:
            _end(self._ray, self._running)
        if len(self._results) < len(self._requests):
            raise LostError("its tasks ended without a word")
        return [self._results[rank] for rank in range(len(self._requests))]

    def _speaking(self) -> list[Any]:
        """The tasks that have something to say, once any has, or after a while: none is heard before another one."""
        ready, silent = self._ray.wait(list(self._running), timeout=POLL_SECONDS)
        if ready and silent:
            ready += self._ray.wait(silent, num_returns=len(silent), timeout=0)[0]
        return list(ready)

    def _begin(self, rank: int, request: Request) -> None:
        how = {"num_returns": "streaming", "max_retries": 0, "name": f"fit {self._label}", **self._how[rank]}
        self._running[_task().options(**how).remote(request.model_dump_json())] = rank

    def _hear(self, said: Any, tell: Tell) -> None:
        """Act on the next thing that a task says."""
        rank = self._running[said]
        try:
            text = _next(self._ray, said, self._label)
        except StopIteration:
            del self._running[said]
            if rank not in self._results:
                raise LostError("its task ended without a word") from None
            return
        happening = json.loads(text) if text else {}
        if "meet" in happening:
            for other, request in list(enumerate(self._requests))[1:]:
                self._begin(other, met(request, happening["meet"]))
        elif "step" in happening:
            tell(happening["step"])
        elif "log" in happening:
            with self._requests[rank].log.open("a") as file:
                file.write(happening["log"])
        elif "failure" in happening:
            raise from_failure(happening["failure"], self._label)
        elif "result" in happening:
            self._results[rank] = happening["result"]


@contextlib.contextmanager
def placed(ray: Any, needs: Needs, n: int, room: Callable[[], int], stop: Stop) -> Iterator[list[tuple[str, Any]]]:
    """Places for n tasks of such needs, all at once: the address of the machine, and how to ask Ray for it, of each.

    room: how many the cluster has room for; where that is too few for long, RunError is raised. Raises Stopped once the
    run is to end.
    """
    from ray.util import placement_group, placement_group_table, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = placement_group([{RESOURCES[need]: much for need, much in needs.items()}] * n, strategy="PACK")
    try:
        until = time.monotonic() + REPLACED_SECONDS
        while not group.wait(1):  # in whole seconds
            if stop:
                raise Stopped
            if room() >= n:
                until = time.monotonic() + REPLACED_SECONDS
            if time.monotonic() > until:
                message = f"{n} are wanted at once, and the cluster has had room for {room()} since a machine was lost"
                raise RunError("runner.processes", message, "add machines to it, or set fewer; what was reached stays")
        addresses = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes()}
        where = placement_group_table(group)["bundles_to_node_id"]
        strategies = [PlacementGroupSchedulingStrategy(group, rank) for rank in range(n)]
        yield [(addresses[where[rank]], {"scheduling_strategy": each}) for rank, each in enumerate(strategies)]
    finally:
        remove_placement_group(group)


@cache
def _task() -> Any:
    import ray

    return ray.remote(fit_on_node)


def _next(ray: Any, said: Any, label: str) -> str:
    """The next thing that a task says, which is there.

    Raises StopIteration at its end, LostError where its machine has gone, RunError where Ray failed it.
    """
    gone = ray.exceptions
    try:
        return str(ray.get(next(said)))
    except gone.OutOfMemoryError as error:
        raise RunError(label, "its machine ran out of memory", "set runner.memory, or fewer workers") from error
    except (gone.WorkerCrashedError, gone.NodeDiedError, gone.ObjectLostError) as error:
        raise LostError(type(error).__name__) from error
    except gone.RayError as error:  # it could not so much as start there
        why = f"Ray could not run it: {str(error).strip().splitlines()[-1]}"
        raise RunError(label, why, "is this package installed on every machine? See docs/ray.md") from error


def _end(ray: Any, running: Mapping[Any, int]) -> None:
    """End tasks that have not ended: they may clean up first, for a while."""
    for said in running:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.cancel(said)
    deadline = time.monotonic() + PATIENCE_SECONDS
    for said in running:
        with contextlib.suppress(ray.exceptions.RayError, StopIteration):
            while time.monotonic() < deadline:
                if ray.wait([said], timeout=POLL_SECONDS)[0]:
                    ray.get(next(said))
            ray.cancel(said, force=True)
