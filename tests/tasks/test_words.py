"""Stages in words."""

from __future__ import annotations

import json

import pytest
from made import dataset, fold

from recsys.experiment.trials import TrialRecord, Tuned
from recsys.models.ease import Ease
from recsys.splits.account import account
from recsys.store import Ref
from tasks.words import fit_line, split_lines, tuned_line


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


class TestTuning:
    def test_what_it_took_and_brought(self):
        trials = [
            TrialRecord(number=0, state="done", seconds=10.0, value=0.25, settings={"regularization": 500.0}),
            TrialRecord(number=1, state="pruned", seconds=1.0, settings={"regularization": 10.0}),
            TrialRecord(number=2, state="failed", seconds=1.0, settings={"regularization": 11.0}),
            TrialRecord(number=3, state="done", seconds=2.5, value=0.5, settings={"regularization": 80.0}),
        ]
        ease = Ease.Config()
        assert tuned_line(Tuned.of(ease, "ndcg@10", trials), ease) == (
            "tuned by 4 trials (1 pruned, 1 failed) in 14.5 s: validation ndcg@10 0.2500 -> 0.5000; "
            "regularization 500.0 -> 80.0"
        )
        first = Tuned.of(ease, "ndcg@10", trials[:1])
        assert tuned_line(first, ease).endswith(
            "tuned by 1 trial in 10.0 s: validation ndcg@10 0.2500 -> 0.2500; settings as they were"
        )
        assert tuned_line(first, ease, cached=True) == "tuned before"


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
