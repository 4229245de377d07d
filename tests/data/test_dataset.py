"""Entities: positions of ids, however they are written."""

import numpy as np
import pandas as pd
import pytest

from recsys.data.dataset import Entities, in_time

INTEGERS = Entities(np.array([-5, 7, 10]), pd.DataFrame(index=range(3)), {})
STRINGS = Entities(np.array(["07", "10", "b"], dtype=object), pd.DataFrame(index=range(3)), {})


@pytest.mark.parametrize(
    ("entities", "ids", "wanted"),
    [
        (INTEGERS, [10, 8, -5], [2, -1, 0]),
        (INTEGERS, ["10", "07", "b", "-5"], [2, -1, -1, 0]),
        (INTEGERS, [str(2**70)], [-1]),
        (INTEGERS, pd.Categorical(["7", None, "8", "7"]), [1, -1, -1, 1]),
        (STRINGS, ["b", "7", "07"], [2, -1, 0]),
        (STRINGS, [10, 7], [1, -1]),
        (STRINGS, pd.Categorical([10, 7]), [1, -1]),
        (STRINGS, [], []),
        (INTEGERS, [], []),
    ],
)
def test_positions(entities: Entities, ids: list[object], wanted: list[int]) -> None:
    assert entities.positions(ids).tolist() == wanted


def test_an_id_given_as_text() -> None:
    assert [INTEGERS.parse(text) for text in ("7", "8", "x", "")] == [1, -1, -1, -1]
    assert [STRINGS.parse(text) for text in ("07", "7")] == [0, -1]


def test_equal_times_keep_the_order_of_rows() -> None:
    assert in_time(np.array([5, 3, 5, 3]), 4).tolist() == [1, 3, 0, 2]
    assert in_time(None, 3).tolist() == [0, 1, 2]
