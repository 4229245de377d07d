"""The fold that settings are tuned on: the validation rows in place of the test rows."""

from __future__ import annotations

import numpy as np
import pytest
from made import dataset, fold

from recsys.errors import InputError
from recsys.splits.tuning import tuning_fold

DATA = dataset([(user, item) for user in range(4) for item in range(5)])


def test_the_test_rows_are_not_in_it():
    part = fold(DATA, test=[0, 5], validation=[1, 6])
    found = tuning_fold(DATA, part)
    assert found.train.tolist() == part.train.tolist()
    assert (found.validation.tolist(), found.test.tolist()) == ([1, 6], [1, 6])
    assert not np.isin(np.concatenate([found.train, found.test, found.history]), part.test).any()


def test_only_users_of_the_validation_part_show_their_history():
    """User 0 is held out for the validation, user 1 for the test."""
    part = fold(DATA, test=[7, 8], validation=[2, 3], history=[0, 1, 5, 6])
    assert tuning_fold(DATA, part).history.tolist() == [0, 1]


def test_a_validation_part_that_came_out_empty():
    with pytest.raises(InputError, match="came out empty, and tuning needs it; raise split") as caught:
        tuning_fold(DATA, fold(DATA, test=[0]))
    assert caught.value.place == "split.validation"
