"""What every command shares: one object for programs, lines for people, and how it ends."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from sqlalchemy.exc import DatabaseError

from flows import command as command_module
from flows.command import INTERRUPTED, TERMINATED, Speech, Terminated, again, command, run_app, typed
from recsys.errors import InputError, RunError


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """A command line, and the handler of TERM as it was."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/recsys", "compare", "my spec.yaml", "--set", "k=[5]"])
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


AGAIN = "recsys compare 'my spec.yaml' --set 'k=[5]'"


class TestSpeech:
    def test_to_people(self, capsys):
        speech = Speech()
        speech.say("a [red]line[/red] " + "x" * 300)
        speech.answer({"out": "x"})
        out, err = capsys.readouterr()
        assert out == "a [red]line[/red] " + "x" * 300 + "\n"
        assert err == ""

    def test_to_programs(self, capsys):
        speech = Speech(json=True)
        speech.say("a line")
        speech.answer({"out": "x", "none": None})
        out, err = capsys.readouterr()
        assert json.loads(out) == {"out": "x", "none": None}
        assert out.count("\n") == 1
        assert err == "a line\n"

    def test_quietly(self, capsys):
        Speech(quiet=True).say("a line")
        assert capsys.readouterr().out == ""

    def test_a_number_that_is_none_is_no_json(self):
        with pytest.raises(ValueError, match="JSON"):
            Speech(json=True).answer({"x": float("nan")})

    def test_a_table_in_a_file_is_not_cut(self, capsys):
        assert Speech().console.width == command_module.FILE_WIDTH

    def test_progress_now_and_then(self, capsys, monkeypatch):
        now = [0.0]
        monkeypatch.setattr(command_module.time, "monotonic", lambda: now[0])
        tell = Speech().progress()
        for seconds, done, total in ((1, 1, 10), (6, 5_000_000, 10_000_000), (7, 6, 10), (12, 7_000_000, None)):
            now[0] = seconds
            tell("u.data", done, total)
        assert capsys.readouterr().out == "u.data: 50% of 10 MB\nu.data: 7 MB\n"


class TestEnd:
    def ended(self, capsys, error, **speech):
        with pytest.raises(SystemExit) as caught, command(Speech(**speech)):
            raise error
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    def test_well(self, capsys):
        with command(Speech()):
            pass
        assert capsys.readouterr() == ("", "")

    def test_wrong_input(self, capsys):
        status, out, err = self.ended(capsys, InputError("x.yaml: seeds", "is 5", "a list is needed"))
        assert (status, out) == (2, "")
        assert err == f"x.yaml: seeds: is 5; a list is needed\nthen run again: {AGAIN}\n"

    def test_a_failure_while_running(self, capsys):
        status, out, err = self.ended(capsys, RunError("ease", "ran out of its 5 seconds"))
        assert (status, out) == (1, "")
        assert err == f"ease: ran out of its 5 seconds\ngo on with: {AGAIN}\n"

    def test_the_same_for_programs(self, capsys):
        status, out, err = self.ended(capsys, InputError("x.yaml", "is empty", "fill it"), json=True)
        assert status == 2
        assert json.loads(out) == {"error": {"place": "x.yaml", "message": "is empty", "remedy": "fill it"}}
        assert err.startswith("x.yaml: is empty; fill it\n")

    @pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), INTERRUPTED), (Terminated(), TERMINATED)])
    def test_it_was_stopped(self, capsys, error, status):
        found, out, err = self.ended(capsys, error, json=True)
        assert found == status
        assert json.loads(out)["error"] == {"place": "", "message": "stopped", "remedy": AGAIN}
        assert err == f"stopped; what was finished is kept\ngo on with: {AGAIN}\n"

    def test_by_a_signal(self, capsys):
        with pytest.raises(SystemExit) as caught, command(Speech()):
            signal.raise_signal(signal.SIGTERM)
        assert caught.value.code == TERMINATED

    def test_a_bug(self, capsys, home):
        status, out, err = self.ended(capsys, ZeroDivisionError("first\nsecond"), json=True)
        assert status == 1
        (log,) = (home / "logs").glob("error-*.log")
        assert "ZeroDivisionError: first" in log.read_text()
        assert "Traceback" in log.read_text()
        assert "Traceback" not in err
        assert err.startswith(f"unexpected error: ZeroDivisionError: first; the traceback is in {log}\n")
        assert json.loads(out)["error"]["remedy"] == f"this is a bug; the traceback is in {log}"

    def test_a_bug_in_a_home_that_cannot_be_written(self, capsys, home):
        home.write_text("no folder")
        _, _, err = self.ended(capsys, ZeroDivisionError("x"))
        assert "the traceback is in no file (the home cannot be written)" in err

    @pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 1), (errno.EACCES, 2)])
    def test_a_place_that_cannot_be_written(self, capsys, number, status):
        found, _, err = self.ended(capsys, OSError(number, os.strerror(number), "/out/x"))
        assert found == status
        assert err.startswith("/out/x: cannot be written (")

    def test_a_damaged_database(self, capsys, home):
        found, _, err = self.ended(capsys, DatabaseError("", None, sqlite3.DatabaseError("image is malformed")))
        assert found == 2
        assert err.startswith(f"{home / 'mlflow.db'}: is damaged (image is malformed); put a copy of it there, or")

    def test_another_error_of_the_system_is_a_bug(self, capsys):
        status, _, err = self.ended(capsys, OSError(errno.EBADF, "Bad file descriptor"))
        assert status == 1
        assert "unexpected error: OSError" in err

    def test_nobody_reads_any_more(self):
        program = (
            "from flows.command import Speech, command\n"
            "with command(Speech()):\n"
            "    for _ in range(100_000): Speech().say('line')\n"
        )
        script = f'"{sys.executable}" -c "$1" | head -1; exit "${{PIPESTATUS[0]}}"'
        done = subprocess.run(["bash", "-c", script, "sh", program], capture_output=True, text=True, check=False)
        assert done.stdout == "line\n"
        assert done.stderr == ""
        assert done.returncode == 1


