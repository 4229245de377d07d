"""The score in docs/reliability.md is what its rows say, and every test it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## [A-Z]\w+: ([\d.]+)\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (\d+) \| .+? \| ([\d.]+) \| .+ \| (.*)\|$", re.MULTILINE)


def test_the_score_is_the_least_of_the_sums() -> None:
    sums = []
    for said, rows in SECTION.findall(PAGE):
        sums.append(sum(float(points) for _, points, _ in ROW.findall(rows)))
        assert sums[-1] == float(said)
    assert len(sums) == 4
    assert f"The score is {min(sums):g}." in PAGE


def test_28_rows_and_whole_points_have_a_test() -> None:
    rows = ROW.findall(PAGE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 29))
    assert {float(points) for _, points, _ in rows} == {0.5, 1.0}
    for number, points, proof in rows:
        assert bool(proof.strip()) == (float(points) == 1), number


def test_every_test_named_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) >= 28 - PAGE.count("| 0.5 |")
    for file, name in named:
        assert re.search(rf"^\s*(def|class) {name}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), name
