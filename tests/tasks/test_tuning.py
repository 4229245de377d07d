"""Tuning as tasks: ordinary fits on the validation part, each kept; what a kill, a budget or a bad model does."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from made import dataset, fold, spec, world
from prefect.client.schemas.objects import State

from recsys.errors import InputError, RunError
from recsys.experiment.fit import fit_and_recommend
from recsys.experiment.launch import Stopped
from recsys.splits.fold import Fold
from tasks import context, tuner
from tasks.context import Cell, width
from tasks.tuning import cut_tuning_fold, tune_model, tuned_of

pytestmark = pytest.mark.usefixtures("models")

EVALUATION = {"metrics": ["ndcg", "recall"], "k": [3], "primary": "ndcg@3"}


class Clock:
    """Time that passes where it is told to."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def fits(monkeypatch):
    """Trials are fitted in this process; the settings of those that came to an end. breaks: called before each."""

    class Fits(list):
        breaks = staticmethod(lambda job, how: None)
        folds: list = []

    done, one = Fits(), threading.Lock()

    def run_child(job, folder, **how):
        with one:
            done.folds.append(job.fold)
            done.breaks(job, {**how, "end": done.run.stop.set})
            how["checkpoint"].mkdir(parents=True, exist_ok=True)
            fit_and_recommend(job, folder, how["checkpoint"], how["tell"])
            measured = json.loads((folder / "measured.json").read_text())
            (folder / "measured.json").write_text(json.dumps(measured | {"cpu_seconds": 1.0, "peak_memory_mb": 80.0}))
            done.append(job.settings["tilt"])

    monkeypatch.setattr(context, "run_child", run_child)
    return done


class Trials:
    """A recorder that notes the trials."""

    def __init__(self):
        self.told = {}

    def trial(self, label, name, trial, metric):
        self.told.setdefault((label, name, trial.number), (trial.state, metric))


def skewed():
    """A world in which some items are taken far more often than others."""
    random, share = np.random.default_rng(3), 1 / np.arange(1, 31)
    rows = [(user, item) for user in range(80) for item in random.choice(30, 8, replace=False, p=share / share.sum())]
    data = dataset(rows, timestamps=range(len(rows)))
    return data, fold(data, test=range(6, len(rows), 8), validation=[*range(5, len(rows), 8), *range(7, len(rows), 8)])


def refs_of(run, data, part):
    """The stored data and split, with one fold."""

    def split(folder):
        (folder / "0").mkdir()
        part.save(folder / "0")

    return run.store.produce("dataset", "d", data.save), run.store.produce("split", "s", split)


@pytest.fixture
def tuned(tmp_path, monkeypatch, run_of, fits):
    """Tunes the first model of an experiment on a made world, in a home of this name."""

    def tune(
        home="home", model="tilted", place=None, budget=None, recorder=None, changed=lambda data, part: data, **kw
    ):
        monkeypatch.setenv("RECSYS_HOME", str(tmp_path / home))
        about = {"models": [model], "evaluation": EVALUATION, "tuning": budget or {"trials": 9}, "seeds": [1]}
        experiment = spec(runner={"workers": 1}, **about)
        run = fits.run = run_of(experiment, inputs={})
        data, part = place or skewed()
        dataset, split = refs_of(run, changed(data, part) if changed else data, part)
        fold = ref_of(cut_tuning_fold.fn(dataset, split, run))
        cell = Cell(model=experiment.models[0], seed=1, fold=0)
        return tuned_of(ref_of(tune_model.fn(cell, dataset, fold, recorder, run)), cell), run

    return tune


def ref_of(result):
    return result.data if isinstance(result, State) else result


def plain(found):
    """What was found, without what is measured."""
    return found.model_copy(update={"trials": tuple(t.model_copy(update={"seconds": 0.0}) for t in found.trials)})


