"""Stages in words."""

from __future__ import annotations

import json

import pytest
from made import dataset, fold

from recsys.splits.account import account
from recsys.store import Ref
from tasks.words import fit_line, split_lines


class TestSplit:
    def test_a_fold(self):
        rows = [*((user, item) for user in range(3) for item in range(40)), (3, 1), (0, 50)]
        data = dataset(rows)
        part = fold(data, test=[0, 120, 121], validation=[1], history=[2])
        assert split_lines(account(data, part, None), "") == [
            "117 train, 1 validation, 3 test, 1 history; 1 warm test user, 1 cold user, 1 cold item"
        ]

    def test_large_numbers_unused_rows_and_a_name(self):
        parts = {part: {"rows": 0} for part in ("validation", "history")}
        counts = {"train": {"rows": 1_234_567}, "test": {"rows": 1000}, **parts}
        told = {"unused": 5000, "warm_test_users_with_positives": 2000, "cold_users": 0, "cold_items": 0}
        assert split_lines({**counts, **told}, "window 2") == [
            "window 2: 1,234,567 train, 1,000 test, 5,000 unused; 2,000 warm test users, 0 cold users, 0 cold items"
        ]


class TestFit:
    @pytest.mark.parametrize(
        ("measured", "line"),
        [
            ({"fit_seconds": 1.26, "peak_memory_mb": 1234.5}, "fitted in 1.3 s, 1,234 MB"),
            (
                {"fit_seconds": 2.0, "peak_memory_mb": 80.0, "best_epoch": 7},
                "fitted in 2.0 s, 80 MB, 7 epochs chosen on validation",
            ),
        ],
    )
    def test_what_it_took(self, tmp_path, measured, line):
        (tmp_path / "measured.json").write_text(json.dumps(measured))
        assert fit_line(Ref(stage="fit", key="k", digest="d", folder=tmp_path)) == line

    def test_it_was_there(self, tmp_path):
        assert fit_line(Ref(stage="fit", key="k", digest="d", folder=tmp_path, cached=True)) == "fitted before"
