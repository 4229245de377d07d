"""Which settings are tried: the same for the same seed, those of the spec first, none twice, behind ones given up."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import pytest
from made import spec
from pydantic import PositiveFloat, PositiveInt

from recsys.experiment.search import BATCH, WARM_UP, Search, search
from recsys.experiment.trials import Outcome, Tuned, trial_spec, tunable, tuned_spec, tuned_text
from recsys.models.base import ModelConfig
from recsys.models.ease import Ease
from recsys.models.item_knn import ItemKnn
from recsys.models.popularity import Popularity
from recsys.models.registry import installed, model_class
from recsys.models.space import Between, OneOf, space_of


class Made(ModelConfig):
    """Best at rate 0.1, size 64 and kind b; told in no hurry."""

    name: Literal["made"] = "made"
    rate: Annotated[PositiveFloat, Between(0.001, 10.0, log=True)] = 1.0
    size: Annotated[PositiveInt, Between(8, 256, log=True)] = 32
    kind: Annotated[Literal["a", "b"], OneOf("a", "b")] = "a"
    fixed: int = 3


class Narrow(ModelConfig):
    """Three possible settings."""

    name: Literal["narrow"] = "narrow"
    size: Annotated[PositiveInt, Between(1, 3)] = 2


def goodness(settings):
    from math import log10

    distance = abs(log10(settings["rate"]) + 1) + abs(log10(settings["size"] / 64))
    return 1 / (1 + distance) + (settings["kind"] == "b")


def scored(batch):
    return [Outcome(state="done", seconds=1.0, value=goodness(trial.settings)) for trial in batch]


def tried(trials=20, seed=1, model=None, work=scored, column="ndcg@10", spent=lambda: False):
    model = model or Made()
    return search(model, space_of(type(model)), column, seed, trials, spent, work)


class TestSpaces:
    def test_every_default_lies_in_its_space(self):
        for name in installed():
            kind = model_class(name).Config
            for setting, space in space_of(kind).items():
                assert getattr(kind(name=name), setting) in space, f"{name}.{setting}"

    def test_what_has_nothing_to_tune(self):
        bare = {name for name in installed() if not space_of(model_class(name).Config)}
        assert bare == {"random", "popularity", "external"}

    def test_settings_about_time_are_searched_where_the_test_is_later(self):
        ease = model_class("ease").Config
        assert set(space_of(ease)) - set(space_of(ease, in_time=False)) == {
            "half_life_days",
            "recency",
            "recency_half_life_days",
        }
        assert space_of(ease, in_time=False)

    def test_numbers_and_choices(self):
        assert 5 in Between(5, 10)
        assert 10.5 not in Between(5.0, 10.0)
        assert "x" not in Between(5.0, 10.0)
        assert (Between(5, 10).whole, Between(5.0, 10.0).whole) == (True, False)
        assert OneOf("a", "b").choices == ("a", "b")
        assert "c" not in OneOf("a", "b")


class TestSearch:
    def test_the_settings_of_the_spec_come_first(self):
        first = tried(1, model=Made(rate=0.5, fixed=7))[0]
        assert (first.number, first.settings) == (0, {"rate": 0.5, "size": 32, "kind": "a"})

    def test_settings_lie_in_the_space(self):
        for record in tried(12)[1:]:
            assert 0.001 <= record.settings["rate"] <= 10
            assert isinstance(record.settings["size"], int)
            assert 8 <= record.settings["size"] <= 256
            assert record.settings["kind"] in ("a", "b")

    def test_the_same_seed_the_same_trials(self):
        assert tried() == tried()
        assert [record.settings for record in tried()] != [record.settings for record in tried(seed=2)]

    def test_it_learns_what_is_good(self):
        records = tried(40)
        best = Tuned.of(Made(), "ndcg@10", records)
        assert best.after > 1.7 > best.before
        assert best.settings["kind"] == "b"
        late = [record.value for record in records[-10:]]
        assert sum(late) / 10 > sum(record.value for record in records[1:11]) / 10

    def test_less_is_better_for_an_error(self):
        records = tried(8, column="rmse")
        best = Tuned.of(Made(), "rmse", records)
        assert best.after == min(record.value for record in records)

    def test_going_on_asks_what_was_asked(self):
        """Outcomes that are known already lead to the same trials; more trials begin with those of fewer."""
        kept = {record.number: record for record in tried(20)}
        again = []

        def replay(batch):
            again.extend(trial.number for trial in batch)
            return [Outcome.model_validate(kept[t.number].model_dump(include=set(Outcome.model_fields))) for t in batch]

        assert tried(work=replay) == list(kept.values())
        assert again == list(kept)
        assert tried(12) == tried(20)[:12]

    def test_batches_do_not_depend_on_the_machine(self):
        sizes = []

        def work(batch):
            sizes.append(len(batch))
            return scored(batch)

        tried(10, work=work)
        assert sizes == [BATCH, BATCH, 2]

    def test_settings_are_tried_once(self):
        """Three possible settings, ten trials: each is worked on once, and counts as often as it is drawn."""
        worked = []

        def work(batch):
            worked.extend(trial.settings["size"] for trial in batch)
            return [Outcome(state="done", seconds=2.0, value=float(trial.settings["size"])) for trial in batch]

        records = tried(10, model=Narrow(), work=work)
        assert len(records) == 10
        assert sorted(worked) == sorted(set(worked))
        assert sum(record.seconds for record in records) == 2.0 * len(worked)
        assert Tuned.of(Narrow(), "ndcg@10", records).settings == {"size": max(worked)}

    def test_nothing_begins_once_the_time_is_spent(self):
        done = []

        def work(batch):
            done.extend(batch)
            return scored(batch)

        assert len(tried(20, work=work, spent=lambda: len(done) >= 8)) == 8

    def test_a_trial_without_time_ends_the_search(self):
        def work(batch):
            return [None if trial.number == 2 else outcome for trial, outcome in zip(batch, scored(batch), strict=True)]

        assert [record.number for record in tried(20, work=work)] == [0, 1, 3]

    def test_a_failed_trial_is_one_of_them(self):
        def work(batch):
            failed = Outcome(state="failed", seconds=1.0, message="broke")
            return [failed if trial.number % 2 else scored([trial])[0] for trial in batch]

        records = tried(9, work=work)
        found = Tuned.of(Made(), "ndcg@10", records)
        assert (found.count("failed"), found.best % 2) == (4, 0)

    @pytest.mark.parametrize("rate", [1e-6, 50.0])
    def test_settings_of_the_spec_beyond_the_space(self, rate):
        records = tried(8, model=Made(rate=rate))
        assert records[0].settings["rate"] == rate
        assert len(records) == 8


class TestPruning:
    def grown(self, value, epochs=6):
        return tuple((epoch, value * epoch / epochs) for epoch in range(1, epochs + 1))

    def begun(self, sign=1, column="ndcg@10"):
        """A search that knows a batch of trials that came to 0.8 and more; for an error: to 0.8 and less."""
        found = Search(Made(), space_of(Made), column, seed=1)
        for number, trial in enumerate(found.ask(BATCH)):
            value = 0.8 + sign * 0.01 * number
            found.tell(trial, Outcome(state="done", seconds=1.0, value=value, curve=self.grown(value)))
        return found

    def judged(self, trial, value):
        """The epoch after which it is given up, or None."""
        return next((epoch for epoch, each in self.grown(value) if trial.behind(epoch, each)), None)

    def test_the_settings_of_the_spec_are_never_given_up(self):
        found = Search(Made(), space_of(Made), "ndcg@10", 1)
        first, *others = found.ask(BATCH + 1)
        for trial in others:
            found.tell(trial, Outcome(state="done", seconds=1.0, value=0.9, curve=self.grown(0.9)))
        assert first.number == 0
        assert self.judged(first, 0.0) is None

    def test_one_that_is_behind_is_given_up_after_the_warm_up(self):
        trial = self.begun().ask(1)[0]
        assert self.judged(trial, 0.1) == WARM_UP

    def test_one_that_is_ahead_is_not(self):
        trial = self.begun().ask(1)[0]
        assert self.judged(trial, 0.9) is None

    def test_for_an_error_more_is_behind(self):
        assert self.judged(self.begun(-1, "rmse").ask(1)[0], 3.0) == WARM_UP
        assert self.judged(self.begun(-1, "rmse").ask(1)[0], 0.1) is None

    def test_trials_beside_it_change_nothing(self):
        """What a trial of the same batch has told so far is not looked at: it depends on which is faster."""
        alone, crowd = self.begun().ask(3)[0], self.begun().ask(3)
        for epoch, value in self.grown(5.0):
            crowd[1].behind(epoch, value)
            crowd[2].behind(epoch, value)
        assert self.judged(alone, 0.82) is None
        assert self.judged(crowd[0], 0.82) is None

    def test_an_epoch_that_is_told_again(self):
        trial = self.begun().ask(1)[0]
        assert [trial.behind(3, 0.5), trial.behind(3, 0.0), trial.behind(4, 0.55)] == [False, False, False]

    def test_a_pruned_trial_leads_to_the_same_next_ones(self):
        """Whether it was watched live, or its outcome was kept."""
        live, kept = self.begun(), self.begun()
        one, other = live.ask(1)[0], kept.ask(1)[0]
        curve = self.grown(0.1)[:WARM_UP]
        assert [one.behind(*each) for each in curve][-1]
        for found, trial in ((live, one), (kept, other)):
            found.tell(trial, Outcome(state="pruned", seconds=1.0, curve=curve))
        for _ in range(2):
            pairs = list(zip(live.ask(4), kept.ask(4), strict=True))
            assert [a.settings for a, _ in pairs] == [b.settings for _, b in pairs]
            assert [a.history for a, _ in pairs] == [b.history for _, b in pairs]
            for a, b in pairs:
                live.tell(a, scored([a])[0])
                kept.tell(b, scored([b])[0])


class TestHistory:
    def test_says_what_was_known(self):
        histories = []

        def work(batch):
            histories.append({trial.history for trial in batch})
            return scored(batch)

        tried(12, work=work)
        assert all(len(each) == 1 for each in histories)
        assert all(one != other for one, other in pairwise(histories))

    def test_seconds_do_not_count(self):
        def slow(batch):
            return [outcome.model_copy(update={"seconds": 9.0}) for outcome in scored(batch)]

        assert [r.settings for r in tried(work=slow)] == [r.settings for r in tried()]


class TestWhatIsFound:
    records = [
        {"number": 0, "state": "done", "seconds": 1.0, "value": 0.2, "settings": {"regularization": 500.0}},
        {"number": 1, "state": "pruned", "seconds": 0.5, "settings": {"regularization": 10.0}},
        {"number": 2, "state": "done", "seconds": 2.0, "value": 0.3, "settings": {"regularization": 90.0}},
        {"number": 3, "state": "done", "seconds": 2.0, "value": 0.3, "settings": {"regularization": 80.0}},
    ]

    @pytest.fixture
    def tuned(self):
        given = {"label": "ease", "metric": "ndcg@10", "trials": self.records}
        return Tuned.of(Ease.Config(), "ndcg@10", Tuned.model_validate(given).trials)

    def test_the_first_of_the_best(self, tuned):
        assert (tuned.best, tuned.settings, tuned.before, tuned.after) == (2, {"regularization": 90.0}, 0.2, 0.3)
        assert (tuned.seconds, tuned.count("pruned")) == (5.5, 1)
        assert tuned.changes(Ease.Config()) == {"regularization": (500.0, 90.0)}

    def test_is_kept(self, tuned, tmp_path):
        tuned.save(tmp_path)
        assert Tuned.load(tmp_path) == tuned

    def test_epochs_that_were_chosen_are_settings(self):
        record = {**self.records[0], "epochs": 7, "settings": {"learning_rate": 0.1}}
        trials = Tuned.model_validate({"label": "x", "metric": "ndcg@10", "trials": [record]}).trials
        two_tower = model_class("two-tower").Config()
        found = Tuned.of(two_tower, "ndcg@10", trials)
        assert found.settings == {"learning_rate": 0.1, "epochs": 7}
        assert found.apply(two_tower).epochs == 7
        assert found.changes(two_tower) == {"epochs": (50, 7)}

    def test_nothing_to_tune(self):
        popularity = Popularity.Config(label="base")
        nothing = Tuned(label="base", metric="ndcg@10")
        assert (nothing.before, nothing.after, nothing.apply(popularity)) == (None, None, popularity)

    def test_who_can_be_tuned(self):
        everything = spec(models=["mf", "ease", "popularity"])
        assert [tunable(everything, model) for model in everything.models] == [True, True, False]
        errors = spec(models=["mf", "ease"], evaluation={"metrics": ["rmse"], "primary": "rmse"})
        assert [tunable(errors, model) for model in errors.models] == [True, False]

    def test_the_tuned_spec(self, tuned, tmp_path):
        experiment = spec(models=["popularity", {"name": "ease"}], tuning={"trials": 4})
        text = tuned_text(experiment, {"ease": tuned}, "conf/made.yaml")
        assert text.splitlines()[:2] == [
            "# Made by `recsys tune` from conf/made.yaml: 4 trials, ndcg@10 on the validation part.",
            "#   ease: 0.2000 -> 0.3000",
        ]
        (tmp_path / "tuned.yaml").write_text(text)
        again = type(experiment).load(tmp_path / "tuned.yaml")
        assert again == tuned_spec(experiment, [tuned])
        assert (again.tuning, again.models[1].regularization, again.data) == (None, 90.0, experiment.data)


class TestTrialSpec:
    def test_the_primary_metric_on_train_alone(self, tmp_path):
        given = {"metrics": ["ndcg", "recall", "coverage"], "k": [5, 20], "primary": "recall@20"}
        found = trial_spec(spec(evaluation={**given, "candidates": "pairs.csv"}))
        assert (found.evaluation.columns, found.refit, found.evaluation.candidates) == (("recall@20",), False, "train")
        assert trial_spec(spec(evaluation={**given, "candidates": "catalogue"})).evaluation.candidates == "catalogue"

    def test_an_error_of_values(self):
        found = trial_spec(spec(models=["mf"], evaluation={"metrics": ["ndcg", "rmse"], "primary": "rmse"}))
        assert found.evaluation.columns == ("rmse",)

    def test_a_setting_of_the_family_is_kept(self):
        found = Tuned(label="x", metric="ndcg@10", settings={"neighbors": 9}, best=0)
        assert found.apply(ItemKnn.Config(shrinkage=1.0)) == ItemKnn.Config(shrinkage=1.0, neighbors=9)
