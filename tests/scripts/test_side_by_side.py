"""How far lists of two frameworks agree."""

from __future__ import annotations

import pandas as pd
import pytest
from made.scripts import opened

from recsys.experiment.spec import Experiment


@pytest.fixture(scope="module")
def script():
    return opened("examples/tfrs/side_by_side.py")


def rows(model, seed, lists):
    return [
        {"model": model, "seed": seed, "user": user, "item": item, "rank": rank}
        for user, items in lists.items()
        for rank, item in enumerate(items, start=1)
    ]


@pytest.fixture(scope="module")
def lists(script):
    found = rows("tfrs", 1, {5: [1, 2, 9], 6: [3, 4, 9]}) + rows("torch", 1, {5: [2, 7, 1], 6: [3, 4, 1]})
    found += rows("torch", 2, {5: [8, 7, 1], 6: [3, 5, 1]}) + rows("random", 1, {5: [6, 4, 1]})
    return script.lists_of(pd.DataFrame(found), ["tfrs", "torch"], k=2)


def test_agreement_by_hand(script, lists):
    found = script.agreement(lists, {"few": [6], "many": [5]})
    # Only the first two count: user 5 shares item 2 and user 6 both; between the seeds 7 and 3.
    assert found.loc["tfrs and torch"].tolist() == [1.5, 2, 1]
    assert found.loc["torch, another seed"].tolist() == [1, 1, 1]
    assert list(found.index) == ["tfrs and torch", "torch, another seed"]


def test_users_by_what_they_have_taken(script):
    found = script.bands(pd.Series({1: 20, 2: 21, 3: 99, 4: 100}))
    assert [users.tolist() for users in found.values()] == [[1], [2, 3], [4]]


def test_a_table_by_hand(script):
    table = script.told({"tfrs": [1, 2], "torch": [2, 3]}, pd.Series({1: "A", 2: "B", 3: "C"}), {2})
    assert script.markdown(table).splitlines() == [
        "|  | tfrs | torch |",
        "| --- | --- | --- |",
        "| 1 | A | B * |",
        "| 2 | B * | C |",
    ]


def test_both_frameworks_get_the_same_settings(script):
    spec = Experiment.load(script.SPEC)
    given = {model.row: model for model in spec.models}
    torch = given["torch"]
    for label in ("tfrs", "tfrs-corrected"):
        command = given[label].command
        settings = {
            name: command[command.index(name) + 1]
            for name in command
            if name.startswith("--") and name != "--corrected"
        }
        assert settings == {
            "--epochs": str(torch.epochs),
            "--embedding-size": str(torch.embedding_size),
            "--batch-size": "1024",
            "--optimizer": torch.optimizer,
            "--learning-rate": f"{torch.learning_rate:g}",
        }
