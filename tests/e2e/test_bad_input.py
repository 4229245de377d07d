"""Wrong input: exit status 2, one message with place and remedy, no traceback, and nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from faults.harness import Ended, Workplace

COLUMNS = {"user": "user", "item": "item", "value": "rating", "timestamp": "timestamp"}
GOOD: dict[str, Any] = {
    "name": "mine",
    "data": {"source": "table", "interactions": "events.csv", "columns": COLUMNS},
    "models": ["popularity", "ease"],
    "evaluation": {"metrics": ["ndcg", "recall"], "k": [5, 10]},
}
HEADER = "user,item,rating,timestamp"
ROWS = [
    f"{u},{i},{1 + u * i % 5},{1000 + 7 * u + i}" for u in range(30) for i in range(40) if (31 * u + 17 * i) % 4 == 0
]

Recsys = Callable[..., Ended]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a table that is right."""
    monkeypatch.chdir(tmp_path)
    Path("events.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    return tmp_path


@pytest.fixture
def recsys(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Recsys:
    """`recsys` in this very process."""

    def run(*arguments: str) -> Ended:
        from flows.cli import main

        monkeypatch.setattr(sys, "argv", ["recsys", *arguments])
        began = time.monotonic()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err, time.monotonic() - began)

    return run


def write(spec: Any) -> None:
    """The spec in the current folder; a text as it is."""
    Path("spec.yaml").write_text(spec if isinstance(spec, str) else yaml.safe_dump(spec, sort_keys=False))


def assert_refused(ended: Ended, place: str, message: str, remedy: str) -> None:
    """One line that says where, what and what to do, then the command to type again."""
    assert ended.status == 2, ended.said
    assert not ended.out
    first, last = ended.err.splitlines()
    assert first.startswith(f"{place}: "), first
    assert message in first
    assert remedy in first
    assert last.startswith("then run again: ")
    assert "recsys " in last


def assert_nothing_written(here: Path) -> None:
    """No run folder, no run, no half-made stage."""
    assert not (here / "runs").exists()
    assert not (here / "home" / "mlflow.db").exists()
    assert not list((here / "home").glob("store/**/*.tmp"))


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good spec with one value set, or taken away where it is None."""
    spec = json.loads(json.dumps(GOOD))
    *sections, key = path.split(".")
    section = spec
    for name in sections:
        section = section.setdefault(name, {})
    if value is None:
        del section[key]
    else:
        section[key] = value
    return spec


# What is wrong with the spec: the spec, and place, message and remedy of the answer.
SPECS: dict[str, tuple[Any, str, str, str]] = {
    "not a mapping": ("- name: mine\n", "spec.yaml", "holds a list, a mapping is needed", "begin with `name:`"),
    "empty": ("", "spec.yaml", "is empty, a mapping is needed", "begin with `name:`"),
    "builds objects": (
        "name: !!python/object/apply:os.system ['touch owned']\n",
        "spec.yaml, line 1",
        "a tag such as !!python is not allowed",
        "write plain values",
    ),
    "not yaml": ("name: [mine\ndata: {\n", "spec.yaml, line 2", "is not plain YAML", "mend that line"),
    "a key twice": ("name: a\nname: b\n", "spec.yaml, line 2", "the key 'name' stands twice", "mend that line"),
    "an alias": ("name: &a mine\ndata: *a\n", "spec.yaml, line 2", "aliases are not used in a spec", "mend"),
    "no name": (changed("name", None), "spec.yaml: name", "is missing", "add it"),
    "no data": (changed("data", None), "spec.yaml: data", "is missing", "add it"),
    "no model": (changed("models", []), "spec.yaml: models", "is []", "at least 1 entry"),
    "models left out": (changed("models", None), "spec.yaml: models", "is missing", "add it"),
    "unknown model": (
        changed("models", ["eaze"]),
        "spec.yaml: models[0]",
        "no model is called 'eaze'",
        "did you mean 'ease'?",
    ),
    "unknown key": (
        changed("split", {"kind": "random", "tset": 0.2}),
        "spec.yaml: split.tset",
        "no such key",
        "did you mean 'test'?",
    ),
    "unknown key at the top": (changed("modles", []), "spec.yaml: modles", "no such key", "did you mean 'models'?"),
    "unknown source": (
        changed("data.source", "tabel"),
        "spec.yaml: data.source",
        "'tabel' is not known",
        "did you mean 'table'?",
    ),
    "unknown split": (
        changed("split", {"kind": "randem"}),
        "spec.yaml: split.kind",
        "'randem' is not known",
        "did you mean 'random'?",
    ),
    "unknown metric": (
        changed("evaluation.metrics", ["ndgc"]),
        "spec.yaml: evaluation.metrics[0]",
        "no metric is called 'ndgc'",
        "did you mean 'ndcg'?",
    ),
    "unknown setting": (
        changed("models", [{"name": "mf", "epochz": 3}]),
        "spec.yaml: models[0].epochz",
        "no such key",
        "did you mean 'epochs'?",
    ),
    "setting of the wrong kind": (
        changed("models", [{"name": "mf", "epochs": "many"}]),
        "spec.yaml: models[0].epochs",
        "is 'many'",
        "a whole number is needed",
    ),
    "setting out of range": (
        changed("models", [{"name": "ease", "regularization": -3}]),
        "spec.yaml: models[0].regularization",
        "is -3",
        "a number above 0",
    ),
    "not finite": (
        changed("models", [{"name": "ease", "regularization": float("inf")}]),
        "spec.yaml: models[0].regularization",
        "is inf",
        "a finite number is needed",
    ),
    "impossible fraction": (
        changed("split", {"kind": "random", "test": 1.5}),
        "spec.yaml: split.test",
        "is 1.5",
        "a number below 1",
    ),
    "fractions that leave nothing": (
        changed("split", {"kind": "random", "test": 0.6, "validation": 0.5}),
        "spec.yaml: split",
        "",
        "",
    ),
    "primary not computed": (
        changed("evaluation.primary", "ndcg@7"),
        "spec.yaml: evaluation.primary",
        "'ndcg@7' is not computed",
        "did you mean 'ndcg@",
    ),
    "a row twice": (
        changed("models", ["ease", "ease"]),
        "spec.yaml: models",
        "two models have the row 'ease'",
        "give one of them a `label`",
    ),
    "a seed twice": (changed("seeds", [1, 1]), "spec.yaml: seeds", "a seed stands twice", "name each seed once"),
    "a name for a path": (changed("name", "../../etc"), "spec.yaml: name", "is '../../etc'", "letters, digits"),
    "a file that is not there": (
        changed("data.interactions", "evnts.csv"),
        "data.interactions",
        "there is no file evnts.csv",
        "did you mean events.csv?",
    ),
}


@pytest.mark.parametrize(("spec", "place", "message", "remedy"), SPECS.values(), ids=SPECS)
def test_a_wrong_spec(recsys: Recsys, here: Path, spec: Any, place: str, message: str, remedy: str) -> None:
    write(spec)
    ended = recsys("compare", "spec.yaml")
    assert_refused(ended, place, message, remedy)
    assert ended.seconds < 5
    assert_nothing_written(here)
    assert not Path("owned").exists()

    ended = recsys("compare", "spec.yaml", "--json")
    assert ended.status == 2
    error = json.loads(ended.out)["error"]
    assert set(error) == {"place", "message", "remedy"}
    assert error["place"].startswith(place)
    assert message in error["message"]
    assert remedy in error["remedy"]


OVERRIDES = {
    "no value": ("models.0.epochs", "--set models.0.epochs", "is not of the form a.b=value", "write e.g."),
    "no entry": ("models.7.epochs=3", "--set models.7.epochs=3", "'7' is no entry of this list", "0 to 1"),
    "into a value": (
        "name.first=x",
        "--set name.first=x",
        "'first' leads into the value 'mine'",
        "set that value itself",
    ),
    "no yaml": ("seeds=[1", "--set seeds=[1", "the value is not plain YAML", "put it in quotes"),
    "wrong value": ("evaluation.k=[0]", "spec.yaml: evaluation.k[0]", "is 0", "a number of at least 1"),
}


@pytest.mark.parametrize(("setting", "place", "message", "remedy"), OVERRIDES.values(), ids=OVERRIDES)
def test_a_wrong_override(recsys: Recsys, here: Path, setting: str, place: str, message: str, remedy: str) -> None:
    write(GOOD)
    assert_refused(recsys("compare", "spec.yaml", "--set", setting), place, message, remedy)
    assert_nothing_written(here)


# What is wrong with the table: its lines (from the header) or bytes, and the answer.
TABLES: dict[str, tuple[Any, str, str, str]] = {
    "empty": ([], "events.csv", "the file is empty", "a header line and at least one row are needed"),
    "no rows": ([HEADER], "events.csv", "there are no rows below the header", "at least a few interactions"),
    "wrong column": (
        ["usr,item,rating,timestamp", *ROWS],
        "data.columns.user",
        "no column 'user'",
        "usr, item, rating, timestamp",
    ),
    "nan": ([HEADER, *ROWS[:4], "3,4,nan,5"], "events.csv, row 6", "rating is 'nan'", "fill it or leave the row out"),
    "infinite": ([HEADER, *ROWS[:4], "3,4,inf,5"], "events.csv, row 6", "rating is 'inf'", "a finite number is needed"),
    "text": ([HEADER, *ROWS[:4], "3,4,great,5"], "events.csv, row 6", "rating is 'great'", "a number is needed"),
    "no id": ([HEADER, *ROWS[:4], ",4,3,5"], "events.csv, row 6", "user is empty", "leave the row out"),
    "no time": ([HEADER, *ROWS[:4], "3,4,3,soon"], "events.csv, row 6", "timestamp is 'soon'", "a time is needed"),
    "a short row": ([HEADER, *ROWS[:4], "3,4"], "events.csv, row 6", "2 fields, the header names 4", "quote values"),
    "encoding": (b"user,item,rating,timestamp\nM\xfcller,1,2,3\n", "events.csv, row 2", "is not UTF-8", "iconv"),
    "one user": (
        [HEADER, *(f"1,{i},3,{i}" for i in range(30))],
        "events.csv",
        "all 30 rows are of one user",
        "data.columns.user",
    ),
    "one item": (
        [HEADER, *(f"{u},1,3,{u}" for u in range(30))],
        "events.csv",
        "all 30 rows are of one item",
        "data.columns.item",
    ),
    "twice": ([HEADER, *ROWS, ROWS[0]], "events.csv, row 302", "are in row 2 already", "data.duplicates: first"),
}


@pytest.mark.parametrize(("lines", "place", "message", "remedy"), TABLES.values(), ids=TABLES)
def test_a_wrong_table(recsys: Recsys, here: Path, lines: Any, place: str, message: str, remedy: str) -> None:
    """Asked for its plan alone, which reads the same data by the same way as the comparison."""
    write(GOOD)
    content = lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()
    Path("events.csv").write_bytes(content)
    assert_refused(recsys("compare", "spec.yaml", "--dry-run"), place, message, remedy)
    assert_nothing_written(here)


COMMANDS = {
    "no such command": (["comparre"], "recsys", "comparre"),
    "no such option": (["compare", "spec.yaml", "--fast"], "recsys compare", "--fast"),
    "no spec named": (["compare"], "recsys compare", "SPEC"),
    "not a number": (["recommend", "spec.yaml", "-k", "many"], "recsys recommend", "valid integer"),
}


@pytest.mark.parametrize(("arguments", "place", "message"), COMMANDS.values(), ids=COMMANDS)
def test_a_wrong_command(recsys: Recsys, here: Path, arguments: list[str], place: str, message: str) -> None:
    write(GOOD)
    ended = recsys(*arguments)
    assert ended.status == 2
    (line,) = ended.err.splitlines()
    assert line.startswith(f"{place}: ")
    assert message in line
    assert f"see {place} --help" in line
    ended = recsys(*arguments, "--json")
    assert message in json.loads(ended.out)["error"]["message"]


ASKED = {
    "nobody": ([], "recommend", "for whom?", "--user"),
    "both": (["--user", "1", "--history", "2"], "recommend", "for whom?", "--user"),
    "unknown row": (
        ["--user", "1", "--model", "eaze"],
        "--model eaze",
        "no such row in spec.yaml",
        "did you mean 'ease'?",
    ),
}


@pytest.mark.parametrize(("arguments", "place", "message", "remedy"), ASKED.values(), ids=ASKED)
def test_a_wrong_question(
    recsys: Recsys, here: Path, arguments: list[str], place: str, message: str, remedy: str
) -> None:
    write(GOOD)
    assert_refused(recsys("recommend", "spec.yaml", *arguments), place, message, remedy)


PLACES = {
    "a home below a file": ({"RECSYS_HOME": "events.csv/home"}, [], "events.csv/home", "RECSYS_HOME"),
    "results below a file": ({}, ["--out", "events.csv/out"], "events.csv/out", "--out"),
    "results in place of a file": ({}, ["--out", "events.csv"], "events.csv", "--out"),
}


@pytest.mark.parametrize(("env", "arguments", "place", "remedy"), PLACES.values(), ids=PLACES)
def test_a_place_that_cannot_be_written(
    recsys: Recsys,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str],
    arguments: list[str],
    place: str,
    remedy: str,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    write(GOOD)
    ended = recsys("compare", "spec.yaml", *arguments)
    assert ended.status == 2, ended.said
    first, _ = ended.err.splitlines()
    assert place in first
    assert remedy in first
    assert ended.seconds < 5
    assert_nothing_written(here)


@pytest.fixture
def read_only(tmp_path: Path) -> Any:
    """A disk that may only be read."""
    disk = tmp_path / "read-only"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        disk.chmod(0o500)
        if os.access(disk, os.W_OK):
            pytest.skip("this user may write everywhere, and may not mount a disk")
        yield disk
        disk.chmod(0o700)
        return
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_home_on_a_disk_that_may_only_be_read(
    recsys: Recsys, here: Path, monkeypatch: pytest.MonkeyPatch, read_only: Path
) -> None:
    monkeypatch.setenv("RECSYS_HOME", str(read_only / "home"))
    write(GOOD)
    ended = recsys("compare", "spec.yaml")
    assert ended.status == 2, ended.said
    assert "cannot be written" in ended.err
    assert "RECSYS_HOME" in ended.err
    assert_nothing_written(here)


IN_THE_FLOW = {
    "wrong column": (changed("data.columns.item", "produkt"), "no column 'produkt'"),
    "no positives": ({**GOOD, "positive": 6}, "positive"),
}


@pytest.mark.parametrize(("spec", "message"), IN_THE_FLOW.values(), ids=IN_THE_FLOW)
def test_wrong_data_found_by_a_real_process(here: Path, server: str, databases: Path, spec: Any, message: str) -> None:
    """Through Prefect, whose own log would show each traceback three times."""
    workplace = Workplace(here / "place", spec).seed(databases)
    (workplace.folder / "events.csv").write_text(Path("events.csv").read_text())
    ended = workplace.run("compare", "spec.yaml", PREFECT_API_URL=server)
    assert ended.status == 2, ended.said
    first, last = ended.err.splitlines()
    assert message in first
    assert last == "then run again: recsys compare spec.yaml"
    assert not (workplace.folder / "runs").exists()
    workplace.assert_empty()
