"""The laws of cost against the measurements that are kept, and the page that shows both."""

from __future__ import annotations

import json

import pytest
import yaml
from made.scripts import opened

from recsys.models.ease import Ease
from recsys.models.requirements import bytes_before


@pytest.fixture(scope="module")
def script():
    return opened("scripts/cost_laws.py")


def test_what_a_comparison_took_is_what_its_fits_took(script, tmp_path):
    (tmp_path / "spec.yaml").write_text(
        yaml.safe_dump({"refit": True, "models": [{"name": "ease", "label": "linear"}]})
    )
    parts = {"train": {"users": 90, "items": 40, "rows": 900}, "validation": {"rows": 100}}
    (tmp_path / "manifest.json").write_text(json.dumps({"split": {"folds": [parts]}}))
    board = "model,cpu_seconds,peak_memory_mb\nlinear,12.5,400\nrandom,1,200\n"
    (tmp_path / "leaderboard.csv").write_text(board)
    linear, random = script.from_comparison(tmp_path)
    assert linear["model"], random["model"] == ("ease", "random")
    assert (linear["shape"], linear["settings"], linear["seconds"]) == ((90, 40, 1000), {}, 12.5)
    assert linear["megabytes"] == pytest.approx(400 - bytes_before(1000) / 1e6, abs=0.1)


def test_how_far_off_is_a_geometric_mean(script):
    law = Ease(Ease.Config()).seconds(6_000, 4_000, 10**6)
    rows = [
        {"model": "ease", "shape": (6_000, 4_000, 10**6), "settings": {}, "seconds": times * law, "megabytes": 1.0}
        for times in (2, 8)
    ]
    assert script.off(rows, "seconds") == ("4.00", "2.00–8.00")
    assert script.off(rows, "megabytes") == ("", "")


def test_the_page_is_current(script):
    page = script.PAGE.read_text()
    assert (
        opened("scripts/models_table.py").written(page, script.table(script.read_measured()), script.BEGIN, script.END)
        == page
    )


@pytest.mark.parametrize("what", ["seconds", "megabytes"])
def test_the_laws_hold_what_was_measured(script, what):
    """Within a factor of five: processors differ, and what is short is mostly overhead."""
    rows = script.long_enough(script.read_measured(), what)
    assert len(rows) >= 10
    for row, ratio in zip(rows, script.ratios(rows, what), strict=True):
        assert 1 / 5 < ratio < 5, row
