"""The stages as tasks, called without Prefect's engine: what they store, say and refuse, and when they find it done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prefect.client.schemas.objects import State

from recsys.comparison.evaluation import Evaluation
from recsys.data.dataset import Dataset
from recsys.errors import InputError, RunError
from recsys.experiment.launch import Limits, Stopped
from recsys.experiment.lists import Lists
from recsys.store import Ref
from tasks import stages
from tasks.context import Cell
from tasks.stages import check_leaks, evaluate, fit_and_recommend, folds_of, load_data, split_data

pytestmark = pytest.mark.usefixtures("models")


class Recording:
    """A recorder that notes what it is told."""

    def __init__(self):
        self.begun, self.steps, self.finished = [], [], []

    def begin(self, cell):
        self.begun.append(cell.name)

    def step(self, cell, step):
        self.steps.append((cell.name, step["phase"], step["epoch"]))

    def finish(self, cell, fit, evaluation):
        self.finished.append((cell.name, fit.digest, evaluation.digest))


@pytest.fixture
def recording():
    return Recording()


def cell_of(run, model=0, fold=0):
    return Cell(model=run.spec.models[model], seed=42, fold=fold)


def ref_of(result):
    """The reference that a task returns, as it is or in a state."""
    return result.data if isinstance(result, State) else result


def prepared(run):
    data = ref_of(load_data.fn(run))
    return data, ref_of(split_data.fn(data, run))


class TestData:
    def test_is_read_once(self, run_of):
        first = load_data.fn(run_of())
        again = load_data.fn(run_of())
        assert isinstance(first, Ref)
        assert isinstance(again, State)
        assert (again.name, again.is_completed()) == ("Cached", True)
        assert again.data.digest == first.digest
        assert len(Dataset.load(first.folder)) == 800

    def test_is_summarised_each_time(self, run_of):
        runs = [run_of(), run_of()]
        for run in runs:
            load_data.fn(run)
        first, again = ([line for line in run.reporter.told if line[1] == "data"] for run in runs)
        assert "800" in first[0][2]
        assert [line[2] for line in first] == [line[2] for line in again]
        assert ({line[3] for line in first}, {line[3] for line in again}) == ({False}, {True})

    def test_a_weight_that_the_data_cannot_give(self, run_of, tmp_path):
        (tmp_path / "events.csv").write_text("user,item\n1,1\n1,2\n2,1\n2,2\n")
        table = {"source": "table", "interactions": "events.csv"}
        load_data.fn(run_of(data=table))
        with pytest.raises(InputError, match=r"data\.weight: 'log' needs values"):  # also of a stored data set
            load_data.fn(run_of(data={**table, "weight": "log"}))

    def test_files_that_change_while_they_are_read(self, run_of, tmp_path):
        (tmp_path / "events.csv").write_text("user,item\n1,1\n1,2\n2,1\n2,2\n")
        table = {"source": "table", "interactions": "events.csv"}
        with pytest.raises(RunError, match="the file changed while it was read"):
            load_data.fn(run_of(data=table, inputs={"interactions: events.csv": "other"}))


class TestSplit:
    def test_is_made_once_and_counted_each_time(self, run_of):
        run = run_of()
        data = ref_of(load_data.fn(run))
        first, again = split_data.fn(data, run), split_data.fn(data, run)
        assert again.name == "Cached"
        assert again.data.digest == first.digest
        lines = [line for line in run.reporter.told if line[1] == "split"]
        assert len(lines) == 2
        assert "160 test" in lines[0][2]
        assert [line[3] for line in lines] == [False, True]

    def test_folds_in_their_order(self, run_of):
        run = run_of(split={"kind": "k-fold", "folds": 11, "validation": 0})
        data, split = prepared(run)
        folds = folds_of(split)
        assert [fold.number for fold in folds] == list(range(11))
        tested = np.concatenate([fold.test for fold in folds])
        assert np.array_equal(np.sort(tested), np.arange(len(Dataset.load(data.folder))))
        assert len([line for line in run.reporter.told if line[1] == "split"]) == 11


class TestLeaks:
    def test_a_random_split_learns_from_the_future(self, run_of):
        run = run_of(split={"kind": "k-fold", "folds": 2, "validation": 0})
        found = check_leaks.fn(*prepared(run), run)
        assert [each.fold for each in found if each.check == "time_overlap"] == ["fold 1", "fold 2"]
        told = [line[1] for line in run.reporter.told if line[0] == "warn"]
        (said,) = [text for text in told if "newer than the oldest" in text]
        assert said.endswith("(so in 2 folds)")

    def test_warnings_are_said_and_handed_on(self, run_of, monkeypatch):
        from recsys.splits.leaks import Finding

        found = Finding("overlap", "warning", "times overlap", "split by time", 3, np.arange(3))
        monkeypatch.setattr(stages, "check_fold", lambda case: [found])
        run = run_of()
        assert check_leaks.fn(*prepared(run), run) == [found]
        assert ("warn", "times overlap; split by time") in run.reporter.told

    def test_an_error(self, run_of):
        run = run_of(positive=99)
        with pytest.raises(InputError, match="none of the 160 test rows is a positive"):
            check_leaks.fn(*prepared(run), run)

    def test_nobody_to_count(self, run_of, tmp_path):
        (tmp_path / "events.csv").write_text("user,item\n1,1\n1,2\n2,1\n2,2\n")
        (tmp_path / "test.csv").write_text("user,item\n3,1\n4,2\n")
        files = {
            "data": {"source": "table", "interactions": "events.csv"},
            "split": {"kind": "predefined", "test": "test.csv"},
        }
        run = run_of(**files)
        with pytest.raises(InputError, match="none of the 2 users with test positives is in training"):
            check_leaks.fn(*prepared(run), run)
        everybody = run_of(**files, evaluation={"users": "all"})
        assert check_leaks.fn(*prepared(everybody), everybody) == []


@pytest.mark.usefixtures("prefect")
class TestFit:
    def test_leaves_lists_and_model(self, run_of, children, recording):
        run = run_of(runner={"timeout": 60, "memory": 2})
        data, split = prepared(run)
        ref = fit_and_recommend.fn(cell_of(run), data, split, recording, run)
        assert len(Lists.load(ref.folder).users) > 0
        assert (ref.folder / "model" / "model.json").exists()
        (job, how) = children[0]
        assert (job.fold, job.dataset, job.threads) == (split.folder / "0", data.folder, run.threads)
        assert (how["label"], how["limits"], how["stop"]) == ("constant", Limits(60, 2_000_000_000), run.stop)
        assert how["records"] == run.settings.processes
        assert how["log"] == run.settings.logs / f"fit-{ref.key}.log"
        assert recording.begun == ["constant seed 42"]

    def test_is_done_once(self, run_of, children, recording):
        run = run_of()
        data, split = prepared(run)
        first = fit_and_recommend.fn(cell_of(run), data, split, recording, run)
        again = fit_and_recommend.fn(cell_of(run), data, split, recording, run)
        assert len(children) == 1
        assert (again.name, again.data.digest) == ("Cached", first.digest)
        ends = [line for line in run.reporter.told if line[0] == "end"]
        assert [line[2:] for line in ends][1] == ("fitted before", False, True)
        assert ends[0][2].startswith("fitted in ")

    def test_its_checkpoint_goes_when_it_is_done(self, run_of, children, recording):
        run = run_of()
        ref = fit_and_recommend.fn(cell_of(run), *prepared(run), recording, run)
        assert children[0][1]["checkpoint"] == run.settings.checkpoints / ref.key
        assert not (run.settings.checkpoints / ref.key).exists()

    def test_and_stays_where_it_failed(self, run_of, children, recording):
        run = run_of(models=["broken"])
        data, split = prepared(run)
        with pytest.raises(ValueError, match="it never works"):
            fit_and_recommend.fn(cell_of(run), data, split, recording, run)
        assert children[0][1]["checkpoint"].exists()
        assert not list((run.settings.store / "fit").glob("[!.]*"))

    def test_progress_reaches_the_terminal_and_mlflow(self, run_of, children, recording, prefect):
        run = run_of(models=[{"name": "watcher", "epochs": 3}])
        fit_and_recommend.fn(cell_of(run), *prepared(run), recording, run)
        steps = [("validation", 1), ("validation", 2), ("validation", 3), ("fit", 1), ("fit", 2)]
        assert recording.steps == [("watcher seed 42", *step) for step in steps]
        assert [line[2:] for line in run.reporter.told if line[0] == "step"] == steps

    def test_and_prefect_now_and_then(self, run_of, children, recording, prefect, monkeypatch):
        monkeypatch.setattr(stages, "PROGRESS_SECONDS", -1.0)
        run = run_of(models=[{"name": "watcher", "epochs": 4}])
        fit_and_recommend.fn(cell_of(run), *prepared(run), recording, run)
        assert [*prefect["created"], *prefect["updated"]] == [25, 50, 75, 100, 50, 100]
        assert prefect["log"].lines[0] == "watcher seed 42: 1 of 4 epochs (validation)"

    def test_without_mlflow(self, run_of, children):
        run = run_of(models=["watcher"])
        assert isinstance(fit_and_recommend.fn(cell_of(run), *prepared(run), None, run), Ref)

    def test_nothing_starts_once_the_run_is_to_end(self, run_of, children, recording):
        run = run_of()
        data, split = prepared(run)
        run.stop.set()
        with pytest.raises(Stopped):
            fit_and_recommend.fn(cell_of(run), data, split, recording, run)
        assert children == []


@pytest.mark.usefixtures("prefect")
class TestEvaluate:
    def test_numbers_and_the_end_of_the_run(self, run_of, children, recording):
        run = run_of()
        data, split = prepared(run)
        fit = fit_and_recommend.fn(cell_of(run), data, split, recording, run)
        ref = evaluate.fn(cell_of(run), fit, data, split, recording, run)
        found = Evaluation.load(ref.folder)
        assert set(found.overall) == set(run.spec.evaluation.columns)
        assert 0 < found.overall["ndcg@10"] < 1
        again = evaluate.fn(cell_of(run), fit, data, split, recording, run)
        assert (again.name, again.data.digest) == ("Cached", ref.digest)
        assert recording.finished == [("constant seed 42", fit.digest, ref.digest)] * 2

    def test_of_each_fold(self, run_of, children, recording):
        run = run_of(split={"kind": "k-fold", "folds": 2})
        data, split = prepared(run)
        found = []
        for fold in (0, 1):
            fit = fit_and_recommend.fn(cell_of(run, fold=fold), data, split, recording, run)
            found.append(evaluate.fn(cell_of(run, fold=fold), fit, data, split, recording, run))
        assert found[0].key != found[1].key
        assert [Path(job.fold).name for job, _ in children] == ["0", "1"]
