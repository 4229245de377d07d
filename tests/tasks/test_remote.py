"""Fits of a run on a cluster: reached once, as wide as it is, and with the threads of a fit here."""

from __future__ import annotations

import pytest

from recsys.errors import RunError
from recsys.experiment.launch import Limits
from recsys.settings import Settings
from tasks import context
from tasks.context import Cell, width
from tasks.stages import fit_and_recommend, load_data, split_data

RAY = {"kind": "ray", "address": "10.0.0.1:6379"}


class Fake:
    """A cluster of ten CPUs that fits in this very process."""

    def __init__(self, address, shared, root):
        self.about, self.asked, self.done = (address, shared, root), [], []

    def width(self, threads):
        self.asked.append(threads)
        return 10 // threads

    def near(self, dataset, split):
        def run_child(job, folder, **how):
            self.done.append((dataset.key, split.key, job.threads, how["limits"], how["stop"]))
            raise RunError("the cluster", "is none")

        return run_child


@pytest.fixture
def run(run_of, monkeypatch):
    monkeypatch.setattr(context, "Cluster", Fake)
    monkeypatch.setattr(context, "cores", lambda: 4)
    monkeypatch.setenv("RECSYS_SHARED", "s3://lists")

    def made(**runner):
        return run_of(models=["ease", "popularity"], runner={**RAY, **runner})

    return made


def n_free(run) -> int:
    """How many fits could begin now."""
    run.connect()
    return run._fits._free


def test_a_run_here_has_no_cluster(run_of):
    run = run_of(models=["ease"])
    assert run.cluster is None
    run.connect()
    assert run._fits is run._cores


def test_where_it_is_and_what_it_shares(run):
    assert run().cluster.about == ("10.0.0.1:6379", "s3://lists", Settings().root)


@pytest.mark.parametrize(("runner", "at_once"), [({}, 5), ({"workers": 3}, 3), ({"workers": 50}, 10)])
def test_as_many_at_once_as_it_has_cpus_for(run, runner, at_once):
    """Two models on four cores have two threads each here, and so they have there: one worker more takes one."""
    made = run(**runner)
    assert made.threads == width(made.spec)[1]
    assert n_free(made) == min(at_once, 10 // made.threads)
    with made.fitting():
        assert n_free(made) == min(at_once, 10 // made.threads) - 1
    assert made.cluster.asked == [made.threads]  # once


@pytest.mark.usefixtures("prefect")
def test_a_fit_goes_there(run, monkeypatch):
    made = run(timeout=9)
    data = load_data.fn(made)
    split = split_data.fn(data, made)
    cell = Cell(model=made.spec.models[0], seed=42, fold=0)
    with pytest.raises(RunError, match="the cluster: is none"):
        fit_and_recommend.fn(cell, data, split, None, made)
    assert made.cluster.done == [(data.key, split.key, made.threads, Limits(9, None), made.stop)]
