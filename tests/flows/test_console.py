"""What a run shows in the terminal: a line a stage and model, a bar where there is a terminal."""

from __future__ import annotations

import io

import pytest
from made import spec
from rich.console import Console

from flows import console as console_module
from flows.console import TerminalReporter
from tasks.context import Cell


def cell(seed=1, name="ease"):
    return Cell(model=spec(models=[{"name": name}]).models[0], seed=seed, fold=0)


def step(epoch, epochs=10, phase="fit"):
    return {"phase": phase, "epoch": epoch, "epochs": epochs, "loss": 0.5}


@pytest.fixture
def reporter():
    return TerminalReporter(Console(file=io.StringIO(), width=100, color_system=None))


@pytest.fixture
def lines(reporter):
    def said():
        return [line.rstrip() for line in reporter.console.file.getvalue().splitlines()]

    return said


@pytest.fixture
def clock(monkeypatch):
    """The time, as the test says."""
    now = [100.0]
    monkeypatch.setattr(console_module.time, "monotonic", lambda: now[0])
    return now


class TestLines:
    def test_the_name_of_a_stage_stands_once(self, reporter, lines):
        reporter.stage("data", "100 rows")
        reporter.stage("data", "3 users")
        reporter.stage("split", "80 train [random]")
        reporter.stage("data", "again")
        assert lines() == ["data     100 rows", "         3 users", "split    80 train [random]", "data     again"]

    def test_what_was_done_before_says_so_once(self, reporter, lines):
        reporter.stage("data", "100 rows", cached=True)
        reporter.stage("data", "3 users", cached=True)
        assert lines() == ["data     100 rows (done before)", "         3 users"]

    def test_a_warning_in_full(self, reporter, lines):
        text = "times overlap [row 3]; " + "x" * 150
        reporter.stage("split", "a")
        reporter.warn(text)
        reporter.stage("split", "b")
        assert lines() == ["split    a", f"warning  {text}", "split    b"]

    @pytest.mark.parametrize("how", [{}, {"cached": True}, {"failed": True}])
    def test_a_model_that_is_done(self, reporter, lines, how):
        reporter.begin(cell())
        reporter.end(cell(), "fitted in 1.2 s", **how)
        assert lines() == ["model    ease seed 1              fitted in 1.2 s"]

    def test_a_failure_with_brackets(self, reporter, lines):
        reporter.end(cell(), "KeyError: [/red] 'x'", failed=True)
        assert lines() == ["model    ease seed 1              KeyError: [/red] 'x'"]


class TestProgress:
    def test_without_a_terminal_a_line_now_and_then(self, reporter, lines, clock):
        reporter.start()
        reporter.begin(cell())
        for epoch in range(1, 10):
            clock[0] += 4
            reporter.step(cell(), step(epoch))
        reporter.end(cell(), "done")
        reporter.stop()
        assert lines() == [
            "model    ease seed 1              fit epoch 3 of 10",
            "model    ease seed 1              fit epoch 6 of 10",
            "model    ease seed 1              fit epoch 9 of 10",
            "model    ease seed 1              done",
        ]

    def test_several_models_have_their_own_time(self, reporter, lines, clock):
        reporter.begin(cell())
        clock[0] += 8
        reporter.begin(cell(2))
        clock[0] += 4
        reporter.step(cell(2), step(1))
        reporter.step(cell(), step(1))
        assert lines() == ["model    ease seed 1              fit epoch 1 of 10"]

    def test_a_terminal_gets_a_bar_with_the_time_left(self, clock, monkeypatch):
        reporter = TerminalReporter(Console(file=io.StringIO(), width=120, force_terminal=True))
        reporter.begin(cell())
        clock[0] += 20
        reporter.step(cell(), step(4, phase="validation"))
        (bar,) = reporter._progress.tasks
        assert (bar.description, bar.completed, bar.total) == ("ease seed 1", 4, 10)
        assert bar.fields["text"] == "validation epoch 4 of 10, about 30 s left at most"
        assert reporter.console.file.getvalue() == ""  # no line beside the bar
        reporter.end(cell(), "done")
        assert reporter._progress.tasks == []
        assert "done" in reporter.console.file.getvalue()