class TestSearch:
    def test_better_settings_than_those_of_the_spec(self, tuned, fits):
        recorder = Trials()
        found, run = tuned(recorder=recorder)
        assert len(found.trials) == len(fits) == 9
        assert found.after > found.before
        assert found.settings["tilt"] > 0
        assert recorder.told == {("tilted", "tilted", n): ("done", "ndcg@3") for n in range(9)}
        steps = [told[3] for told in run.reporter.told if told[0] == "step"]
        assert steps == list(range(1, 10))
        end = next(told[2] for told in run.reporter.told if told[0] == "end")
        assert end.startswith("tuned by 9 trials in ")
        assert f"tilt -0.5 -> {found.settings['tilt']}" in end

    def test_the_same_in_another_home(self, tuned, fits):
        assert plain(tuned("one")[0]) == plain(tuned("two")[0])

    def test_is_done_once(self, tuned, fits):
        first, _ = tuned()
        again, run = tuned()
        assert (again, len(fits)) == (first, 9)
        assert ("end", "tilted seed 1", "tuned before", False, True) in run.reporter.told

    def test_more_trials_go_on(self, tuned, fits):
        few, _ = tuned(budget={"trials": 4})
        more, _ = tuned(budget={"trials": 9})
        assert plain(few).trials == plain(more).trials[:4]
        assert len(fits) == 9

    def test_another_label_is_no_other_search(self, tuned, fits):
        tuned()
        found, _ = tuned(model={"name": "tilted", "label": "mine"})
        assert (found.label, len(fits)) == ("mine", 9)

    def test_epochs_chosen_on_the_validation_part(self, tuned, fits):
        found, _ = tuned(model="climber")
        assert found.settings["epochs"] == 4
        assert {trial.epochs for trial in found.trials if trial.state == "done"} == {4}

    def test_nothing_to_tune(self, tuned, fits):
        found, run = tuned(model="constant")
        assert (found.trials, found.settings, fits) == ((), {}, [])
        assert ("stage", "tune", "constant: nothing to tune", False) in run.reporter.told

    def test_workers_as_many_as_there_are_trials(self):
        one = {"models": ["tilted"], "runner": {"workers": 2}}
        assert width(spec(**one))[0] == 1
        assert width(spec(**one, tuning={}))[0] == min(2, width(spec(models=["tilted"], tuning={}))[0])


class TestValidationOnly:
    def test_what_is_in_the_test_part_changes_nothing(self, tuned, fits):
        def poisoned(data, part):
            item = np.array(data.item)
            item[part.test] = 0
            return replace(data, item=item)

        assert plain(tuned("one")[0]) == plain(tuned("two", changed=poisoned)[0])

    def test_no_trial_is_given_a_test_row(self, tuned, fits):
        data, part = skewed()
        tuned(place=(data, part))
        for folder in set(fits.folds):
            given = Fold.load(folder)
            rows = np.concatenate([given.train, given.validation, given.test, given.history])
            assert not np.isin(rows, part.test).any()
            assert given.test.tolist() == part.validation.tolist()

    def test_validation_rows_do_change_it(self, tuned, fits):
        def poisoned(data, part):
            item = np.array(data.item)
            item[part.validation] = 0
            return replace(data, item=item)

        assert plain(tuned("one")[0]) != plain(tuned("two", changed=poisoned)[0])

    def test_a_validation_part_that_counts_nobody(self, tuned, fits):
        data, _ = world(4)
        stranger = Fold.of(len(data), test=np.arange(6, 12), validation=np.arange(6))
        with pytest.raises(InputError, match="with test positives is in training") as caught:
            tuned(place=(data, stranger))
        assert caught.value.place == "split.validation"


class TestAfterAKill:
    @pytest.mark.parametrize("n", [1, 4, 6])
    def test_no_trial_is_lost_or_repeated(self, tuned, fits, n):
        whole, _ = tuned("undisturbed")
        fits.clear()

        def kill(job, how):
            if len(fits) == n:
                how["end"]()
                raise Stopped

        fits.breaks = kill
        with pytest.raises(Stopped):
            tuned("killed")
        assert len(fits) == n
        fits.breaks = lambda job, how: None
        assert plain(tuned("killed")[0]) == plain(whole)
        assert len(fits) == len(set(fits)) == 9

    def test_between_the_fit_and_its_outcome(self, tuned, fits, monkeypatch):
        whole, _ = tuned("undisturbed", model="climber")
        fits.clear()
        value_on, scored = tuner.value_on, []

        def kill(*arguments):
            scored.append(arguments)
            if len(scored) == 3:
                raise KeyboardInterrupt
            return value_on(*arguments)

        monkeypatch.setattr(tuner, "value_on", kill)
        with pytest.raises(KeyboardInterrupt):
            tuned("killed", model="climber")
        assert plain(tuned("killed", model="climber")[0]) == plain(whole)
        assert len(fits) == len(set(fits)) == whole.count("done")

    def test_a_failed_trial_is_tried_again(self, tuned, fits):
        """Its outcome is not kept: it may have been the machine."""
        failed = []

        def fail(job, how):
            if not failed and job.settings["tilt"] != -0.5:
                failed.append(job.settings["tilt"])
                raise RunError("tilted", "no memory")

        fits.breaks = fail
        found, _ = tuned()
        assert (found.count("failed"), found.count("done")) == (1, 8)
        broken = next(trial for trial in found.trials if trial.state == "failed")
        assert (broken.settings["tilt"], broken.message, broken.value) == (*failed, "tilted: no memory", None)
        fits.breaks = lambda job, how: None
        again, _ = tuned(budget={"trials": 9, "seconds": 700})
        assert (again.count("failed"), again.count("done")) == (0, 9)


