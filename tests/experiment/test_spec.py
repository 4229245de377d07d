"""The experiment as a value: defaults, overrides, paths, what its parts say together, and the round trip."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from made import spec
from pydantic import ValidationError

from recsys.data.config import Predefined, SyntheticData, TableData
from recsys.errors import InputError
from recsys.experiment.spec import Evaluation, Experiment
from recsys.models.ease import Ease
from recsys.models.registry import model_class
from recsys.splits.config import RandomSplit

ROOT = Path(__file__).resolve().parents[2]
SPECS = sorted((ROOT / "conf").rglob("*.yaml"))

SPLITS = [
    {"kind": "random", "test": 0.3, "seed": 7},
    {"kind": "leave-one-out", "order": "random", "validation": 0.5},
    {"kind": "temporal", "validation": 0},
    {"kind": "user-temporal"},
    {"kind": "k-fold", "folds": 3},
    {"kind": "cold-users", "history": 0.5},
    {"kind": "rolling", "window": "2w", "folds": 2},
    {"kind": "predefined", "test": "test.csv", "validation": "validation.csv"},
    {"kind": "predefined", "test": "test.csv", "validation": 0.1},
]
TABLE = {
    "source": "table",
    "interactions": "events.csv",
    "items": "items.csv",
    "columns": {"user": "who", "item": "what"},
}


CONF = Path("conf/x.yaml")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder, with a folder `conf` in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    return tmp_path


def write(path, **document):
    path.write_text(yaml.safe_dump({"name": "x", "data": {"source": "synthetic"}, "models": ["ease"], **document}))
    return path


class TestDefaults:
    def test_name_and_data_and_models_are_enough(self):
        found = spec()
        assert found.split == RandomSplit(test=0.2, validation=0.1, seed=42)
        assert found.evaluation.metrics == (
            *("ndcg", "recall", "precision", "map", "mrr", "hit_rate", "coverage", "novelty"),
        )
        assert (found.evaluation.k, found.evaluation.primary) == ((5, 10, 50), "ndcg@10")
        assert (found.evaluation.exclude_seen, found.evaluation.users, found.evaluation.candidates) == (
            *(True, None, "train"),
        )
        assert (found.seeds, found.refit, found.positive, found.tuning) == ((42,), True, None, None)
        assert (found.runner.kind, found.runner.workers, found.runner.timeout, found.runner.memory) == (
            *("local", "auto", None, None),
        )

    def test_a_name_is_a_model_with_default_settings(self):
        assert spec(models=["ease"]).models == (Ease.Config(),)
        assert spec(models=[{"name": "ease"}]).models == (Ease.Config(),)
        assert spec(models=[Ease.Config(regularization=3)]).models == (Ease.Config(regularization=3),)

    def test_warm_users_count_but_all_where_every_test_user_is_cold(self):
        assert spec().users == "warm"
        assert spec(split={"kind": "cold-users"}).users == "all"
        assert spec(evaluation={"users": "all"}).users == "all"

    def test_columns_are_in_the_order_of_metrics_and_lengths(self):
        columns = Evaluation(metrics=("recall", "rmse", "ndcg"), k=(10, 5, 10), primary="ndcg@5").columns
        assert columns == ("recall@5", "recall@10", "rmse", "ndcg@5", "ndcg@10")

    def test_files_of_a_predefined_split(self):
        assert spec().predefined is None
        split = {"kind": "predefined", "test": "t.csv"}
        assert spec(split=split).predefined == Predefined(test="t.csv")
        assert spec(split={**split, "validation": 0.1}).predefined == Predefined(test="t.csv")
        assert spec(split={**split, "validation": "v.csv"}).predefined == Predefined(test="t.csv", validation="v.csv")


class TestCandidates:
    def test_every_stochastic_model_with_every_seed(self):
        found = spec(models=["random", "ease", "mf"], seeds=[3, 4])
        names = [(model.name, seed) for model, seed in found.candidates()]
        assert names == [("random", 3), ("random", 4), ("ease", 3), ("mf", 3), ("mf", 4)]


class TestValue:
    @pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
    def test_the_specs_in_conf_are_frozen_and_hashable(self, path):
        found = Experiment.load(path)
        assert hash(found) == hash(Experiment.load(path))
        assert found == Experiment.load(path)
        with pytest.raises(ValidationError, match="frozen"):
            found.name = "other"

    @pytest.mark.parametrize("split", SPLITS, ids=lambda split: split["kind"])
    def test_what_is_written_resolved_reads_as_the_same(self, split):
        self.comes_back(spec(split=split))

    @pytest.mark.parametrize(
        "changes",
        [
            {"data": TABLE},
            {"data": {"source": "movielens-100k", "path": "u", "duplicates": "last", "weight": "log"}},
            {"models": ["popularity", {"name": "mf", "epochs": 3, "label": "short mf"}], "seeds": [1, 2]},
            {"positive": 4, "refit": False, "runner": {"workers": 2, "timeout": 60, "memory": 0.5}},
            {"evaluation": {"metrics": ["ndcg"], "k": [3], "primary": "ndcg@3", "users": "all", "candidates": "c.csv"}},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_the_same_for_every_section(self, changes):
        self.comes_back(spec(**changes))

    @staticmethod
    def comes_back(experiment):
        for document in (
            experiment.model_dump(mode="json", exclude_none=True),
            experiment.model_dump(mode="json"),
            experiment.model_dump(mode="json", exclude_unset=True),
        ):
            assert Experiment.parse(yaml.safe_load(yaml.safe_dump(document))) == experiment

    def test_a_null_that_is_no_default_survives(self, monkeypatch):
        class Config(Ease.Config):
            """Ease, with a setting whose null says something."""

            most: int | None = 5

        monkeypatch.setattr(Ease, "Config", Config)
        self.comes_back(spec(models=[{"name": "ease", "most": None}]))
        assert spec(models=[{"name": "ease", "most": None}]).models[0].most is None


class TestOverrides:
    def test_nothing_to_override(self):
        found = spec()
        assert found.override([]) is found
        assert found.override(()) is found

    def test_as_set_does(self, folder):
        path = write(folder / "x.yaml", models=["ease", {"name": "mf", "epochs": 9}])
        settings = ["models.1.epochs=3", "split.kind=temporal", "evaluation.k=[10]", "name=y"]
        with pytest.raises(InputError, match="kind"):  # a section that is not there has no kind
            Experiment.load(path, ["split.test=0.3"])
        for found in (Experiment.load(path, settings), Experiment.load(path).override(settings)):
            assert found == spec(
                name="y",
                models=["ease", {"name": "mf", "epochs": 3}],
                split={"kind": "temporal"},
                evaluation={"k": [10]},
            )

    @pytest.mark.parametrize("by", ["load", "override"])
    def test_a_new_kind_keeps_what_it_knows_and_takes_its_own_defaults(self, folder, by):
        document = {
            "data": {"source": "synthetic", "users": 100, "duplicates": "last"},
            "split": {"kind": "random", "test": 0.3, "seed": 7},
            "models": [{"name": "mf", "epochs": 3, "embedding_size": 8, "label": "one"}, "ease"],
        }
        path = write(folder / "x.yaml", **document)
        settings = [
            "data.source=movielens-100k",
            "split.kind=leave-one-out",
            "models.0.name=two-tower",
            "models.1.name=mf",
        ]
        found = Experiment.load(path, settings) if by == "load" else Experiment.load(path).override(settings)
        assert found == spec(
            name="x",
            data={"source": "movielens-100k", "duplicates": "last"},
            split={"kind": "leave-one-out", "seed": 7},
            models=[{"name": "two-tower", "epochs": 3, "embedding_size": 8, "label": "one"}, "mf"],
        )
        assert found.split.validation == 1.0
        assert found.models[1] == model_class("mf").Config()

    def test_a_section_made_in_python_knows_its_kind(self):
        made = Experiment(
            name="x",
            data=SyntheticData(users=100),
            split=RandomSplit(test=0.3),
            models=(Ease.Config(regularization=5),),
        )
        found = made.override(["seeds=[7]"])
        assert found == made.model_copy(update={"seeds": (7,)})
        assert made.override(["split.seed=3"]).split == RandomSplit(test=0.3, seed=3)

    @pytest.mark.parametrize(
        ("setting", "place", "message"),
        [
            ("models.0.epocs=3", "overrides: models[0].epocs", "no such key"),
            ("data.source=tabel", "overrides: data.source", "'tabel' is not known"),
            ("models.3=ease", "--set models.3=ease", "'3' is no entry of this list"),
            ("split.kind=3", "overrides: split.kind", "'3' is not known"),
        ],
    )
    def test_wrong_ones(self, setting, place, message):
        with pytest.raises(InputError) as caught:
            spec(models=["mf"], split={"kind": "random"}).override([setting])
        assert (caught.value.place, caught.value.message) == (place, message)


class TestPaths:
    @pytest.mark.parametrize(
        ("section", "key", "name"),
        [
            ("data", "interactions", "events.csv"),
            ("data", "interactions", "ev*.csv"),
            ("data", "interactions", "**.csv"),
            ("data", "items", "items.csv"),
            ("data", "users", "users.csv"),
            ("data", "sessions", "views.csv"),
            ("split", "test", "test.csv"),
            ("split", "validation", "validation.csv"),
            ("evaluation", "candidates", "pairs.csv"),
        ],
    )
    def test_a_file_beside_the_spec(self, folder, section, key, name):
        for file in ("events.csv", "items.csv", "users.csv", "views.csv", "test.csv", "validation.csv", "pairs.csv"):
            (folder / "conf" / file).touch()
        sections = {
            "data": {"source": "table", "interactions": "events.csv"},
            "split": {"kind": "predefined", "test": "test.csv"},
            "evaluation": {},
        }
        sections[section][key] = name
        found = Experiment.load(write(CONF, **sections))
        assert getattr(getattr(found, section), key) == f"conf/{name}"
        # what lies in the current folder comes first
        (folder / name.replace("*", "e")).touch()
        again = Experiment.load(CONF)
        assert getattr(getattr(again, section), key) == name

    def test_a_movielens_folder_beside_the_spec(self, folder):
        (folder / "conf" / "ml").mkdir()
        path = write(CONF, data={"source": "movielens-100k", "path": "ml"})
        assert Experiment.load(path).data.path == "conf/ml"

    @pytest.mark.parametrize("name", ["s3://bucket/events.csv", "/absolute/events.csv", "nowhere.csv", "x" * 5000])
    def test_a_path_that_is_not_beside_it_stays(self, folder, name):
        path = write(CONF, data={"source": "table", "interactions": name})
        assert Experiment.load(path).data == TableData(source="table", interactions=name)

    @pytest.mark.parametrize("name", ["train", "catalogue"])
    def test_a_file_with_the_name_of_a_choice_is_not_meant(self, folder, name):
        (folder / "conf" / name).touch()
        assert Experiment.load(write(CONF, evaluation={"candidates": name})).evaluation == Evaluation(candidates=name)

    def test_an_override_is_found_there_too(self, folder):
        (folder / "conf" / "other.csv").touch()
        path = write(CONF, data={"source": "table", "interactions": "events.csv"})
        assert Experiment.load(path, ["data.interactions=other.csv"]).data.interactions == "conf/other.csv"


class TestControls:
    def test_what_is_left_out_is_added(self):
        assert [model.row for model in spec(models=["ease"]).controls] == ["random", "popularity"]
        assert [model.row for model in spec(models=["ease", "random"]).controls] == ["popularity"]
        assert spec(models=["popularity", {"name": "random", "label": "dice"}]).controls == ()

    def test_a_label_that_is_taken(self):
        taken = [{"name": "ease", "label": "popularity"}, {"name": "mf", "label": "popularity-control"}]
        found = spec(models=taken).controls
        assert [(model.name, model.row) for model in found] == [("random", "random"), ("popularity", "popularity-2")]

    def test_compared_beside_the_candidates_and_never_asked_for(self):
        found = spec(models=["ease", "mf"], seeds=[1, 2])
        assert [model.row for model, _ in found.candidates()] == ["ease", "mf", "mf"]
        added = [("random", 1), ("random", 2), ("popularity", 1)]
        assert [(model.row, seed) for model, seed in found.compared()][3:] == added
        assert [model["name"] for model in found.document()["models"]] == ["ease", "mf"]
