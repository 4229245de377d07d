"""What the tasks of a run share: names, cores, limits, the stop flag, the store."""

from __future__ import annotations

import threading

import pytest
from made import spec

from recsys import processes
from recsys.experiment.launch import Limits, Stopped
from recsys.processes import cores
from tasks import context
from tasks.context import Cell, Reporter, width


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many cores."""

    def with_cores(n):
        monkeypatch.setattr(context, "cores", lambda: n)

    return with_cores


class TestCell:
    @pytest.mark.parametrize(
        ("label", "seed", "fold", "name"), [(None, 7, 0, "ease seed 7"), ("my ease", 7, 2, "my ease seed 7 fold 2")]
    )
    def test_its_name(self, label, seed, fold, name):
        cell = Cell(model=spec(models=[{"name": "ease", "label": label}]).models[0], seed=seed, fold=fold)
        assert cell.name == name
        assert cell.label == (label or "ease")
        assert len({cell, Cell(model=cell.model, seed=seed, fold=fold)}) == 1


class TestWidth:
    """Models at once times threads of each is at most the cores."""

    @pytest.mark.parametrize(
        ("n_cores", "changes", "expected"),
        [
            (1, {"models": ["ease", "mf"]}, (1, 1)),
            (2, {"models": ["ease", "mf", "popularity"]}, (2, 1)),
            (8, {"models": ["ease", "mf", "popularity"]}, (3, 2)),
            (8, {"models": ["ease"]}, (1, 8)),
            (8, {"models": ["ease", "mf"], "seeds": [1, 2, 3]}, (4, 2)),
            (8, {"models": ["ease"], "split": {"kind": "k-fold", "folds": 4}}, (4, 2)),
            (8, {"models": ["ease", "mf"], "runner": {"workers": 1}}, (1, 8)),
            (2, {"models": ["ease", "mf", "popularity"], "runner": {"workers": 16}}, (2, 1)),
        ],
    )
    def test_of_a_machine(self, machine, n_cores, changes, expected):
        machine(n_cores)
        assert width(spec(**changes)) == expected

    def test_cores_are_those_this_process_may_use(self, monkeypatch):
        monkeypatch.setattr(processes.os, "sched_getaffinity", lambda pid: {0, 5, 7}, raising=False)
        assert cores() == 3
        monkeypatch.delattr(processes.os, "sched_getaffinity")
        monkeypatch.setattr(processes.os, "cpu_count", lambda: None)
        assert cores() == 1


class TestRun:
    def test_limits(self, run_of):
        assert run_of(runner={"timeout": 5, "memory": 1.5}, models=["ease"]).limits == Limits(5, 1_500_000_000)
        assert run_of(models=["ease"]).limits == Limits(None, None)

    def test_as_many_at_once_as_it_is_wide(self, run_of, machine):
        machine(2)
        run = run_of(models=["ease", "mf", "popularity"])
        inside, most, go = [], [], threading.Event()

        def work():
            with run.core():
                inside.append(1)
                most.append(len(inside))
                go.wait(0.05)
                inside.pop()

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(most) == 6
        assert max(most) == 2

    def test_nothing_starts_once_it_is_to_end(self, run_of):
        run = run_of(models=["ease"])
        run.stop.set()
        for _ in range(3):  # and every place is given back
            with pytest.raises(Stopped), run.core():
                pytest.fail("it started")

    @pytest.mark.parametrize(("fresh", "builds"), [(False, 1), (True, 2)])
    def test_a_stage_is_made_once_unless_it_is_to_be_made_anew(self, run_of, fresh, builds):
        run, made = run_of(models=["ease"], fresh=fresh), []

        def build(folder):
            (folder / "x").touch()
            made.append(folder)

        refs = [run.produce("stage", "key", build) for _ in range(2)]
        assert len(made) == builds
        assert [ref.cached for ref in refs] == [False, not fresh]


def test_a_reporter_that_tells_nobody():
    cell = Cell(model=spec().models[0], seed=1, fold=0)
    reporter = Reporter()
    assert reporter.stage("data", "x") is reporter.warn("x") is reporter.begin(cell) is None
    assert reporter.step(cell, {}) is reporter.end(cell, "x") is None
