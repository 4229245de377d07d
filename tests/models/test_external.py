"""External commands: the folder they get, and every way in which what they write can be wrong."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made import dataset
from pydantic import ValidationError
from scipy import sparse

from recsys.data.interactions import serving_view, training_view
from recsys.errors import InputError, RunError
from recsys.models.answer import read_lists
from recsys.models.exchange import write_request
from recsys.models.external import External
from recsys.models.list_maker import ListRequest
from recsys.models.registry import open_model
from recsys.training.run import FitRun

# Users 1 and 2 train on items 10 to 50; user 3 is cold and may show item 10.
ROWS = [(1, 10, 5.0), (1, 20, 3.0), (2, 20, 4.0), (2, 30, 1.0), (1, 40, 2.0), (2, 50, 5.0), (3, 10, 4.0)]
GOOD = [(1, 50, 1, 2.0), (1, 30, 2, 1.0), (2, 40, 1, 0.5), (2, 10, 2, 0.5), (3, 20, 1, 3.0), (3, 30, 2, -1.0)]
COLUMNS = ["user", "item", "rank", "score"]


def request_of(folder: Path, rows=ROWS, users=(1, 2, 3), timestamps=range(7), **changes) -> ListRequest:
    """The request for two items each, after training on all rows but the last, which is shown of the last user."""
    data = dataset(rows, timestamps=timestamps, title=["Ten", "Twenty", None, "Forty", "Fifty"])
    train = training_view(data, np.arange(len(rows) - 1), None, None)
    places = data.users.positions(list(users))
    known = train.users.positions(list(users))
    histories = serving_view(data, train, places[known < 0], np.array([len(rows) - 1]), None, None)
    folder.mkdir(exist_ok=True)
    made = ListRequest(train, None, data.users.take(places), known, histories, 2, True, None, folder)
    return replace(made, **changes)


@pytest.fixture
def request_(tmp_path) -> ListRequest:
    return request_of(tmp_path / "folder")


def written(folder: Path, rows, columns=COLUMNS, **types) -> None:
    frame = pd.DataFrame(rows, columns=columns).astype(types)
    frame.to_parquet(folder / "recommendations.parquet", index=False)


def refused(request: ListRequest, *parts: str) -> None:
    with pytest.raises(RunError) as caught:
        read_lists(request, request.folder)
    for part in parts:
        assert part in str(caught.value)


class TestFolder:
    """What a command finds."""

    def test_tables(self, request_):
        write_request(request_, request_.folder, 7, 2)
        tables = {path.stem: pq.read_table(path) for path in request_.folder.glob("*.parquet")}
        assert set(tables) == {"train", "history", "users", "items"}
        train = tables["train"]
        assert train.column_names == ["user", "item", "value", "timestamp"]
        assert train.schema.types == [pa.int64(), pa.int64(), pa.float32(), pa.timestamp("us", tz="UTC")]
        assert list(zip(*(train[name].to_pylist() for name in ("user", "item", "value")), strict=True)) == ROWS[:6]
        assert [time.day for time in train["timestamp"].to_pylist()] == [1, 2, 3, 4, 5, 6]
        assert tables["history"].select(["user", "item"]).to_pylist() == [{"user": 3, "item": 10}]
        assert tables["users"].to_pydict() == {"user": [1, 2, 3]}
        assert tables["items"].to_pydict() == {
            "item": [10, 20, 30, 40, 50],
            "title": ["Ten", "Twenty", None, "Forty", "Fifty"],
        }

    def test_spec(self, request_):
        write_request(replace(request_, positive=4.0), request_.folder, 7, 2)
        assert json.loads((request_.folder / "spec.json").read_text()) == {
            **{"format": 1, "k": 2, "exclude_seen": True, "positive": 4.0, "seed": 7, "threads": 2},
            "item_features": {"title": "text"},
        }

    def test_what_the_data_lack_is_null(self, tmp_path):
        rows = [(f"u{user}", f"i{item}") for user, item, _ in ROWS]
        request = request_of(tmp_path / "folder", rows, users=("u1", "u3"), timestamps=None)
        write_request(request, request.folder, 0, 1)
        train = pq.read_table(request.folder / "train.parquet")
        assert train.schema.types[:2] == [pa.string(), pa.string()]
        assert train["value"].null_count == train["timestamp"].null_count == 6
        assert pq.read_table(request.folder / "users.parquet")["user"].to_pylist() == ["u1", "u3"]

    def test_candidates_where_the_experiment_names_some(self, request_):
        allowed = sparse.csr_array(np.array([[0, 0, 1, 0, 1], [0] * 5, [0, 1, 0, 0, 0]], dtype=np.float32))
        write_request(replace(request_, candidates=allowed), request_.folder, 0, 1)
        pairs = pq.read_table(request_.folder / "candidates.parquet").to_pydict()
        assert pairs == {"user": [1, 1, 3], "item": [30, 50, 20]}


class TestAnswer:
    def test_lists_in_codes_of_training(self, request_):
        written(request_.folder, GOOD[::-1])  # rows in any order
        items, scores = read_lists(request_, request_.folder)
        assert items.tolist() == [[4, 2], [3, 0], [1, 2]]
        assert scores.tolist() == [[2.0, 1.0], [0.5, 0.5], [3.0, -1.0]]
        assert (items.dtype, scores.dtype) == (np.int32, np.float32)

    def test_the_order_among_equal_scores_is_that_of_the_ranks(self, request_):
        written(request_.folder, GOOD)
        assert read_lists(request_, request_.folder)[0][1].tolist() == [3, 0]

    def test_more_than_asked_is_cut(self, request_):
        written(request_.folder, [*GOOD, (3, 50, 3, -2.0)])
        assert read_lists(request_, request_.folder)[0].shape == (3, 2)

    def test_a_stranger_may_have_no_list(self, request_):
        written(request_.folder, GOOD[:4])
        items, scores = read_lists(request_, request_.folder)
        assert items[2].tolist() == [-1, -1]
        assert np.isneginf(scores[2]).all()

    def test_shorter_where_nothing_else_is_left(self, request_):
        written(request_.folder, [*GOOD[:4], (3, 20, 1, 4.0), *((3, 10 * n, n - 1, 5.0 - n) for n in (3, 4, 5))])
        assert read_lists(replace(request_, k=9), request_.folder)[0][0].tolist() == [4, 2, *[-1] * 7]

    def test_seen_items_where_the_experiment_leaves_them_in(self, request_):
        seen = [(1, 10, 1, 9.0), (1, 20, 2, 8.0), *GOOD[2:]]
        written(request_.folder, seen)
        assert read_lists(replace(request_, exclude_seen=False), request_.folder)[0][0].tolist() == [0, 1]

    def test_text_and_categories_as_ids(self, request_):
        written(request_.folder, GOOD, user="str", item="category", rank="float64", score="float32")
        assert read_lists(request_, request_.folder)[0].tolist() == [[4, 2], [3, 0], [1, 2]]


class TestWrong:
    """Each fault is one error that names the file and the row."""

    @pytest.mark.parametrize(
        ("row", "values", "message"),
        [
            (2, (9, 50, 1, 2.0), "row 3: user 9 is not in users.parquet; write ids as they are there"),
            (1, (1, 99, 2, 1.0), "row 2: item 99 is not in items.parquet"),
            (1, (1, 50, 2, 1.0), "row 2: user 1 and item 50 are in an earlier row already; list an item once"),
            (1, (1, 30, 0, 1.0), "row 2: rank is 0; a whole number from 1"),
            (1, (1, 30, 1.5, 1.0), "row 2: rank is 1.5"),
            (1, (1, 30, 1, 1.0), "row 2: user 1 has rank 1 where 2 is due; number each user's items 1, 2, 3"),
            (1, (1, 30, 3, 1.0), "row 2: user 1 has rank 3 where 2 is due"),
            (1, (1, 30, 2, 3.0), "row 2: user 1 has a higher score at rank 2 than at the one before; rank by score"),
            (1, (1, 30, 2, np.inf), "row 2: score is inf; a finite number is needed"),
            (1, (1, 30, 2, 1e39), "row 2: score is 1e+39"),
            (1, (1, 30, 2, np.nan), "row 2: score is empty"),
            (1, (1, None, 2, 1.0), "row 2: item is empty"),
            (1, (1, 10, 2, 1.0), "row 2: user 1 and item 10: the item was taken before; leave out"),
            (5, (3, 10, 2, -1.0), "row 6: user 3 and item 10: the item was taken before"),
        ],
    )
    def test_a_row(self, request_, row, values, message):
        rows = [values if number == row else good for number, good in enumerate(GOOD)]
        written(request_.folder, rows, **({"item": "Int64"} if values[1] is None else {}))
        refused(request_, f"recommendations.parquet, {message}")

    def test_how_many_more(self, request_):
        written(request_.folder, [(9, *row[1:]) for row in GOOD])
        refused(request_, "row 1: user 9 is not in users.parquet (5 more such rows; first at 1)")

    def test_too_few(self, request_):
        written(request_.folder, [GOOD[0], *GOOD[2:]])
        refused(request_, "user 1 (users.parquet, row 1) has 1 of 2 items; write `k` items of spec.json for everyone")

    def test_nothing_for_users_of_training(self, request_):
        written(request_.folder, GOOD[4:])
        refused(request_, "user 1 (users.parquet, row 1) has 0 of 2 items (1 more such users)")

    def test_no_rows(self, request_):
        written(request_.folder, pd.DataFrame({name: pd.Series(dtype="int64") for name in COLUMNS}))
        refused(request_, "user 1 (users.parquet, row 1) has 0 of 2 items")

    def test_a_stranger_with_half_a_list(self, request_):
        written(request_.folder, GOOD[:5])
        refused(request_, "user 3 (users.parquet, row 3) has 1 of 2 items")

    def test_an_item_that_is_no_candidate(self, request_):
        allowed = sparse.csr_array(np.array([[0, 0, 1, 1, 1], [1, 0, 0, 1, 0], [1, 1, 0, 0, 0]], dtype=np.float32))
        written(request_.folder, GOOD)
        refused(replace(request_, candidates=allowed), "row 6: user 3 and item 30 are no pair of candidates.parquet")
        # Of the candidates of user 3 one is left, the other was taken.
        written(request_.folder, GOOD[:5])
        assert read_lists(replace(request_, candidates=allowed), request_.folder)[0][2].tolist() == [1, -1]

    def test_no_file(self, request_):
        refused(request_, "recommendations.parquet: the command ended well and wrote no such file")

    def test_no_parquet(self, request_):
        (request_.folder / "recommendations.parquet").write_text("user,item,rank,score\n1,50,1,2.0\n")
        refused(request_, "recommendations.parquet: the file is damaged or not parquet")

    def test_no_column(self, request_):
        written(request_.folder, GOOD, columns=["user", "item", "place", "score"])
        refused(request_, "there is no column 'rank'; it has: user, item, place, score")

    @pytest.mark.parametrize(
        ("name", "kind", "message"),
        [
            ("user", "float64", "column 'user' is double, ids are integers or texts; write them as users.parquet has"),
            ("item", "bool", "column 'item' is bool, ids are integers or texts; write them as items.parquet has"),
            ("rank", "str", "column 'rank' is large_string, whole numbers are needed"),
            ("score", "str", "column 'score' is large_string, numbers are needed"),
        ],
    )
    def test_another_type(self, request_, name, kind, message):
        written(request_.folder, GOOD, **{name: kind})
        refused(request_, message)


class TestModel:
    def test_runs_its_command(self, request_, tmp_path):
        written(tmp_path, GOOD)
        code = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
        answer = str(tmp_path / "recommendations.parquet")
        command = (sys.executable, "-c", code, answer, "{folder}/recommendations.parquet")
        items, _ = External(External.Config(command=command)).lists(request_, FitRun())
        assert items.tolist() == [[4, 2], [3, 0], [1, 2]]

    def test_arguments_reach_it_as_they_are(self, request_, tmp_path):
        strange = ["two words", "$HOME; echo `id`", 'it\'s "quoted"', "*", "", "{other}", "--in={folder}/a{folder}"]
        said = tmp_path / "said.json"
        code = "import json, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(json.dumps(sys.argv[2:]))"
        model = External(External.Config(command=(sys.executable, "-c", code, str(said), *strange)))
        with pytest.raises(RunError, match="wrote no such file"):
            model.lists(request_, FitRun())
        folder = str(request_.folder)
        assert json.loads(said.read_text()) == [*strange[:-1], f"--in={folder}/a{folder}"]

    def test_its_standard_input_is_empty(self, request_):
        model = External(External.Config(command=(sys.executable, "-c", "import sys; sys.exit(len(sys.stdin.read()))")))
        with pytest.raises(RunError, match="wrote no such file"):
            model.lists(request_, FitRun())

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("raise ValueError('no [data] here')", "with status 1: .*ValueError: no \\[data\\] here"),
            ("import sys; sys.exit(3)", "with status 3;"),
            (
                "import sys; print('a\\na\\n\\33[31mred\\33[0m\\n^^^', file=sys.stderr); sys.exit(4)",
                "with status 4: a . a . red;",
            ),
            ("import os; os.kill(os.getpid(), 9)", "by SIGKILL \\(out of memory\\?\\);"),
        ],
    )
    def test_a_failure_with_the_last_it_said(self, request_, code, message):
        with pytest.raises(RunError, match=f"its command ended {message}"):
            External(External.Config(command=(sys.executable, "-c", code))).lists(request_, FitRun())

    @pytest.mark.parametrize("program", ["no-such-program", "./nowhere/python", "/"])
    def test_no_program(self, request_, program):
        with pytest.raises(InputError, match=f"command: '{program}' cannot be started"):
            External(External.Config(command=(program,))).lists(request_, FitRun())

    @pytest.mark.parametrize("command", [[], [""], [" ", "x"], ["python", "a\0b"], "python x.py", ["python", 5], None])
    def test_no_command(self, command):
        with pytest.raises(ValidationError):
            External.Config(command=command)

    def test_files_of_the_command(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "score.py").touch()
        found = External.Config(command=("sh", "score.py", "{folder}", ".", "x" * 5000)).files()
        assert found == (Path(shutil.which("sh")), Path("score.py"))

    def test_there_is_no_model_to_open(self, tmp_path):
        External(External.Config(command=("true",))).save(tmp_path)
        with pytest.raises(InputError, match="'external' leaves no model, only lists"):
            open_model(tmp_path)
