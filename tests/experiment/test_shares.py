"""The users of a fitted model shared out: joined, the lists are those that one process makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made import job, spec, world

from recsys.experiment import remote_shares
from recsys.experiment.fit import NOBODY, fit_and_recommend
from recsys.experiment.lists import ARRAYS, Lists
from recsys.experiment.remote_shares import join, shares_of
from recsys.retrieval import lists

METRICS = {"k": [3], "primary": "ndcg@3", "metrics": ["ndcg", "auc", "topk_accuracy", "rmse"]}


def done(asked, folder: Path, **changes) -> Path:
    """What the child process of a job leaves."""
    folder.mkdir()
    fit_and_recommend(asked.model_copy(update=changes), folder, folder.parent / "checkpoint", lambda step: None)
    return folder


@pytest.mark.parametrize("name", ["ease", "mf", "popularity"])
@pytest.mark.parametrize("n_shares", [2, 20])
def test_joined_they_are_the_lists_of_one_process(tmp_path, monkeypatch, name, n_shares):
    monkeypatch.setattr(lists, "CELLS_A_BLOCK", 48)  # four users at once
    data, part = world()
    asked = job(tmp_path, data, part, spec(models=[name], evaluation=METRICS))
    whole = Lists.load(done(asked, tmp_path / "whole"))
    fit = done(asked, tmp_path / "fit", share=NOBODY)
    assert not (fit / "items.npy").exists()
    model, numbers = fit / "model", range(n_shares)
    shares = [done(asked, tmp_path / f"{number}", fitted=model, share=(number, n_shares)) for number in numbers]
    sizes = [len(Lists.load(share).users) for share in shares]
    assert sum(sizes) == len(whole.users) == 60
    assert max(sizes) <= 4 * -(-15 // n_shares)
    for folder in (fit, *shares):
        measured = json.loads((folder / "measured.json").read_text())
        (folder / "measured.json").write_text(json.dumps(measured | {"cpu_seconds": 1.0, "peak_memory_mb": 80.0}))
    join(shares, fit)
    found = Lists.load(fit)
    for array in ARRAYS:
        np.testing.assert_array_equal(getattr(found, array), getattr(whole, array), err_msg=array)
    measured = json.loads((fit / "measured.json").read_text())
    assert (measured["cpu_seconds"], measured["peak_memory_mb"]) == (1.0 + n_shares, 80.0)
    assert measured["recommend_seconds"] > 0
    assert not any(share.exists() for share in shares)


@pytest.mark.parametrize(("a_share", "a_block", "shares"), [(100, 1, 1), (20, 1, 3), (20, 30, 2), (1, 61, 1)])
def test_no_more_than_are_worth_it(tmp_path, monkeypatch, a_share, a_block, shares):
    monkeypatch.setattr(remote_shares, "USERS_A_SHARE", a_share)
    monkeypatch.setattr(remote_shares, "block_size", lambda n_items: a_block)
    assert shares_of(job(tmp_path, *world(), spec())) == shares


def test_a_model_that_makes_its_lists_itself_makes_all(tmp_path, monkeypatch):
    monkeypatch.setattr(remote_shares, "USERS_A_SHARE", 1)
    monkeypatch.setattr(remote_shares, "block_size", lambda n_items: 1)
    experiment = spec(models=[{"name": "external", "command": ["true"]}])
    assert shares_of(job(tmp_path, *world(), experiment)) == 1


def test_who_does_what_share_is_no_part_of_the_question(tmp_path):
    asked = job(tmp_path, *world(), spec())
    assert asked.model_copy(update={"share": (3, 4), "fitted": tmp_path}).question() == asked.question()
