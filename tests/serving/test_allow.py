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
    with pytest.raises(InputError, match="holds no dates, such as 'soon'"):
        young(["soon", "later"], 11)


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
