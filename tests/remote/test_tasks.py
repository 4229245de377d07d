"""Tasks that belong together, as a Ray of this test's own tells of them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from remote.test_cluster import Asked
from remote.test_node import request

from recsys.errors import RunError
from recsys.experiment import remote_tasks
from recsys.experiment.job import as_failure
from recsys.experiment.launch import Stop, Stopped
from recsys.experiment.remote_gang import add_measured, gang_of
from recsys.experiment.remote_node import Request
from recsys.experiment.remote_tasks import LostError, Tasks
from recsys.training.peers import PartedError

MEET = {"meet": "127.0.0.1:9"}
DIED = SimpleNamespace(name="a node died")


class AnyError(Exception):
    """What Ray raises."""


class GoneError(AnyError):
    """What it raises where a node has died."""


class Ray:
    """Each task says what it is told to, a thing at each look: `says`, by the rank that it is of; then it is silent,
    unless the last thing is END."""

    def __init__(self, *says: list) -> None:
        self.asked, self.how, self.cancelled = list[Request](), [], []
        self._says = [iter(each) for each in says]
        names = ("OutOfMemoryError", "WorkerCrashedError", "NodeDiedError", "ObjectLostError", "RayError")
        errors = {name: type(name, (AnyError,), {}) for name in names}
        self.exceptions = SimpleNamespace(**errors | {"NodeDiedError": GoneError, "RayError": AnyError})

    def options(self, **how):
        self.how.append(how)
        return self

    def remote(self, text):
        self.asked.append(Request.model_validate_json(text))
        return Stream(self._says[self.asked[-1].job.peer.rank])

    def wait(self, said, timeout, num_returns=1):
        ready = [each for each in said if each.look()]
        return ready, [each for each in said if each not in ready]

    @staticmethod
    def get(thing):
        if thing is DIED:
            raise GoneError
        return json.dumps(thing) if thing else ""

    def cancel(self, said, force=False):
        self.cancelled.append((said, force))


END = object()


class Stream:
    def __init__(self, says):
        self._says, self._next = says, None

    def look(self):
        self._next = self._next or next(self._says, None)
        return self._next is not None

    def __next__(self):
        found, self._next = self._next, None
        if found is END:
            raise StopIteration
        return found


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """What two tasks that say so come to; how long one waits for another's reason is cut short."""
    asked = Asked(tmp_path, {"name": "mf"}, runner={"kind": "ray", "processes": 2})
    parts = gang_of(request(asked), ["10.0.0.1", "10.0.0.2"])
    monkeypatch.setattr(remote_tasks, "PATIENCE_SECONDS", 0.2)

    def followed(*says: list, stop: Stop | None = None) -> tuple[Ray, list, list]:
        ray, steps = Ray(*says), []
        monkeypatch.setattr(remote_tasks, "_task", lambda: ray)
        tasks = Tasks(ray, parts, [{"num_cpus": 1}, {"num_cpus": 2}], Stop() if stop is None else stop)
        followed.ray = ray
        return ray, tasks.follow(steps.append), steps

    return followed


def failed(error: Exception) -> dict:
    return {"failure": as_failure(error)}


def test_the_second_begins_where_the_first_one_listens(follow):
    one = [MEET, {"step": {"epoch": 1}}, {}, {"result": {"a": "1"}}, END]
    ray, results, steps = follow(one, [{"result": {"b": "2"}}, END])
    assert results == [{"a": "1"}, {"b": "2"}]
    assert steps == [{"epoch": 1}]
    assert [part.job.peer.meet for part in ray.asked] == ["", "127.0.0.1:9"]
    assert [part.job.peer.own for part in ray.asked] == ["10.0.0.1", "10.0.0.2"]
    assert [how["num_cpus"] for how in ray.how] == [1, 2]
    assert ray.cancelled == []


def test_the_reason_is_of_the_one_that_has_it(follow):
    """The first one to speak has lost the other one, which knows why."""
    lost = [MEET, {}, failed(PartedError("peers", "lost another one")), END]
    with pytest.raises(RunError, match="out of memory"):
        follow(lost, [{}, {}, {}, failed(RunError("mine", "ran out of memory")), END])


@pytest.mark.parametrize(
    "other", [[{}, {}, DIED], [], [failed(PartedError("peers", "lost another one")), END], [{"result": {}}, END], [END]]
)
def test_without_a_reason_a_machine_is_lost(follow, other):
    with pytest.raises(LostError):
        follow([MEET, {}, failed(PartedError("peers", "lost another one")), END], other)


def test_a_failure_ends_the_other_one(follow):
    with pytest.raises(RunError, match="no way"):
        follow([MEET, {"step": {}}], [{}, failed(RunError("mine", "no way"))])
    assert [force for _, force in follow.ray.cancelled] == [False, False, True, True]


def test_a_stop_ends_both(follow):
    class Later(Stop):
        looks = 0

        def __bool__(self) -> bool:
            self.looks += 1
            return self.looks > 3

    with pytest.raises(Stopped):
        follow([MEET], [{}], stop=Later())
    assert len(follow.ray.cancelled) == 4


def test_what_all_took(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for number, folder in enumerate(folders, start=1):
        folder.mkdir()
        (folder / "measured.json").write_text(json.dumps({"cpu_seconds": number, "peak_memory_mb": 10 * number}))
    (tmp_path / "a" / "measured.json").write_text('{"cpu_seconds": 1, "peak_memory_mb": 10, "fit_seconds": 5}')
    add_measured(folders[1:], folders[0])
    found = json.loads(Path(tmp_path / "a" / "measured.json").read_text())
    assert found == {"cpu_seconds": 6, "peak_memory_mb": 30, "fit_seconds": 5}
