"""Only items in stock and not too old are listed; the list is read again when it changes."""

from __future__ import annotations

import os
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from made import entities

from recsys.data.dataset import Entities
from recsys.errors import InputError
from recsys.serving import allow
from recsys.serving.allow import AllowList
from recsys.serving.answers import for_history, for_nobody, for_user, like
from recsys.serving.bundle import open_bundle

NOW = 1_750_000_000.0
DAY = 86_400.0


@pytest.fixture
def stock(tmp_path):
    return tmp_path / "stock.txt"


def of(stock, text, items=None):
    stock.write_bytes(text if isinstance(text, bytes) else text.encode())
    allowed = AllowList(stock).of(entities([10, 20, 30]) if items is None else items)
    return None if allowed is None else allowed.positions.tolist()


@pytest.mark.parametrize(
    "text",
    ["10\n30", "10\n30\n", "item\n10\n30\n", "10\r\n30\r\n", b"\xef\xbb\xbf10\n30", "30\n\n10\n10\n", "10\n30\n40\nx"],
)
def test_ids_one_a_line(stock, text):
    assert of(stock, text) == [0, 2]


@pytest.mark.parametrize("line", ["01", " 10", "10 ", "nosuch", '"10"', "10\0"])
def test_lines_that_name_no_item_are_told(stock, caplog, line):
    assert of(stock, f"10\n{line}\n30\n") == [0, 2]
    said = f"{stock}: 1 of 3 lines name no item that the model knows: {line!r}"
    assert [record.getMessage() for record in caplog.records] == [said]


def test_many_such_lines(stock, caplog):
    of(stock, "10\n" + "\n".join(f"x{number}" for number in range(1200)))
    assert "1,200 of 1,201 lines name no item that the model knows: 'x0', 'x1', 'x2', 'x3', 'x4' …" in caplog.text


def test_the_same_lines_are_told_once(stock, caplog):
    listed, items = AllowList(stock), entities([10, 20, 30])
    for text, told in (("10\nx", 1), ("10\nx", 1), ("10\ny", 2), ("10", 2), ("10\ny", 3)):
        stock.write_text(text)
        listed.of(items)
        assert len(caplog.records) == told


@pytest.mark.parametrize("path", ["pipe", "/dev/zero"])
def test_a_file_that_never_ends(tmp_path, path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe, a device or a socket"):
        AllowList(tmp_path / path).of(entities([1]))


def test_texts_with_what_texts_have(stock):
    items = entities(["a b", "ä,ö", "😀"])
    assert of(stock, "ä,ö\n😀\n", items) == [1, 2]


def test_all_allowed_is_no_list(stock):
    assert of(stock, "10\n20\n30\n") is None
    assert AllowList().of(entities([1, 2])) is None


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "names 0 items"),
        ("1\n2\n", "names 2 items, and the model knows none"),
        (b"\xff\xfe1", "is not UTF-8"),
        ("x" * 257, "line 1: holds 257 characters"),
    ],
)
def test_a_list_that_is_most_likely_a_mistake(stock, text, match):
    with pytest.raises(InputError, match=match):
        of(stock, text)


def test_no_file(stock):
    with pytest.raises(InputError, match="cannot be read"):
        AllowList(stock).stamp()
    with pytest.raises(InputError, match="cannot be read"):
        AllowList(stock).of(entities([1]))


def test_too_large(stock, monkeypatch):
    monkeypatch.setattr(allow, "LARGEST", 3)
    with pytest.raises(InputError, match="is larger"):
        of(stock, "10\n20")


def aged(values):
    return Entities(np.arange(len(values)), pd.DataFrame({"added": values}), {"added": "number"})


def young(values, days):
    allowed = AllowList(max_age=timedelta(days=days), column="added", now=lambda: NOW).of(aged(values))
    return list(range(len(values))) if allowed is None else allowed.positions.tolist()


