"""Fits as forks: what they leave is what a fresh interpreter leaves, and they end as one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from made import job, spec, world

from recsys.errors import RunError
from recsys.experiment import child
from recsys.experiment.forks import Forks
from recsys.experiment.launch import Limits, Stop, Stopped, environment_of, run_child
from recsys.experiment.lists import Lists
from recsys.processes import is_alive, started, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fits are forked on Linux alone")

PATIENCE = 20.0


@pytest.fixture
def forks(tmp_path):
    with Forks(tmp_path / "processes", tmp_path / "forks.log") as found:
        yield found


@pytest.fixture
def fit(tmp_path, forks):
    """Fit a model as a fork, or in a fresh interpreter; the folder of what it left."""

    def do(model="ease", fork=True, stop=None, tell=print, **changes):
        work = tmp_path / f"work-{len(list(tmp_path.glob('work-*')))}"
        work.mkdir()
        experiment = spec(models=[model], evaluation={"k": [3], "primary": "ndcg@3"})
        run_child(
            job(tmp_path, *world(), experiment, **changes),
            work,
            label="mine",
            records=tmp_path / "processes",
            log=tmp_path / "fit.log",
            checkpoint=work / "checkpoint",
            limits=Limits(),
            stop=Stop() if stop is None else stop,
            tell=tell,
            forks=forks if fork else None,
        )
        return work

    return do


def servers(forks):
    return [server.process for server in forks._servers.values()]


def fits_of(forks):
    return [each for server in servers(forks) for each in psutil.Process(server.pid).children()]


class Held:
    """Tells of the first epoch, and waits there until it may go on."""

    def __init__(self):
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, step):
        self.reached.set()
        self.go_on.wait(PATIENCE)


LONG = {"name": "lightfm-warp", "epochs": 1_000_000}


@pytest.fixture
def held(fit):
    """A fit that is at work, and what it raises in the end."""
    raised, at_work, stop = [], Held(), Stop()

    def do():
        with pytest.raises((RunError, Stopped)) as error:
            fit(LONG, stop=stop, tell=at_work)
        raised.append(error.value)

    thread = threading.Thread(target=do)
    thread.start()
    assert at_work.reached.wait(PATIENCE)
    at_work.go_on.set()
    yield thread, raised, stop
    stop.set()
    thread.join(PATIENCE)


@pytest.mark.parametrize("model", ["ease", "two-tower", "lightfm-warp"])
def test_the_same_as_in_a_fresh_interpreter(fit, model):
    forked, fresh = fit(model), fit(model, fork=False)
    assert {path.name for path in forked.iterdir()} == {path.name for path in fresh.iterdir()}
    one, other = Lists.load(forked), Lists.load(fresh)
    assert (one.items == other.items).all()
    assert (one.scores == other.scores).all()
    for path in (forked / "model").iterdir():
        assert path.read_bytes() == (fresh / "model" / path.name).read_bytes(), path.name


def test_what_it_took_is_its_own(fit, forks):
    measured = [json.loads((fit(model) / "measured.json").read_text()) for model in ("ease", "mf", "ease")]
    plain, torch, again = (each["peak_memory_mb"] for each in measured)
    assert len(servers(forks)) == 2
    assert torch > plain + 100  # what the one of the others has imported is in no fit of the first
    assert again == pytest.approx(plain, rel=0.2)
    assert measured[2]["cpu_seconds"] < 1


def test_a_process_of_its_own(tmp_path, fit, forks, held):
    (process,) = fits_of(forks)
    assert process.name() == child.NAME
    assert os.getsid(process.pid) == process.pid
    assert (tmp_path / "processes" / f"{process.pid}.json").exists()
    # Input, output twice, progress: nothing of its neighbours, and nothing of the one that it was forked from.
    kinds = [str(place.readlink()) for place in Path(f"/proc/{process.pid}/fd").iterdir()]
    assert len([kind for kind in kinds if kind.startswith("pipe:")]) == 2
    assert not [kind for kind in kinds if kind.startswith("socket:")]
    assert kinds.count(str(tmp_path / "fit.log")) == 2


def test_libraries_have_the_threads_of_the_job(fit, forks):
    fit(threads=1)
    fit(threads=2)
    one, two = (psutil.Process(server.pid).environ() for server in servers(forks))
    assert environment_of(1).items() <= one.items()
    assert environment_of(2).items() <= two.items()


def test_one_that_is_killed(forks, held):
    thread, raised, _ = held
    fits_of(forks)[0].send_signal(signal.SIGKILL)
    thread.join(PATIENCE)
    assert isinstance(raised[0], RunError)
    assert "its process was ended by SIGKILL" in raised[0].message


def test_one_that_is_stopped(forks, held):
    thread, raised, stop = held
    (process,) = fits_of(forks)
    stop.set()
    thread.join(PATIENCE)
    assert isinstance(raised[0], Stopped)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_where_the_one_that_forks_is_killed(fit, forks, held):
    thread, raised, _ = held
    (process,) = fits_of(forks)
    servers(forks)[0].kill()
    thread.join(PATIENCE)
    assert isinstance(raised[0], RunError)
    assert wait_until(lambda: not process.is_running(), PATIENCE)
    assert (fit() / "model").exists()  # by another


def test_nothing_is_left_after_the_block(tmp_path, fit, forks, held):
    thread, raised, _ = held
    left = [(process.pid, started(process.pid)) for process in [*fits_of(forks), *servers(forks)]]
    forks.__exit__()
    thread.join(PATIENCE)
    assert isinstance(raised[0], RunError)
    assert wait_until(lambda: not any(is_alive(*each) for each in left), PATIENCE)
    assert not list((tmp_path / "processes").iterdir())
    with pytest.raises(RunError, match="could not be started"):
        fit()


PARENT = """
import sys, time
from pathlib import Path
from recsys.experiment.forks import Forks
from recsys.experiment.launch import environment_of
forks = Forks(Path(sys.argv[1]), Path(sys.argv[2]))
forks.prepare(["torch"], environment_of(1))
print(*(server.process.pid for server in forks._servers.values()), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("imported", [False, True])
def test_it_ends_when_its_parent_is_killed(tmp_path, imported):
    command = [sys.executable, "-c", PARENT, str(tmp_path / "processes"), str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        began = started(pid)
        time.sleep(3.0 if imported else 0.0)
        parent.kill()
        assert wait_until(lambda: not is_alive(pid, began), PATIENCE)


def test_a_fork_imports_its_model_and_no_library(fit, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    fit("item-knn")
    lines = [line for line in (tmp_path / "fit.log").read_text().splitlines() if line.startswith("import time: ")]
    late = [line.rpartition("|")[2].strip() for line in lines]
    assert "recsys.models.neighbors" in late
    assert [name for name in late if "." not in name] == []
