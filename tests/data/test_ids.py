"""Ids from several columns: integers where all are, strings else, and an order that everybody knows."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.ids import encode


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ([["10", "9", "-3"]], [-3, 9, 10]),
        ([[10, 9, -3]], [-3, 9, 10]),
        ([[10, 9], ["9", "7"]], [7, 9, 10]),
        ([[10, 9], ["09"]], ["09", "10", "9"]),
        ([["1", "+1"]], ["+1", "1"]),
        ([["0", "-0"]], ["-0", "0"]),
        ([["1", " 1"]], [" 1", "1"]),
        ([["1", "0x1"]], ["0x1", "1"]),
        ([[str(2**63 - 1), str(-(2**63))]], [-(2**63), 2**63 - 1]),
        ([[str(2**63)]], [str(2**63)]),
        ([["b", "B", "a", "ä", "😀", "\uffee"]], ["B", "a", "b", "ä", "\uffee", "😀"]),
        ([[1, "x"]], ["1", "x"]),
        ([[], []], []),
    ],
)
def test_kind_and_order(columns: list[list[Any]], wanted: list[Any]) -> None:
    found, codes = encode([pd.Series(column, dtype=object) for column in columns])
    assert found.tolist() == wanted
    assert found.dtype == (object if wanted and isinstance(wanted[0], str) else np.int64)
    as_wanted = type(wanted[0]) if wanted else int
    for column, code in zip(columns, codes, strict=True):
        assert found[code].tolist() == [as_wanted(one) for one in column]
        assert code.dtype == np.int32


def test_missing_ids_are_minus_one() -> None:
    for column in (pd.Series(["b", None, "a"]), pd.Series(["b", None, "a"], dtype="category")):
        assert encode([column])[1][0].tolist() == [1, -1, 0]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_strings_come_back_in_the_order_of_code_points(values: list[str]) -> None:
    found, (codes,) = encode([pd.Series([*values, "x"], dtype="str")])
    assert found.tolist() == sorted({*values, "x"})
    assert found[codes].tolist() == [*values, "x"]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers_come_back_in_the_order_of_numbers(values: list[int]) -> None:
    for column in (pd.Series(values, dtype="int64"), pd.Series(list(map(str, values)), dtype="category")):
        found, (codes,) = encode([column])
        assert found.tolist() == sorted(set(values))
        assert found[codes].tolist() == values