@pytest.mark.parametrize("unit", [DAY, 1, 1e-3, 1e-6, 1e-9], ids=["days", "s", "ms", "us", "ns"])
def test_ages_in_any_unit(unit):
    times = [(NOW - age * DAY) / unit for age in (1, 10, 100)]
    assert young([*times, np.nan], 11) == [0, 1, 3]


def test_ages_as_dates():
    shown = [pd.Timestamp(NOW - age * DAY, unit="s").isoformat() for age in (1, 10, 100)]
    assert young([*shown, None], 11) == [0, 1, 3]


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (["9999-12-31", "0001-01-01"], [0]),
        (["2025-06-14", "", None, "nan", "2001-01-01"], [0, 1, 2, 3]),
        (["2025-06-14T10:00:00+02:00", "2001-01-01T10:00:00Z"], [0]),
        ([20250614.0, np.nan, 20010101.0], [0, 1]),
        (["1749900000", "1000000000"], [0]),
        ([np.nan, np.nan], [0, 1]),
        ([None, None], [0, 1]),
    ],
)
def test_ages_are_read_as_times_of_interactions(values, kept):
    assert young(values, 11) == kept


@pytest.mark.parametrize(
    ("values", "item", "value"),
    [
        (["soon", "later"], 0, "'soon', a time is needed (1 more such item)"),
        (["2025-06-14", "soon", "tbd"], 1, "'soon', a time is needed (1 more such item)"),
        (["2025-06-14", "now"], 1, "'now', a time is needed"),
        (["2025-06-14", "today"], 1, "'today', a time is needed"),
        (["2025-06-14", None, "14/06/2025"], 2, "'14/06/2025', a time is needed"),
        (["2025-06-14", "2025-06-14T10:00:00Z"], 1, "'2025-06-14T10:00:00Z', with a zone, where"),
        (["2025-06-14", "1749900000"], 1, "'1749900000', where the rows above hold dates"),
        ([1.7e12, 1.7e9], 1, "'1700000000.0', which reads as seconds, where others read as milliseconds"),
        ([1e300], 0, "'1e+300', a time is needed"),
    ],
)
def test_what_is_no_time_is_refused_by_item(values, item, value):
    with pytest.raises(InputError) as caught:
        young(values, 11)
    assert caught.value.place == "column 'added'"
    assert caught.value.message.startswith(f"of item {item} is {value}")
    assert caught.value.remedy


def test_a_column_of_another_kind():
    with pytest.raises(InputError, match="column 'added' holds values of type bool; times are needed"):
        young([True, False], 11)


def test_no_such_column():
    with pytest.raises(InputError, match="is no column of the items"):
        AllowList(max_age=timedelta(1), column="born").of(aged([1.0]))
    with pytest.raises(InputError, match="needs an age and the column"):
        AllowList(max_age=timedelta(1))


def test_the_stamp_changes_with_the_file_and_the_minute(stock):
    now = [NOW]
    listed = AllowList(stock, max_age=timedelta(1), column="added", now=lambda: now[0])
    stock.write_text("10")
    stamps = [listed.stamp()]
    stock.write_text("10\n20")
    stamps.append(listed.stamp())
    now[0] += 60
    stamps.append(listed.stamp())
    other = stock.with_suffix(".new")
    other.write_text("10\n30")
    os.utime(other, ns=(stock.stat().st_atime_ns, stock.stat().st_mtime_ns))
    other.replace(stock)
    stamps.append(listed.stamp())
    assert len(set(stamps)) == 4


@pytest.mark.parametrize("which", ["ease", "vectors"])
def test_every_answer_keeps_to_the_list(which, request, stock):
    bundle = open_bundle(request.getfixturevalue(which))
    ids = bundle.items.ids[::3]
    stock.write_text("\n".join(map(str, ids)))
    allowed = AllowList(stock).of(bundle.items)
    given = [
        for_user(bundle, 5, 10, allowed),
        for_history(bundle, np.array([1, 2]), 10, allowed),
        for_nobody(bundle, 10, allowed),
        like(bundle, 1, 5, allowed),
    ]
    for answer in given:
        assert len(answer.items) >= 5
        assert (answer.items % 3 == 0).all()
