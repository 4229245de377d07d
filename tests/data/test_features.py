"""Kinds of feature columns, and features as a sparse matrix of ones."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recsys.data.dataset import Entities
from recsys.data.features import describe, one_hot, titles
from recsys.errors import InputError

NAN = np.nan


def entities(**columns: Any) -> Entities:
    frame, kinds = describe(pd.DataFrame(columns), "t.csv")
    return Entities(np.arange(len(frame)), frame, kinds)


@pytest.mark.parametrize(
    ("values", "kind", "wanted"),
    [
        (["1", "2.5", "", "-3"], "number", [1, 2.5, NAN, -3]),
        ([1, 2, 3], "number", [1, 2, 3]),
        ([1.0, NAN, np.inf], "number", [1, NAN, NAN]),
        (["1", "NaN", "3"], "number", [1, NAN, 3]),
        ([True, False, None], "category", ["true", "false", NAN]),
        (["red", " red ", "blue", ""], "category", ["red", "red", "blue", NAN]),
        (["01", "02", "01"], "category", ["01", "02", "01"]),
        (["a", "b", "c"], "text", ["a", "b", "c"]),
        (["a long story of many words that never comes again"] * 2 + ["b"], "category", None),
        (["a long story of many words, longer than any category is"] * 2 + ["b" * 60], "text", None),
        (["x|y", "y", None, "z|x"], "labels", ["x|y", "y", NAN, "z|x"]),
        ([["x", "y"], ["y"], None, []], "labels", ["x|y", "y", NAN, NAN]),
        ([np.array(["x", "y"]), np.array(["y"])], "labels", ["x|y", "y"]),
        ([{"y", "x"}, {"y"}], "labels", ["x|y", "y"]),
        ([None, None], "text", [NAN, NAN]),
        ([dt.datetime(1970, 1, 2), None, dt.datetime(1970, 1, 3, 12)], "number", [1, NAN, 2.5]),
    ],
)
def test_kinds(values: list[Any], kind: str, wanted: list[Any] | None) -> None:
    frame, kinds = describe(pd.DataFrame({"x": pd.Series(values)}), "t.csv")
    assert kinds == {"x": kind}
    if wanted is not None:
        assert [NAN if one != one else one for one in frame["x"]] == pytest.approx(wanted, nan_ok=True)


def test_a_title_is_text_even_where_titles_recur() -> None:
    assert entities(title=["A", "A", "B"]).kinds == {"title": "text"}


def test_texts_with_pipes_of_which_none_recurs_are_text() -> None:
    assert entities(x=[f"story {n} | chapter {n}" for n in range(30)]).kinds == {"x": "text"}


def test_a_list_with_the_separator_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"t\.csv: a label of column 'x' holds '\|', which separates labels; replace it"
    ):
        entities(x=[["a|b"], ["c"]])


def test_titles_fall_back_to_the_id() -> None:
    assert titles(Entities(np.array([3, 5]), pd.DataFrame({"title": ["T", NAN]}), {"title": "text"})).tolist() == [
        "T",
        "5",
    ]
    assert titles(Entities(np.array(["x"], dtype=object), pd.DataFrame(index=[0]), {})).tolist() == ["x"]


class TestOneHot:
    table = entities(
        title=["A", "B", "C", "D"],
        genres=["x|y", "y|y", None, "z"],
        colour=["red", None, None, "red"],
        year=[1990, 2000, None, 1990],
    )

    def test_by_hand(self) -> None:
        matrix, names = one_hot(self.table)
        assert names == ["genres=x", "genres=y", "genres=z", "colour=red", "year=1990", "year=2000"]
        assert matrix.toarray().tolist() == [
            [1, 1, 0, 1, 1, 0],
            [0, 1, 0, 0, 0, 1],
            [0, 0, 0, 0, 0, 0],
            [0, 0, 1, 1, 1, 0],
        ]
        assert matrix.dtype == np.float32

    def test_normalized_rows_sum_to_one_or_nothing(self) -> None:
        matrix, _ = one_hot(self.table, normalize=True)
        assert matrix.sum(axis=1).tolist() == pytest.approx([1, 1, 0, 1])

    def test_numbers_fall_into_quantiles_of_like_size(self) -> None:
        matrix, names = one_hot(entities(x=np.arange(1000.0) ** 2), buckets=4)
        assert names == ["x=0 to 62001", "x=62500 to 249001", "x=250000 to 561001", "x=562500 to 998001"]
        assert matrix.sum(axis=0).tolist() == [250, 250, 250, 250]

    @pytest.mark.parametrize("values", [[1.0] * 999 + [2.0], [0.0] * 500 + list(range(500)), [NAN] * 5, [7.0] * 5])
    def test_every_value_has_one_bucket(self, values: list[float]) -> None:
        matrix, names = one_hot(entities(x=values))
        assert matrix.sum() == np.count_nonzero(~np.isnan(values))
        assert matrix.shape == (len(values), len(names))
        assert (matrix.sum(axis=0) > 0).all()

    def test_no_features(self) -> None:
        matrix, names = one_hot(Entities(np.arange(3), pd.DataFrame(index=range(3)), {}))
        assert (matrix.shape, names) == ((3, 0), [])

    def test_known_features_come_first_and_keep_their_buckets(self) -> None:
        _, known = one_hot(entities(x=np.arange(1000.0) ** 2, colour=["red", "blue"] * 500), buckets=4)
        later = entities(x=[-5.0, 62000.0, 62500.0, 1e9, NAN], colour=["green", "red", "green", "green", "red"])
        matrix, names = one_hot(later, buckets=2, known=known)
        assert names == [*known, "colour=green"]
        assert matrix.toarray().tolist() == [
            [1, 0, 0, 0, 0, 0, 1],
            [1, 0, 0, 0, 0, 1, 0],
            [0, 1, 0, 0, 0, 0, 1],
            [0, 0, 0, 1, 0, 0, 1],
            [0, 0, 0, 0, 0, 1, 0],
        ]
        assert one_hot(Entities(np.arange(2), pd.DataFrame(index=range(2)), {}), known=known)[0].shape == (2, 6)

    def test_numbers_known_by_words_are_refused(self) -> None:
        with pytest.raises(InputError, match="column 'x' holds numbers, and held other things when the model was"):
            one_hot(entities(x=[1, 2]), known=["x=red"])
