"""External commands as models of an experiment: their process, limits, cost, key, lists, and where they are refused."""

from __future__ import annotations

import contextlib
import json
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from made import dataset, fold, job, spec, world
from pydantic_core import to_jsonable_python

from recsys.errors import ExpectedError, InputError, RunError
from recsys.experiment.external import leaves_model, refuse_commands, require_model
from recsys.experiment.fit import fit_and_recommend
from recsys.experiment.forks import Forks
from recsys.experiment.keys import fit_key, run_key
from recsys.experiment.launch import Limits, Stop, Stopped, run_child
from recsys.experiment.lists import Lists
from recsys.experiment.spec import Experiment
from recsys.store import Ref

ROOT = Path(__file__).parents[2]
MEGABYTE = 10**6
POPULAR = (ROOT / "tests" / "made" / "popular.py").read_text()


@pytest.fixture
def command(tmp_path):
    """The command of a script with this code."""

    def made(code, *arguments, name="script.py"):
        (tmp_path / name).write_text(textwrap.dedent(code))
        return [sys.executable, str(tmp_path / name), *(arguments or ("{folder}",))]

    return made


def external(command, **changes) -> Experiment:
    evaluation = {"k": [3], "primary": "ndcg@3"}
    return spec(models=[{"name": "external", "label": "mine", "command": command}], evaluation=evaluation, **changes)


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forks")
    with Forks(folder / "processes", folder / "log") as found:
        yield found


@pytest.fixture(params=["fork", "fresh"])
def run(tmp_path, forks, request):
    """A command run as a comparison runs it: in a child of a child."""

    def do(command, limits=None, stop=None, **changes):
        work = tmp_path / "work"
        work.mkdir()
        run_child(
            job(tmp_path, *world(n_users=12), external(command, **changes)),
            work,
            label="mine",
            records=tmp_path / "processes",
            log=tmp_path / "log",
            checkpoint=tmp_path / "checkpoint",
            limits=limits or Limits(),
            stop=Stop() if stop is None else stop,
            tell=print,
            forks=forks if request.param == "fork" else None,
        )
        return work

    return do


