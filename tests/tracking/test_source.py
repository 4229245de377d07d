"""The tags that name the commit a run was made from."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from recsys.tracking.source import source_tags


@pytest.fixture
def git(monkeypatch):
    """Answers git's questions: the commit and the changes."""
    answers = {}

    def run(command, **options):
        assert command[0] == "git"
        found = answers[command[1]]
        if isinstance(found, Exception):
            raise found
        return SimpleNamespace(stdout=found)

    monkeypatch.setattr(subprocess, "run", run)
    return answers


@pytest.mark.parametrize(("changes", "dirty"), [("", "false"), (" M recsys/config.py\n", "true")])
def test_a_checkout(git, changes, dirty):
    git |= {"rev-parse": "abc123\n", "status": changes}
    assert source_tags.__wrapped__() == {
        **{"git.commit": "abc123", "git.dirty": dirty, "mlflow.source.git.commit": "abc123"},
    }


@pytest.mark.parametrize(
    "error",
    [subprocess.CalledProcessError(128, "git"), FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)],
)
def test_no_checkout_or_no_git(git, error):
    git |= {"rev-parse": error}
    assert source_tags.__wrapped__() == {}
