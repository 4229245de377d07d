"""What a finished comparison gives back: frames, failures, files in a folder."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pandas as pd
import pytest

from recsys.comparison import result
from recsys.comparison.result import (
    FILES,
    Comparison,
    copy_into,
    default_out,
    deliver,
    read_leaderboard,
    require_place,
    require_writable,
    rows_of,
)
from recsys.data.config import SyntheticData, TableData
from recsys.errors import InputError
from recsys.store import Ref


@pytest.fixture
def out(tmp_path):
    frame = pd.DataFrame(
        {
            "model": ["7", "NA", "ease"],
            "control": [False, False, True],
            "status": ["ok", "ok", "ran out of memory"],
            "seeds": [1, 1, 1],
            "ndcg@10": [0.1 + 0.2, 1 / 3, None],
            "mlflow_run_id": ["12345678901234567890123456789012", "0e1", None],
        }
    )
    frame.to_csv(tmp_path / "leaderboard.csv", index=False)
    pd.DataFrame({"model": ["7"], "user": [1]}).to_parquet(tmp_path / "recommendations.parquet")
    pd.DataFrame({"model": ["7"], "user": [2]}).to_parquet(tmp_path / "per_user.parquet")
    (tmp_path / "manifest.json").write_text(json.dumps({"failures": {"ease": "ran out of memory"}}))
    return tmp_path


class TestComparison:
    def test_its_files_as_frames(self, out):
        comparison = Comparison(out, "key", "run")
        assert comparison.leaderboard["model"].tolist() == ["7", "NA", "ease"]
        assert comparison.recommendations["user"].tolist() == [1]
        assert comparison.per_user["user"].tolist() == [2]
        assert comparison.failures == {"ease": "ran out of memory"}
        assert comparison.cached is False

    def test_labels_and_ids_that_look_like_something_else_stay_texts(self, out):
        table = read_leaderboard(out / "leaderboard.csv")
        assert table["mlflow_run_id"].tolist()[:2] == ["12345678901234567890123456789012", "0e1"]
        assert table["model"].tolist() == ["7", "NA", "ease"]

    def test_numbers_are_read_to_the_last_digit(self, out):
        assert read_leaderboard(out / "leaderboard.csv")["ndcg@10"].tolist()[:2] == [0.1 + 0.2, 1 / 3]

    def test_rows_as_plain_json(self, out):
        rows = rows_of(read_leaderboard(out / "leaderboard.csv"))
        assert rows[0] == {
            **{"model": "7", "control": False, "status": "ok", "seeds": 1, "ndcg@10": 0.1 + 0.2},
            **{"mlflow_run_id": "12345678901234567890123456789012"},
        }
        assert rows[2]["ndcg@10"] is None
        assert rows[2]["mlflow_run_id"] is None
        assert json.loads(json.dumps(rows, allow_nan=False)) == rows

    def test_where_results_go_that_are_sent_nowhere(self):
        assert str(default_out("demo", "0123456789abcdef")) == "runs/demo/0123456789ab"


class TestDelivery:
    @pytest.fixture
    def refs(self, tmp_path):
        made = []
        for stage, names in (("comparison", FILES[:-1]), ("report", FILES[-1:])):
            folder = tmp_path / stage
            folder.mkdir()
            for name in (*names, "store.json", "intervals.csv"):
                (folder / name).write_text(f"{stage} {name}")
            made.append(Ref(stage=stage, key="k", digest="d", folder=folder))
        return made

    def test_the_promised_files_and_no_others(self, refs, tmp_path):
        out = tmp_path / "deep" / "out"
        deliver(refs, out)
        assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
        assert (out / "report.html").read_text() == "report report.html"

    def test_what_is_there_is_replaced_and_the_rest_left(self, refs, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "report.html").write_text("old")
        (out / "notes.txt").write_text("mine")
        deliver(refs, out)
        deliver(refs, out)
        assert (out / "report.html").read_text() == "report report.html"
        assert (out / "notes.txt").read_text() == "mine"

    def test_a_place_that_cannot_be_a_folder(self, refs, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="cannot be written"):
            deliver(refs, tmp_path / "file" / "out")

    def test_a_folder_in_the_place_of_a_file(self, refs, tmp_path):
        (tmp_path / "out/leaderboard.csv").mkdir(parents=True)
        with pytest.raises(InputError, match=r"out/leaderboard\.csv: cannot be written \(Is a directory\)"):
            deliver(refs, tmp_path / "out")
        assert not list((tmp_path / "out").glob(".*"))

    def test_an_error_of_another_kind(self, refs, tmp_path, monkeypatch):
        def broken(source, target):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(result.shutil, "copyfile", broken)
        with pytest.raises(OSError, match="Input/output error"):
            deliver(refs, tmp_path / "out")

    def test_files_of_somebody_else_are_not_replaced(self, refs, tmp_path):
        (tmp_path / "spec.yaml").write_text("mine")
        with pytest.raises(InputError, match=r"spec\.yaml: is there already, and is not of a comparison; name another"):
            require_place(tmp_path, SyntheticData(source="synthetic"))
        (tmp_path / "manifest.json").write_text("[]")
        with pytest.raises(InputError, match=r"manifest\.json: is there already"):
            require_place(tmp_path, SyntheticData(source="synthetic"))

    def test_files_of_a_comparison_are_replaced_also_where_it_was_cut_off(self, tmp_path):
        (tmp_path / "manifest.json").write_text('{"choices": {}}')
        (tmp_path / "spec.yaml").write_text("name: ours")
        require_place(tmp_path, SyntheticData(source="synthetic"))

    @pytest.mark.parametrize("name", ["data", "data/results", "data/.hidden/../results"])
    @pytest.mark.parametrize("uri", ["", "file://"])
    def test_results_are_not_put_among_the_data(self, tmp_path, name, uri):
        (tmp_path / "data").mkdir()
        data = TableData(source="table", interactions=f"{uri}{tmp_path / 'data'}")
        with pytest.raises(InputError, match=r"would be read as data; name another folder with --out"):
            require_place(tmp_path / name, data)

    @pytest.mark.parametrize("name", ["data/.results", "data/_results", "results", "data-2"])
    def test_results_beside_the_data(self, tmp_path, name):
        (tmp_path / "data").mkdir()
        require_place(tmp_path / name, TableData(source="table", interactions=str(tmp_path / "data")))
        require_place(tmp_path / name, TableData(source="table", interactions="s3://bucket/data"))

    def test_the_manifest_comes_first(self, tmp_path, monkeypatch):
        (tmp_path / "from").mkdir()
        for name in FILES:
            (tmp_path / "from" / name).write_text(name)
        copied, copy = [], result.shutil.copyfile
        monkeypatch.setattr(result.shutil, "copyfile", lambda *a: copied.append(a[0].name) or copy(*a))
        copy_into(sorted((tmp_path / "from").iterdir()), tmp_path / "out")
        assert (copied[0], sorted(copied)) == ("manifest.json", sorted(FILES))

    def test_whether_a_folder_can_be_written_is_known_before(self, tmp_path):
        require_writable(tmp_path / "deep" / "out")
        assert not (tmp_path / "deep").exists()
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="is no folder that can be written; choose another one with --out"):
            require_writable(tmp_path / "file" / "out")
        with pytest.raises(InputError, match="is no folder that can be written"):
            require_writable(Path("/proc/out"))

    @pytest.mark.parametrize("own", ["store", "artifacts/1", "logs"])
    def test_what_the_home_keeps_for_itself_is_no_place_for_results(self, tmp_path, monkeypatch, own):
        monkeypatch.setenv("RECSYS_HOME", str(tmp_path))
        (tmp_path / "link").symlink_to(tmp_path)
        require_writable(tmp_path / "runs")
        with pytest.raises(InputError, match="which RECSYS_HOME keeps for itself; name another with --out"):
            require_writable(tmp_path / "link" / own)