def gone(mark: str) -> bool:
    """Whether no process has this word in its command, soon."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not any(mark in word for process in psutil.process_iter() for word in _words(process)):
            return True
        time.sleep(0.05)
    return False


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


class TestLists:
    """What a command recommends is what the row holds; here the same as our own model of popularity."""

    @pytest.mark.parametrize("strings", [False, True])
    def test_as_popularity(self, tmp_path, command, strings):
        data, part = world(n_users=12, strings=strings)
        found = [self.lists(tmp_path / name, data, part, made) for name, made in self.both(command(POPULAR)).items()]
        self.assert_same(*found)

    def test_cold_users_by_what_may_be_shown_of_them(self, tmp_path, command):
        rows = [*((1, 10), (1, 20), (2, 20), (2, 30), (3, 10), (3, 40), (3, 50)), (1, 30), (4, 20), (5, 10), (4, 10)]
        data = dataset(rows)
        part = fold(data, test=[7, 8, 9], history=[10])
        theirs, ours = (
            self.lists(tmp_path / name, data, part, made) for name, made in self.both(command(POPULAR)).items()
        )
        self.assert_same(theirs, ours)
        assert theirs.warm.tolist() == [True, False, False]
        # user 4 has shown item 10
        assert data.items.ids[theirs.items[1]].tolist() == [20, 30, 40]

    def test_candidates_of_a_file(self, tmp_path, command):
        data, part = world(n_users=12)
        pairs = tmp_path / "pairs.csv"
        pairs.write_text("user,item\n" + "".join(f"{user},{item}\n" for user in range(1000, 1012) for item in (50, 51)))
        code = POPULAR.replace(
            "users.merge(items", "pd.read_parquet(folder / 'candidates.parquet').merge(items"
        ).replace('how="cross"', "on='item'")
        both = self.both(command(code), candidates=str(pairs))
        self.assert_same(*(self.lists(tmp_path / name, data, part, made) for name, made in both.items()))

    @staticmethod
    def both(command, **evaluation):
        evaluation = {"k": [3], "primary": "ndcg@3", **evaluation}
        models = {"theirs": {"name": "external", "command": command}, "ours": "popularity"}
        return {name: spec(models=[model], evaluation=evaluation) for name, model in models.items()}

    @staticmethod
    def lists(place, data, part, experiment):
        (place / "work").mkdir(parents=True)
        fit_and_recommend(job(place, data, part, experiment), place / "work", place / "checkpoint", print)
        return Lists.load(place / "work")

    @staticmethod
    def assert_same(theirs, ours):
        for name in ("users", "warm", "items", "scores"):
            assert np.array_equal(getattr(theirs, name), getattr(ours, name)), name
        assert theirs.predicted is None


class TestProcess:
    def test_time_cpu_and_memory_are_those_of_the_command(self, run, command, tmp_path):
        code = """
            import time
            began, ballast = time.process_time(), b"x" * 400_000_000
            while time.process_time() - began < 0.8:
                pass
        """
        measured = json.loads(
            (run(command(textwrap.dedent(code) + textwrap.dedent(POPULAR))) / "measured.json").read_text()
        )
        assert set(measured) == {"fit_seconds", "cpu_seconds", "peak_memory_mb"}
        assert measured["fit_seconds"] > 0.8
        assert measured["cpu_seconds"] > 1.2
        assert measured["peak_memory_mb"] > 500
        assert json.loads((tmp_path / "work" / "model" / "model.json").read_text())["family"] == "external"

    def test_what_it_says_is_in_the_log_and_its_end_in_the_error(self, run, command, tmp_path):
        code = "import sys; print('on its way'); print('first', file=sys.stderr); raise ValueError('boom')"
        with pytest.raises(RunError) as caught:
            run(command(code))
        assert str(caught.value).startswith("mine: its command ended with status 1: ")
        assert "ValueError: boom" in str(caught.value)
        log = (tmp_path / "log").read_text()
        assert "on its way" in log
        assert "first" in log
        # For a try by hand.
        assert (Path(str(caught.value).rpartition("its folder stays: ")[2]) / "train.parquet").exists()

    def test_what_an_earlier_try_left_is_no_answer(self, tmp_path, command):
        folder = tmp_path / "checkpoint" / "fit" / "lists"
        folder.mkdir(parents=True)
        (folder / "recommendations.parquet").write_bytes(b"old")
        asked = job(tmp_path, *world(n_users=12), external(command("pass")))
        with pytest.raises(RunError, match="wrote no such file"):
            fit_and_recommend(asked, tmp_path, tmp_path / "checkpoint", print)

    def test_out_of_time(self, run, command):
        with pytest.raises(RunError, match=r"mine: ran out of its 3 seconds; raise runner\.timeout"):
            run(command("import time; time.sleep(600)", "late {folder}"), Limits(seconds=3))
        assert gone("late ")

    def test_out_of_memory(self, run, command):
        with pytest.raises(RunError, match=r"mine: ran out of its 0\.6 GB of memory"):
            run(
                command("import time; held = b'x' * 700_000_000; time.sleep(600)", "big {folder}"),
                Limits(n_bytes=600 * MEGABYTE),
            )
        assert gone("big ")

    def test_stopped_with_all_it_started(self, run, command, tmp_path):
        code = "import subprocess, sys; subprocess.run(['sleep', '613.5'])"

        class Later(Stop):
            def __bool__(self):
                return any("613.5" in word for process in psutil.process_iter() for word in _words(process))

        with pytest.raises(Stopped):
            run(command(code), stop=Later())
        assert gone("613.5")


class TestKey:
    """A comparison is done again where its script is another, and not where another file is."""

    def keys(self, tmp_path, command, seed=42):
        data, part = world(n_users=12)
        experiment, ref = external(command, seeds=[seed]), Ref(stage="any", key="k", digest="d", folder=tmp_path)
        asked = job(tmp_path, data, part, experiment, seed=seed)
        return fit_key(asked, ref, ref, 0), run_key(experiment, {}, 1)

    def test_follows_the_script(self, tmp_path, command):
        first = self.keys(tmp_path, command(POPULAR))
        assert self.keys(tmp_path, command(POPULAR)) == first
        (tmp_path / "other.py").write_text("pass")
        assert self.keys(tmp_path, command(POPULAR)) == first
        edited = self.keys(tmp_path, command(POPULAR + "# new\n"))
        assert not set(edited) & set(first)

    def test_follows_arguments_and_seed(self, tmp_path, command):
        first = self.keys(tmp_path, command(POPULAR))
        assert not set(self.keys(tmp_path, command(POPULAR, "{folder}", "--fast"))) & set(first)
        assert not set(self.keys(tmp_path, command(POPULAR), seed=7)) & set(first)


class TestSpec:
    def test_files_beside_the_spec(self, tmp_path, monkeypatch):
        place, elsewhere = tmp_path / "specs", tmp_path / "elsewhere"
        for folder in (place / "bin", elsewhere):
            folder.mkdir(parents=True)
        for name in ("bin/python", "score.py", "sh", "here.py"):
            (place / name).touch()
        (elsewhere / "here.py").touch()
        path = place / "mine.yaml"
        command = "[bin/python, score.py, here.py, '{folder}', --fast, nowhere.py]"
        path.write_text(
            f"name: mine\ndata: {{source: synthetic}}\nmodels: [{{name: external, command: {command}}}, "
            "{name: external, label: shell, command: [sh, score.py]}]\n"
        )
        monkeypatch.chdir(elsewhere)
        first, second = (model.command for model in Experiment.load(path).models)
        found = (str(place / "bin/python"), str(place / "score.py"))
        assert first == (*found, "here.py", "{folder}", "--fast", "nowhere.py")
        assert second == ("sh", str(place / "score.py"))
        monkeypatch.chdir(place)
        assert Experiment.load(Path("mine.yaml")).models[0].command[0] == "bin/python"

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ("external", r"models\[0\]\.command: is missing"),
            (
                {"name": "external", "command": "python x.py"},
                r"models\[0\]\.command: is 'python x.py'; a list is needed",
            ),
            ({"name": "external", "command": ["python", 5]}, r"models\[0\]\.command.*: is 5; a text is needed"),
            ({"name": "external", "command": []}, r"models\[0\]\.command: is \[\]; a list with at least 1 entry"),
            (
                {"name": "external", "command": ["x"], "comand": 1},
                r"models\[0\]\.comand: no such key; did you mean 'command'",
            ),
        ],
    )
    def test_a_command_that_is_none(self, entry, message):
        with pytest.raises(InputError, match=message):
            spec(models=[entry])

    def test_the_document_gives_it_again(self):
        experiment = external(["python3", "a b.py", "{folder}"])
        assert Experiment.parse(experiment.document()) == experiment
        assert to_jsonable_python(experiment.document())["models"][0]["command"] == ["python3", "a b.py", "{folder}"]

    def test_every_seed_is_a_run_of_its_own(self):
        assert [seed for _, seed in external(["x"], seeds=[1, 2]).candidates()] == [1, 2]


class TestRefusals:
    def test_there_is_no_model_to_ask(self):
        (model,) = external(["x"]).models
        assert not leaves_model(model)
        with pytest.raises(InputError) as caught:
            require_model(model, "retraining")
        assert str(caught.value) == (
            "model 'mine': 'external' leaves lists, and retraining needs a fitted model; "
            "name another one; the lists are in recommendations.parquet of a comparison"
        )
        require_model(spec().models[0], "retraining")

    def test_a_deployment_asks_first(self):
        with pytest.raises(ExpectedError, match="model 'mine': a deployment runs no external command") as caught:
            refuse_commands(external(["x"]))
        assert "RECSYS_ALLOW_EXTERNAL=1" in str(caught.value)
        assert caught.value.exit_status == 2
        refuse_commands(spec(models=["ease"]))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*/*.yaml")), ids=lambda path: path.stem)
def test_the_examples(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for model in Experiment.load(path).models:
        if model.name == "external":
            assert model.command[0].endswith(".venv/bin/python")  # there once the README was followed
            assert Path(model.command[1]) in path.parent.glob("*.py")
            assert "{folder}" in model.command
            compile(Path(model.command[1]).read_text(), model.command[1], "exec")
