"""The `recsys` command in this process."""

from __future__ import annotations

import sys

import pytest


def answer_to(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Exit status of the command, what stands on standard output and on standard error."""
    from flows.cli import main

    monkeypatch.setattr(sys, "argv", ["recsys", *words])
    status = 0
    try:
        main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    out, err = capsys.readouterr()
    return status, out, err
