"""A closer look at small worlds whose lists are known: segments, agreement, single users and their reasons."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from made import cells, dataset, fold, spec, world

from recsys.comparison.assemble import assemble
from recsys.comparison.closer import closer_look

EVALUATION = {"metrics": ["ndcg", "recall"], "k": [3], "primary": "ndcg@3"}
WANTED = [f"{user} {item}" for user in range(1000, 1060) for item in range(50, 54)]
MODELS = [
    {"name": "oracle", "wanted": WANTED},
    "constant",
    {"name": "constant", "label": "twin"},
    {"name": "ease", "regularization": 1.0},
]


@pytest.fixture
def look(tmp_path, models):
    """Compares models on a data set and returns the closer look, and the folder of the comparison."""

    def do(data, parts, chosen=MODELS, name="one", evaluation=EVALUATION, failures=None, **changes):
        experiment = spec(models=chosen, evaluation=evaluation, **changes)
        found = cells(tmp_path / name, experiment, data, parts)
        folder = tmp_path / f"{name} out"
        folder.mkdir()
        assemble(folder, experiment, data, found, failures or {}, {"run_key": "k"})
        places = {number: tmp_path / name / f"part {number}" for number in range(len(parts))}
        folds = {number: place / "fold" for number, place in places.items()}
        fits = {cell.label: cell.fit for cell in reversed(found) if cell.fold == 0}
        closer_look(folder, experiment, places[0] / "dataset", folds, fits)
        return json.loads((folder / "closer.json").read_text()), folder

    return do


def segments(found, kind):
    (own,) = [each for each in found["segments"] if each["kind"] == kind]
    return {each["name"]: each for each in own["segments"]}


class TestSegments:
    def test_a_segment_of_everybody_is_the_leaderboard(self, look):
        found, folder = look(*_with_parts(world()))
        board = pd.read_csv(folder / "leaderboard.csv").set_index("model")
        own = segments(found, "activity")
        assert {name: each["users"] for name, each in own.items()} == {"new": 60}
        for label, (value, low, high) in own["new"]["values"].items():
            assert value == pytest.approx(board.loc[label, "ndcg@3"])
            assert low == pytest.approx(board.loc[label, "ndcg@3_low"], abs=0.01)
            assert high == pytest.approx(board.loc[label, "ndcg@3_high"], abs=0.01)

    def test_segments_of_activity_part_the_users(self, look):
        """Users with 12 and with 30 training rows; the first 40 wanted what `constant` lists first."""
        n_rows = [13 if user < 40 else 31 for user in range(45)]
        first = [0 if user < 40 else 35 for user in range(45)]
        rows = [(user, (first[user] + place) % 40) for user in range(45) for place in range(n_rows[user])]
        ends = np.cumsum([0, *n_rows])[:-1]
        found, _ = look(dataset(rows), [fold(dataset(rows), test=ends)], chosen=["constant", "popularity"])
        own = segments(found, "activity")
        assert {name: each["users"] for name, each in own.items()} == {"casual": 40, "regular": 5}
        assert own["casual"]["values"]["constant"] == [1, 1, 1]
        assert own["regular"]["values"]["constant"][1:] == [None, None]

    def test_recall_of_items_by_popularity(self, look):
        """Each user wants one item: the recall of a segment is the share of its users with a hit on theirs."""
        data, part = world()
        found, folder = look(data, [part])
        lists = pd.read_parquet(folder / "recommendations.parquet")
        own = segments(found, "popularity of items")
        assert {"head", "middle", "tail"} == set(own)
        assert sum(each["users"] for each in own.values()) == 60
        for label in ("oracle", "constant", "ease"):
            listed = lists[(lists["model"] == label) & (lists["rank"] <= 3)]
            pairs = set(zip(listed["user"], listed["item"], strict=True))
            wanted = zip(data.users.ids[data.user[part.test]], data.items.ids[data.item[part.test]], strict=True)
            hits = sum(pair in pairs for pair in wanted)
            assert sum(each["values"][label][0] * each["users"] for each in own.values()) == pytest.approx(hits)

    def test_genres(self, look):
        data, part = world()
        data.items.features["genres"] = ["a|b"] * 6 + ["b"] * 6
        data.items.kinds["genres"] = "labels"
        own = segments(look(data, [part])[0], "genre")
        assert list(own) == ["b", "a"]
        assert own["b"]["users"] == 60 > own["a"]["users"]

    def test_age_of_accounts(self, look):
        """Half of the users came 400 days before the newest row of training, half on its day."""
        rows = [(user, item) for user in range(60) for item in range(4)]
        times = [item if user < 30 else 400 for user, item in rows]
        data = dataset(rows, timestamps=times)
        own = segments(
            look(data, [fold(data, test=range(3, 240, 4))], chosen=["constant", "popularity"])[0], "age of account"
        )
        assert {name: each["users"] for name, each in own.items()} == {"first week": 30, "older": 30}

    def test_no_age_without_a_clock(self, look):
        data = dataset([(user, item) for user in range(9) for item in range(4)])
        found, _ = look(data, [fold(data, test=range(3, 36, 4))], chosen=["constant", "popularity"])
        assert "age of account" not in [each["kind"] for each in found["segments"]]

    def test_users_unknown_in_training(self, look):
        """Items 0 and 1 are all there is to list: the cold user wants the first, and one that nobody had."""
        data = dataset([(1, 10), (1, 11), (2, 10), (2, 11), (3, 10), (3, 12)])
        found, _ = look(data, [fold(data, test=[3, 4, 5])], chosen=["constant", "popularity"])
        own = segments(found, "activity")
        assert {name: each["users"] for name, each in own.items()} == {"cold": 1, "new": 1}
        assert own["cold"]["values"]["constant"][0] == pytest.approx(1 / (1 + 1 / np.log2(3)))
        assert segments(found, "popularity of items").keys() == {"tail"}, "only users who count"

    def test_errors_of_values(self, look):
        found, folder = look(
            *_with_parts(world()),
            chosen=["popularity", "watcher"],
            evaluation={"metrics": ["rmse", "ndcg"], "k": [3], "primary": "rmse"},
        )
        values = segments(found, "activity")["new"]["values"]
        board = pd.read_csv(folder / "leaderboard.csv").set_index("model")
        assert values.keys() == {"watcher"}
        assert values["watcher"][0] == pytest.approx(board.loc["watcher", "rmse"])


class TestAgreement:
    def test_of_twins_and_of_others(self, look):
        data, part = world()
        found = look(data, [part])[0]["agreement"]
        pairs = {frozenset((each["model"], each["other"])): each["values"] for each in found["pairs"]}
        assert len(pairs) == 6
        assert found["segments"] == {"all": 60, "new": 60}
        assert pairs[frozenset(("constant", "twin"))]["all"] == pytest.approx([3, 1, 1])
        for values in pairs.values():
            assert values["all"] == pytest.approx(values["new"])
        assert pairs[frozenset(("oracle", "ease"))]["all"][2] < 1

    def test_users_of_every_fold_count(self, look):
        data, part = world(n_users=8)
        other = fold(data, test=range(0, len(data), 6), validation=range(1, len(data), 6))
        assert look(data, [part, other])[0]["agreement"]["segments"]["all"] == 16


class TestUsers:
    def test_what_is_shown_of_a_user(self, look):
        data, part = world()
        found, folder = look(data, [part])
        lists, per_user = (pd.read_parquet(folder / f"{name}.parquet") for name in ("recommendations", "per_user"))
        for shown in found["users"]:
            user = shown["user"]
            position = data.users.parse(str(user))
            own = np.flatnonzero(data.user == position)
            assert shown["history"] == [str(data.items.ids[data.item[at]]) for at in own[4::-1]]
            wanted = int(data.items.ids[data.item[own[5]]])
            assert (shown["rows"], shown["relevant"], shown["wanted"]) == (5, 1, [str(wanted)])
            for label, items in shown["lists"].items():
                left = lists[(lists["user"] == user) & (lists["model"] == label) & (lists["rank"] <= 3)]
                left = left.sort_values("rank")
                assert [each["item"] for each in items] == left["item"].tolist()
                assert [each["score"] for each in items] == pytest.approx(left["score"].tolist())
                assert [each["hit"] for each in items] == [each["item"] == wanted for each in items]
                value = per_user[(per_user["user"] == user) & (per_user["model"] == label)]["ndcg@3"].item()
                assert shown["values"][label] == value
            assert len(shown["pairs"]) == 6

    def test_who_is_shown(self, look):
        """The ids of the documents, and of the rest one for each reason; always the same."""
        n_rows = {42: 5, 196: 5, 7: 12, 8: 40, 9: 5}
        # The last item of each is in the test; that of user 8, who had them the other way round, is everybody's first.
        places = [(user, place, n) for user, n in n_rows.items() for place in range(n)]
        rows = [(user, 100 + (n - 1 - place if user == 8 else place)) for user, place, n in places]
        ends = np.cumsum(list(n_rows.values())) - 1
        data = dataset(rows)
        wanted = ["42 104", "196 104", "7 111", "8 100", *(f"9 {item}" for item in (120, 121, 122))]
        found, _ = look(
            data, [fold(data, test=ends)], chosen=[{"name": "oracle", "wanted": wanted}, "popularity"], name="who"
        )
        roles = {each["user"]: each["roles"] for each in found["users"]}
        assert roles == {
            196: ["chosen"],
            42: ["chosen"],
            8: ["best served", "most active"],
            9: ["worst served"],
            7: ["drawn among the casual ones"],
        }

    def test_reasons_are_of_the_history(self, look):
        data, part = world()
        for shown in look(data, [part])[0]["users"]:
            reasons = {label: [each["why"] for each in items] for label, items in shown["lists"].items()}
            assert any(reasons["ease"])
            assert {item for why in reasons["ease"] for item in why} <= set(shown["history"])
            assert not any(reasons["constant"])

    @pytest.mark.parametrize("strings", [False, True])
    def test_a_model_with_nothing_to_list(self, look, strings):
        names = ("a", "b", "x", "y") if strings else (1, 2, 10, 20)
        one, other, x, y = names
        data = dataset([(one, x), (one, y), (other, y), (other, x), (other, x)])
        found, _ = look(data, [fold(data, test=[4])], chosen=["constant", "popularity"])
        assert [each["user"] for each in found["users"]] == [other]
        assert found["users"][0]["lists"] == {"constant": [], "popularity": []}


def test_twice_the_same(look):
    data, part = world(n_users=20)
    assert look(data, [part], name="one")[0] == look(data, [part], name="two")[0]


def test_nobody_has_a_result(look):
    data, part = world(n_users=8)
    assert look(data, [part], chosen=["constant"], failures={"constant": "broke"})[0] == {}


def _with_parts(made):
    data, part = made
    return data, [part]