class TestPruning:
    def test_trials_that_fall_behind(self, tuned, fits):
        recorder = Trials()
        found, run = tuned(model="climber", budget={"trials": 24}, recorder=recorder)
        pruned = [trial for trial in found.trials if trial.state == "pruned"]
        assert pruned
        assert all((trial.value, len(trial.curve) < 6) == (None, True) for trial in pruned)
        assert not {trial.settings["tilt"] for trial in pruned} & set(fits)
        assert recorder.told["climber", "climber", pruned[0].number][0] == "pruned"
        assert found.after == max(trial.value for trial in found.trials if trial.value is not None)
        assert not list(run.settings.checkpoints.iterdir())

    def test_the_same_again(self, tuned, fits):
        one = tuned("one", model="climber", budget={"trials": 24})[0]
        assert plain(one) == plain(tuned("two", model="climber", budget={"trials": 24})[0])

    def test_a_fit_that_is_there_already_is_judged_as_well(self, tuned, fits, monkeypatch):
        """The outcomes are lost, and whole fits are there of what would have been pruned."""
        budget = {"trials": 24}
        expected, _ = tuned("one", model="climber", budget=budget)
        with monkeypatch.context() as patched:
            patched.setattr(tuner.Trial, "behind", lambda *about: False)
            whole, run = tuned("two", model="climber", budget=budget)
        assert whole.count("pruned") == 0
        for stage in ("trial", "tuned"):
            shutil.rmtree(run.settings.store / stage)
        assert plain(tuned("two", model="climber", budget=budget)[0]) == plain(expected)


class TestBudget:
    @pytest.fixture
    def clock(self, fits, monkeypatch):
        """Every fit takes ten seconds, and looks at the end whether it was to end before."""
        clock = Clock()
        monkeypatch.setattr(tuner, "time", clock)

        def wait(job, how):
            clock.now += 10
            if how["stop"]:
                raise Stopped

        fits.breaks = wait
        return clock

    def test_trials_end_with_the_seconds(self, tuned, fits, clock):
        found, _ = tuned(budget={"trials": 20, "seconds": 65})
        assert clock.now == 70
        assert (found.count("done"), found.count("unfinished")) == (6, 1)
        assert found.seconds == 70

    def test_the_first_trial_runs_whole(self, tuned, fits, clock):
        found, _ = tuned(budget={"trials": 20, "seconds": 1})
        assert found.trials[0].state == "done"
        assert found.settings == {"tilt": -0.5}

    def test_seconds_of_finished_trials_count_after_a_kill(self, tuned, fits, clock):
        wait = fits.breaks

        def kill(job, how):
            if len(fits) == 3:
                how["end"]()
                raise Stopped
            wait(job, how)

        fits.breaks = kill
        with pytest.raises(Stopped):
            tuned(budget={"trials": 20, "seconds": 65})
        fits.breaks = wait
        found, _ = tuned(budget={"trials": 20, "seconds": 65})
        assert (found.count("done"), found.seconds) == (6, 70)

    def test_more_seconds_finish_what_was_unfinished(self, tuned, fits, clock):
        tuned(budget={"trials": 20, "seconds": 65})
        found, _ = tuned(budget={"trials": 20, "seconds": 500})
        assert (found.count("done"), found.count("unfinished"), len(fits)) == (20, 0, 20)


class TestBadModels:
    def test_one_that_fails_with_the_settings_of_the_spec(self, tuned, fits):
        def fail(job, how):
            raise RunError("tilted", "no memory")

        fits.breaks = fail
        with pytest.raises(RunError, match="no memory"):
            tuned()
