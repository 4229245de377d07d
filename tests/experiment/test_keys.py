"""Keys of stages: what changes them, and what must not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from made import spec

from recsys.errors import InputError
from recsys.experiment import keys
from recsys.experiment.candidates import candidates_name
from recsys.experiment.cells import job_of
from recsys.experiment.keys import (
    comparison_code,
    dataset_key,
    evaluation_key,
    fit_key,
    run_key,
    split_key,
    tuning_key,
    versions,
)
from recsys.store import Ref, code_digest

TABLE = {"source": "table", "interactions": "events.csv"}
INPUTS = {"interactions: events.csv": "1f"}


def ref(digest="d1", stage="dataset"):
    return Ref(stage=stage, key="k", digest=digest, folder=Path("somewhere"))


def key_of_fit(experiment, *, model=0, seed=42, threads=1, dataset="d1", split="s1", fold=0, folder=Path("a")):
    job = job_of(experiment, experiment.models[model], seed, folder, folder / str(fold), threads)
    return fit_key(job, ref(dataset), ref(split, "split"), fold)


class TestDataset:
    def test_the_same_settings_and_files(self):
        assert dataset_key(spec(data=TABLE), INPUTS) == dataset_key(spec(name="other", data=TABLE), INPUTS)

    def test_the_names_of_files_do_not_matter(self):
        renamed = spec(data={**TABLE, "interactions": "elsewhere/e.csv"})
        assert dataset_key(renamed, {"interactions: e.csv": "1f"}) == dataset_key(spec(data=TABLE), INPUTS)
        moved = spec(data={"source": "movielens-100k", "path": "elsewhere"})
        found = {"u.data": "1f"}
        assert dataset_key(moved, found) == dataset_key(spec(data={"source": "movielens-100k"}), found)

    @pytest.mark.parametrize(
        "inputs",
        [
            {"interactions: events.csv": "2e"},
            {"interactions 1: events.csv": "1f", "interactions 2: more.csv": "2e"},
            {**INPUTS, "items: items.csv": "2e"},
        ],
    )
    def test_their_content_does(self, inputs):
        assert dataset_key(spec(data=TABLE), inputs) != dataset_key(spec(data=TABLE), INPUTS)

    def test_what_a_file_is_for_does(self):
        as_items = dataset_key(spec(data={**TABLE, "items": "b.csv"}), {**INPUTS, "items: b.csv": "2e"})
        as_users = dataset_key(spec(data={**TABLE, "users": "b.csv"}), {**INPUTS, "users: b.csv": "2e"})
        split = {"kind": "predefined", "test": "b.csv"}
        as_test = dataset_key(spec(data=TABLE, split=split), {**INPUTS, "test: b.csv": "2e"})
        assert len({as_items, as_users, as_test}) == 3

    @pytest.mark.parametrize("change", [{"duplicates": "last"}, {"min_user_count": 5}, {"columns": {"user": "who"}}])
    def test_settings_do(self, change):
        assert dataset_key(spec(data={**TABLE, **change}), INPUTS) != dataset_key(spec(data=TABLE), INPUTS)

    def test_the_weight_does_not(self):
        assert dataset_key(spec(data={**TABLE, "weight": "log"}), INPUTS) == dataset_key(spec(data=TABLE), INPUTS)

    @pytest.mark.parametrize("change", [{"users": 100}, {"items": 100}, {"interactions": 100}, {"seed": 1}])
    def test_the_size_and_seed_of_a_made_world_do(self, change):
        def key(**settings):
            return dataset_key(spec(data={"source": "synthetic", **settings}), {})

        assert key(**change) != key()

    def test_a_made_world_with_a_test_file_is_still_known_by_its_size(self):
        split, inputs = {"kind": "predefined", "test": "t.csv"}, {"test: t.csv": "1f"}
        small, large = (spec(data={"source": "synthetic", "users": n}, split=split) for n in (100, 200))
        assert dataset_key(small, inputs) != dataset_key(large, inputs)


class TestSplit:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"kind": "random"}, {"kind": "random", "seed": 1}),
            ({"kind": "random"}, {"kind": "random", "test": 0.3}),
            ({"kind": "temporal"}, {"kind": "user-temporal"}),
            ({"kind": "predefined", "test": "t"}, {"kind": "predefined", "test": "t", "validation": 0.1}),
            ({"kind": "predefined", "test": "t"}, {"kind": "predefined", "test": "t", "validation": "v"}),
        ],
    )
    def test_settings(self, one, other):
        assert split_key(spec(split=one), ref()) != split_key(spec(split=other), ref())

    def test_data(self):
        assert split_key(spec(), ref("d1")) != split_key(spec(), ref("d2"))

    def test_neither_models_nor_names_of_files(self):
        assert split_key(spec(), ref()) == split_key(spec(models=["mf"], seeds=[1], positive=4), ref())
        one, other = ({"kind": "predefined", "test": f"t{i}", "validation": f"v{i}"} for i in range(2))
        assert split_key(spec(split=one), ref()) == split_key(spec(split=other), ref())


class TestFit:
    @pytest.mark.parametrize(
        "change",
        [
            {"name": "other"},
            {"models": [{"name": "mf", "label": "mine"}]},
            {"models": ["popularity", "mf"]},
            {"runner": {"workers": 1, "timeout": 5, "memory": 2}},
            {"runner": {"kind": "ray", "device": "cpu", "processes": 1}},
            {"evaluation": {"metrics": ["ndcg", "recall"]}},
            {"evaluation": {"users": "all"}},
            {"seeds": [42, 43]},
            {"data": {"source": "synthetic", "users": 100}},  # the digest of the data set says so
        ],
        ids=str,
    )
    def test_what_makes_no_difference(self, change):
        base, other = spec(models=["mf"]), spec(**{"models": ["mf"], **change})
        assert key_of_fit(other, model=len(other.models) - 1) == key_of_fit(base)

    @pytest.mark.parametrize("runner", [{"kind": "ray", "processes": 2}, {"device": "auto"}], ids=str)
    def test_who_trains_a_network_and_where(self, runner):
        """For a model that is trained so; and for a run of any."""
        mf, ease = ({"models": [name]} for name in ("mf", "ease"))
        assert key_of_fit(spec(runner=runner, **mf)) != key_of_fit(spec(**mf))
        assert key_of_fit(spec(runner=runner, **ease)) == key_of_fit(spec(**ease))
        assert run_key(spec(runner=runner), {}, 1) != run_key(spec(), {}, 1)
        assert tuning_key(spec(runner=runner), {}, 1) != tuning_key(spec(), {}, 1)

    def test_one_process_is_asked_what_it_always_was(self):
        """What is stored stays found: what is new stands in no key where it is as it always was."""
        experiment = spec(models=["mf"])
        question = job_of(experiment, experiment.models[0], 42, Path("a"), Path("a/0"), 1).question()
        assert set(question) == {
            *("settings", "seed", "positive", "weight", "refit", "primary", "length", "exclude_seen", "candidates"),
            *("predict", "threads", "device"),
        }

    def test_neither_order_nor_folders(self):
        one = spec(models=[{"name": "mf", "epochs": 3, "embedding_size": 8}])
        other = spec(models=[{"embedding_size": 8, "epochs": 3, "name": "mf"}])
        assert key_of_fit(one, folder=Path("a")) == key_of_fit(other, folder=Path("b"))

    def test_a_shuffled_document_gives_every_key_again(self):
        document = spec(models=["mf"], data=TABLE, split={"kind": "temporal"}).model_dump(mode="json")
        items = list(document.items())
        random.Random(1).shuffle(items)
        shuffled = spec(**dict(items))
        assert list(dict(items)) != list(document)
        assert key_of_fit(shuffled) == key_of_fit(spec(**document))
        assert run_key(shuffled, INPUTS, 1) == run_key(spec(**document), INPUTS, 1)

    @pytest.mark.parametrize(
        "change",
        [
            {"models": [{"name": "mf", "epochs": 3}]},
            {"models": ["two-tower"]},
            {"positive": 4},
            {"refit": False},
            {"data": {"source": "synthetic", "weight": "value"}},
            {"evaluation": {"k": [5, 20], "primary": "ndcg@5"}},
            {"evaluation": {"exclude_seen": False}},
            {"evaluation": {"candidates": "catalogue"}},
            {"evaluation": {"primary": "recall@10"}},
            {"evaluation": {"metrics": ["ndcg", "rmse"]}},
        ],
        ids=str,
    )
    def test_what_makes_one(self, change):
        assert key_of_fit(spec(**{"models": ["mf"], **change})) != key_of_fit(spec(models=["mf"]))

    def test_data_split_fold_and_threads_do(self):
        base = spec(models=["mf"])
        changed = [{}, {"dataset": "d2"}, {"split": "s2"}, {"fold": 1}, {"threads": 2}]
        assert len({key_of_fit(base, **change) for change in changed}) == len(changed)

    def test_the_seed_of_a_model_without_randomness_does_not(self):
        for name, matters in (("mf", True), ("random", True), ("ease", False), ("popularity", False)):
            one, other = (key_of_fit(spec(models=[name]), seed=seed) for seed in (1, 2))
            assert (one != other) == matters

    def test_a_primary_or_rmse_is_nothing_to_a_model_that_does_not_look_at_it(self):
        base = spec(models=["ease"])
        for evaluation in ({"primary": "recall@10"}, {"metrics": ["ndcg", "rmse"]}):
            assert key_of_fit(spec(models=["ease"], evaluation=evaluation)) == key_of_fit(base)

    def test_versions_do(self, monkeypatch):
        before = key_of_fit(spec())
        monkeypatch.setattr(keys, "versions", lambda: {**versions(), "numpy": "0.0"})
        assert key_of_fit(spec()) != before

    def test_candidates_by_their_content(self, tmp_path):
        files = [tmp_path / name for name in ("a.csv", "b.csv")]
        for file in files:
            file.write_text("user,item\n1,2\n")
        one, other = (spec(evaluation={"candidates": str(file)}) for file in files)
        assert key_of_fit(one) == key_of_fit(other)
        before = key_of_fit(one), run_key(one, {}, 1)
        files[0].write_text("user,item\n1,3\n")
        assert key_of_fit(one) != before[0]
        assert run_key(one, {}, 1) != before[1]


class TestEvaluation:
    @pytest.mark.parametrize(
        "change",
        [
            {"positive": 4},
            {"refit": False},
            {"evaluation": {"users": "all"}},
            {"evaluation": {"candidates": "catalogue"}},
            {"evaluation": {"metrics": ["ndcg"]}},
            {"evaluation": {"k": [10]}},
        ],
        ids=str,
    )
    def test_what_makes_a_difference(self, change):
        assert evaluation_key(spec(**change), ref(), ref(), 0) != evaluation_key(spec(), ref(), ref(), 0)

    def test_fit_split_and_fold_do(self):
        calls = [(ref(), ref("s1"), 0), (ref("f2"), ref("s1"), 0), (ref(), ref("s2"), 0), (ref(), ref("s1"), 1)]
        assert len({evaluation_key(spec(), *call) for call in calls}) == len(calls)

    def test_neither_models_nor_seeds_nor_the_primary(self):
        other = spec(models=["mf"], seeds=[1], evaluation={"primary": "recall@10"})
        assert evaluation_key(other, ref(), ref(), 0) == evaluation_key(spec(), ref(), ref(), 0)


class TestRun:
    @pytest.mark.parametrize(
        "change",
        [
            {"name": "other"},
            {"models": [{"name": "popularity", "label": "mine"}]},
            {"models": ["mf"]},
            {"seeds": [1]},
            {"evaluation": {"primary": "recall@10"}},
        ],
        ids=str,
    )
    def test_all_that_shows_in_the_result(self, change):
        assert run_key(spec(**change), {}, 1) != run_key(spec(), {}, 1)

    def test_inputs_and_threads_do(self):
        calls = [({}, 1), ({}, 2), (INPUTS, 1), ({"items: events.csv": "1f"}, 1)]
        assert len({run_key(spec(), *call) for call in calls}) == len(calls)

    def test_limits_do_not(self):
        assert run_key(spec(runner={"timeout": 9, "workers": 1}), {}, 1) == run_key(spec(), {}, 1)

    def test_a_missing_candidates_file(self):
        with pytest.raises(InputError, match=r"evaluation.candidates: there is no file pairs.csv; name a table"):
            run_key(spec(evaluation={"candidates": "pairs.csv"}), {}, 1)


class TestCode:
    """The code of a comparison is all that can change its numbers or its page."""

    @pytest.mark.parametrize(
        "module",
        [
            "recsys.data.build",
            "recsys.splits.temporal",
            "recsys.splits.leaks",
            "recsys.metrics.ndcg",
            "recsys.retrieval.topk",
            "recsys.comparison.bootstrap",
            "recsys.comparison.evaluation",
            "recsys.report.board",
            "recsys.models.mf",
        ],
    )
    def test_is_complete(self, module, monkeypatch):
        started = comparison_code(spec(models=["mf"]))
        assert module in closure(started, monkeypatch)

    def test_leaves_other_models_out(self, monkeypatch):
        assert "recsys.models.two_tower" not in closure(comparison_code(spec(models=["mf"])), monkeypatch)

    def test_the_page_is_part_of_it(self, monkeypatch):
        assert {"page.html", "page.css", "page.js"} <= set(closure(comparison_code(spec()), monkeypatch))


def closure(modules, monkeypatch):
    """The modules whose source goes into the code digest of these."""
    from recsys.store import keys as store_keys

    seen = []
    monkeypatch.setattr(store_keys, "digest", lambda found: seen.extend(found) or "x")
    code_digest.__wrapped__(*modules)
    return seen


def test_versions_name_what_numbers_depend_on(monkeypatch):
    found = versions()
    assert {"python", "numpy", "torch", "rectools-lightfm"} <= set(found)
    assert "absent" not in found.values()
    monkeypatch.setattr(keys, "LIBRARIES", ("no-such-library",))
    assert versions.__wrapped__()["no-such-library"] == "absent"


@pytest.mark.parametrize("name", ["train", "catalogue"])
def test_candidates_that_are_no_file(name):
    assert candidates_name(name) == name