class TestUsage:
    @pytest.fixture
    def app(self):
        app = typer.Typer()

        @app.command()
        def compare(spec: str, times: int = 1, code: int = 0) -> None:
            if code:
                raise typer.Exit(code)

        @app.command()
        def stop() -> None:
            raise typer.Abort

        return app

    def ended(self, app, monkeypatch, *arguments):
        monkeypatch.setattr(sys, "argv", ["recsys", *arguments])
        with pytest.raises(SystemExit) as caught:
            run_app(app)
        return caught.value.code

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["compare"], "Missing argument"),
            (["compare", "x", "--foo"], "No such option: --foo"),
            (["compare", "x", "--times", "many"], "Invalid value for '--times'"),
            (["comprae"], "No such command 'comprae'"),
        ],
    )
    def test_wrong_usage_is_one_line(self, app, monkeypatch, capsys, arguments, message):
        assert self.ended(app, monkeypatch, *arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert message in err
        assert err.count("\n") == 1
        assert err.rstrip().endswith("--help")

    def test_for_programs(self, app, monkeypatch, capsys):
        assert self.ended(app, monkeypatch, "compare", "x", "--foo", "--json") == 2
        assert "No such option" in json.loads(capsys.readouterr().out)["error"]["message"]

    def test_an_exit_and_an_abort(self, app, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["recsys", "compare", "x"])
        run_app(app)
        assert self.ended(app, monkeypatch, "stop") == INTERRUPTED


def test_the_command_to_go_on_with():
    assert again() == AGAIN


RECSYS = str(Path(sys.executable).with_name("recsys"))


class TestStreams:
    """What is printed where it cannot be: no traceback, and the status of what was done."""

    @pytest.fixture
    def shell(self, tmp_path):
        def do(line, **environment):
            said = subprocess.run(
                ["sh", "-c", line.replace("recsys", RECSYS)],
                capture_output=True,
                cwd=tmp_path,
                env={**os.environ, "RECSYS_HOME": str(tmp_path / "home"), **environment},
                timeout=60,
                check=False,
            )
            assert b"Traceback" not in said.stderr + said.stdout
            assert b"unexpected" not in said.stderr
            return said.returncode, said.stdout.decode(), said.stderr.decode()

        return do

    @pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
    def test_closed(self, shell, closed):
        assert shell(f"recsys models {closed}")[0] == 0
        assert shell(f"recsys models --json {closed}")[0] == 0
        assert shell(f"recsys compare nosuch.yaml {closed}")[0] == 2

    @pytest.mark.parametrize("words", ["models", "models --json", "--help"])
    def test_full(self, shell, words):
        status, _, err = shell(f"recsys {words} >/dev/full")
        assert status == 1
        assert "cannot be written (No space left on device)" in err

    def test_nowhere_to_complain(self, shell):
        assert shell("recsys compare nosuch.yaml 2>/dev/full")[0] == 2

    @pytest.mark.parametrize(
        "environment",
        [{"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}],
    )
    def test_characters_that_the_encoding_lacks(self, shell, environment):
        status, out, _ = shell("recsys models", **environment)
        assert status == 0
        assert "NᵀN" in out or "N\\u1d40N" in out

    def test_arguments_that_are_no_text(self, shell):
        status, _, err = shell("recsys init \"$(printf 'ev\\377.csv')\"")
        assert status == 2
        assert "is no text in UTF-8" in err

    def test_a_working_folder_that_is_gone(self, shell, tmp_path):
        status, _, err = shell("mkdir gone && cd gone && rmdir ../gone && recsys models")
        assert status == 2
        assert "the working folder has been deleted" in err


def test_control_characters_are_shown_and_not_obeyed(capsys):
    Speech().say("title\x1b]0;mine\x07 \x9b2J end\n\tnext")
    assert capsys.readouterr().out.split() == ["title\\x1b]0;mine\\x07", "\\x9b2J", "end", "next"]


class TestACommandAsTyped:
    @pytest.fixture
    def tool(self, tmp_path, monkeypatch):
        folder = tmp_path / "my env" / "bin"
        folder.mkdir(parents=True)
        (folder / "recsys").write_text("")
        (folder / "recsys").chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(folder / "python"))
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.chdir(tmp_path)
        return folder / "recsys"

    def test_by_its_path_where_its_name_is_not_found(self, tool):
        assert typed("recsys") == "'my env/bin/recsys'"
        assert typed("no-such-tool") == "no-such-tool"

    def test_by_its_name_in_an_environment_that_is_active(self, tool, monkeypatch):
        monkeypatch.setenv("PATH", str(tool.parent))
        assert typed("recsys") == "recsys"

    def test_in_full_from_elsewhere(self, tool, monkeypatch, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert typed("recsys") == f"'{tool}'"
