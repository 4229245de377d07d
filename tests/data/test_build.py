"""Raw tables to a data set: duplicates, filters, the account of rows, and what is refused."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.build import build, check_weight
from recsys.data.config import DataOptions
from recsys.data.dataset import Dataset
from recsys.data.raw import Origin, Raw
from recsys.errors import InputError


def raw(rows: list[tuple[Any, ...]], columns: str = "user item value timestamp", **more: Any) -> Raw:
    frame = pd.DataFrame(rows, columns=columns.split()[: len(rows[0])] if rows else columns.split())
    origin = Origin("t.csv", len(frame), lambda row: row + 2)
    return Raw(frame, place="t.csv", origins={"interactions": (origin,)}, **more)


def rows_of(data: Dataset) -> list[tuple[Any, ...]]:
    columns = [data.users.ids[data.user], data.items.ids[data.item]]
    columns += [column for column in (data.value, data.timestamp, data.part) if column is not None]
    return list(zip(*(column.tolist() for column in columns), strict=True))


# A pair four times (rows 1, 2, 4, 5), in time: row 2, row 1, rows 4 and 5 together.
TWICE = [(1, 7, 2.0, 20), (2, 7, 1.0, 10), (1, 8, 5.0, 30), (1, 7, 3.0, 10), (1, 7, 4.0, 40), (1, 7, 6.0, 40)]


class TestDuplicates:
    @pytest.mark.parametrize(
        ("policy", "wanted"),
        [
            ("first", [(2, 7, 1.0, 10), (1, 8, 5.0, 30), (1, 7, 3.0, 10)]),
            ("last", [(2, 7, 1.0, 10), (1, 8, 5.0, 30), (1, 7, 6.0, 40)]),
            ("sum", [(2, 7, 1.0, 10), (1, 8, 5.0, 30), (1, 7, 15.0, 40)]),
            ("keep", TWICE),
        ],
    )
    def test_in_time(self, policy: str, wanted: list[tuple[Any, ...]]) -> None:
        data = build(raw(TWICE), DataOptions(duplicates=policy))
        assert rows_of(data) == wanted
        assert data.account["read"] == 6
        assert data.account["dropped_duplicates"] == 6 - len(wanted)
        assert data.account["kept"] == len(wanted)

    @pytest.mark.parametrize(("policy", "wanted"), [("first", 2.0), ("last", 6.0)])
    def test_without_times_the_order_of_rows_counts(self, policy: str, wanted: float) -> None:
        data = build(raw([row[:3] for row in TWICE]), DataOptions(duplicates=policy))
        assert [value for user, item, value in rows_of(data) if (user, item) == (1, 7)] == [wanted]

    @pytest.mark.parametrize("times", [1, 4])
    def test_sum_without_values_counts_rows(self, times: int) -> None:
        rows = [(1, 7)] * times + [(2, 8)]
        data = build(raw(rows), DataOptions(duplicates="sum", weight="value"))
        assert rows_of(data) == [(1, 7, times), (2, 8, 1)]

    def test_only_within_a_part(self) -> None:
        frame = raw([(1, 7, 1.0, 1, 0), (1, 7, 2.0, 2, 1), (2, 8, 1.0, 1, 0)], "user item value timestamp part")
        for policy in ("error", "first", "sum"):
            assert len(build(frame, DataOptions(duplicates=policy))) == 3

    def test_error_counts_and_names_them(self) -> None:
        with pytest.raises(InputError) as caught:
            build(raw(TWICE), DataOptions())
        assert str(caught.value) == (
            "t.csv, row 5: user 1 and item 7 are in row 2 already (2 more such rows: 6, 7); "
            "say what to do with them, data.duplicates: first, last, sum or keep"
        )

    def test_error_names_no_more_than_a_few(self) -> None:
        with pytest.raises(InputError, match=r"\(8 more such rows: 4, 5, 6, …\)"):
            build(raw([("a", "b")] * 10), DataOptions())

    @given(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-5, 5), st.integers(0, 3)), min_size=1),
        st.sampled_from(["first", "last", "sum"]),
    )
    def test_as_a_loop_does_it(self, rows: list[tuple[int, int, int, int]], policy: str) -> None:
        rows = [*rows, (8, 8, 1, 0), (9, 9, 1, 0)]
        kept: dict[tuple[int, int], tuple[int, ...]] = {}
        for number in sorted(range(len(rows)), key=lambda number: rows[number][3]):
            user, item, value, _ = rows[number]
            before = kept.get((user, item))
            if policy == "first" and before:
                continue
            kept[user, item] = (number, value + (before[1] if policy == "sum" and before else 0))
        wanted = [
            (*pair, value, rows[number][3]) for pair, (number, value) in sorted(kept.items(), key=lambda k: k[1][0])
        ]
        assert rows_of(build(raw(rows), DataOptions(duplicates=policy))) == wanted


class TestRareUsersAndItems:
    def test_dropped_until_both_hold(self) -> None:
        # Item c goes for one row, then user 3 for one row, then item b for one row, then user 2.
        rows = [(1, "a"), (1, "d"), (4, "a"), (4, "d"), (2, "a"), (2, "b"), (3, "b"), (3, "c")]
        data = build(raw(rows), DataOptions(min_user_count=2, min_item_count=2))
        assert rows_of(data) == rows[:4]
        assert data.account == {
            "read": 8,
            "dropped_duplicates": 0,
            "dropped_min_user_count": 2,
            "dropped_min_item_count": 2,
            "kept": 4,
        }
        assert data.users.ids.tolist() == [1, 4]

    def test_listed_ones_stay_in_the_tables(self) -> None:
        items = pd.DataFrame({"item": ["d", "c", "z"], "price": [1.0, 2.0, 3.0]})
        rows = [(1, "a"), (1, "d"), (4, "a"), (4, "d"), (3, "c")]
        data = build(raw(rows, items=items), DataOptions(min_item_count=2))
        assert data.items.ids.tolist() == ["a", "c", "d", "z"]
        assert data.items.ids[data.item].tolist() == ["a", "d", "a", "d"]
        np.testing.assert_array_equal(data.items.features["price"], [np.nan, 2, 1, 3])

    def test_nothing_left(self) -> None:
        with pytest.raises(InputError) as caught:
            build(raw([(1, 2), (2, 3)]), DataOptions(min_user_count=2))
        assert str(caught.value) == (
            "data.min_user_count, data.min_item_count: of the 2 rows of t.csv none is left; lower them"
        )

    def test_one_left(self) -> None:
        with pytest.raises(InputError) as caught:
            build(raw([(1, 2), (1, 3), (2, 3)]), DataOptions(min_user_count=2))
        assert str(caught.value) == (
            "t.csv: all 2 rows are of one user, 1; lower data.min_item_count and data.min_user_count"
        )

    @given(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), unique=True, min_size=1),
        st.integers(0, 4),
        st.integers(0, 4),
    )
    def test_account_is_exact_and_both_hold(self, rows: list[tuple[int, int]], users: int, items: int) -> None:
        try:
            data = build(raw(rows), DataOptions(min_user_count=users, min_item_count=items))
        except InputError:
            return
        left = rows_of(data)
        assert min(Counter(user for user, _ in left).values()) >= users
        assert min(Counter(item for _, item in left).values()) >= items
        account = dict(data.account)
        assert account.pop("read") == len(rows)
        assert account["kept"] == len(left)
        assert sum(account.values()) == len(rows)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "t.csv: there are no rows; interactions of at least two users with two items are needed"),
        ([(1, 2, np.nan), (2, 3, 1)], {}, "t.csv, row 2: value is nan, a finite number is needed; mend that row"),
        (
            [(1, 2, 1), (2, 3, np.inf), (3, 4, -np.inf)],
            {},
            "t.csv, row 3: value is inf, a finite number is needed (1 more such row; first at 3); mend that row",
        ),
        (
            [(1, 2, 1e39), (2, 3, 1)],
            {},
            "t.csv, row 2: value is 1e+39, which is too large: 3.4e38 at most; mend that row",
        ),
        ([(1, 2), (None, 3)], {}, "t.csv, row 3: user is empty, an id is needed; leave the row out"),
    ],
)
def test_refused(rows: list[tuple[Any, ...]], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        build(raw(rows), DataOptions(**options))
    assert str(caught.value) == message


def test_weights_may_be_zero_and_no_less() -> None:
    check_weight(build(raw([(1, 2), (2, 3)]), DataOptions()), None)
    check_weight(build(raw([(1, 2, 0), (2, 3, 1)]), DataOptions()), "log")
    with pytest.raises(InputError) as caught:
        check_weight(build(raw([(1, 2, 1), (2, 3, -1.5)]), DataOptions()), "log")
    assert str(caught.value) == (
        "data.weight: 'log' needs values of 0 or more, and 1 row of 2 have less, down to -1.5; "
        "leave weight out, or leave those rows out"
    )
    with pytest.raises(InputError) as caught:
        check_weight(build(raw([(1, 2), (2, 3)]), DataOptions()), "value")
    assert str(caught.value) == (
        "data.weight: 'value' needs values, and the data have none; leave weight out, or name the column that holds "
        "them: data.columns.value"
    )


def test_a_source_without_origins_still_names_the_place() -> None:
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "value": [1.0, np.nan]})
    with pytest.raises(InputError, match=r"^notebook, row 2: value is nan, a finite number is needed; mend that row$"):
        build(Raw(frame, place="notebook"), DataOptions())
    items = pd.DataFrame({"item": [1, 2, 1]})
    with pytest.raises(InputError, match=r"^notebook: items, row 3: item 1 is listed a second time"):
        build(Raw(frame.drop(columns="value"), items=items, place="notebook"), DataOptions())


@pytest.mark.parametrize("ids", [[5, 3], ["b", "a\u2028 😀"]])
def test_saved_and_loaded(tmp_path: Path, ids: list[Any]) -> None:
    items = pd.DataFrame(
        {"item": ids, "title": ["T", None], "price": [1.5, np.nan], "genres": ["x|y", "x"], "kind": ["k", "k"]}
    )
    sessions = pd.DataFrame({"session": [9, 9], "item": ids})
    data = build(raw([(1, ids[0], 1.0, 5), (2, ids[1], 2.0, 4)], items=items, sessions=sessions), DataOptions())
    data.save(tmp_path)
    back = Dataset.load(tmp_path)
    assert rows_of(back) == rows_of(data)
    assert back.items.ids.tolist() == sorted(ids)
    assert back.items.kinds == data.items.kinds
    pd.testing.assert_frame_equal(back.items.features, data.items.features)
    assert back.sessions is not None
    pd.testing.assert_frame_equal(back.sessions, data.sessions)
    assert back.account == data.account
