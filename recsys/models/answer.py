"""The lists that a command wrote, read and checked: each fault is one error that names the row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.dataset import Entities
from recsys.data.text import more_rows
from recsys.errors import RunError
from recsys.models.exchange import ANSWER, CANDIDATES, HISTORY, ITEMS, SPEC, TRAIN, USERS
from recsys.models.list_maker import ListRequest

COLUMNS = ("user", "item", "rank", "score")


def read_lists(request: ListRequest, folder: Path) -> tuple[IntArray, FloatArray]:
    """The lists that a command wrote: items (n, k) int32 of train, -1 where a list ends early, scores (n, k) float32.

    Raises RunError for the first row that is not what it must be.
    """
    table = _opened(folder / ANSWER)
    user = _positions(table, "user", request.users, USERS)
    item = _positions(table, "item", request.train.items, ITEMS)
    rank, score = _ranks(table), _scores(table)
    n_items = request.train.n_items

    def pair(row: int) -> str:
        return f"user {_said(table, 'user', row)} and item {_said(table, 'item', row)}"

    again = _later_ones(user.astype(np.int64) * n_items + item)
    _refuse(again, lambda row: f"{pair(row)} are in an earlier row already", "list an item once for each user")
    if request.exclude_seen:
        seen = request.holds(request.seen, user, item)
        remedy = f"leave out what {TRAIN} and {HISTORY} hold of a user, or set evaluation.exclude_seen: false"
        _refuse(seen, lambda row: f"{pair(row)}: the item was taken before", remedy)
    if request.candidates is not None:
        stray = ~request.holds(request.candidates, user, item)
        _refuse(stray, lambda row: f"{pair(row)} are no pair of {CANDIDATES}", "list candidates only")
    _refuse_order(table, user, rank, score)
    _refuse_too_few(request, user)
    items = np.full((len(request.users), request.k), -1, dtype=np.int32)
    scores = np.full(items.shape, -np.inf, dtype=np.float32)
    first = rank <= request.k
    place = user[first], rank[first] - 1
    items[place], scores[place] = item[first], score[first]
    return items, scores


def _opened(path: Path) -> pa.Table:
    if not path.is_file():
        raise RunError(ANSWER, "the command ended well and wrote no such file", f"it belongs into the folder: {path}")
    try:
        file = pq.ParquetFile(path)
        missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
        if missing:
            has = ", ".join(file.schema_arrow.names) or "nothing"
            raise RunError(ANSWER, f"there is no column '{missing[0]}'", f"it has: {has}")
        table = file.read(columns=list(COLUMNS)).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise RunError(ANSWER, f"the file is damaged or not parquet ({error})", "write it as parquet") from error
    for name in COLUMNS:
        _refuse(pc.is_null(table[name]).to_numpy(), _saying(f"{name} is empty"), "give every row one")
    return table


def _positions(table: pa.Table, name: str, known: Entities, file: str) -> IntArray:
    """The rows' users or items as positions."""
    column = table[name].unify_dictionaries() if pa.types.is_dictionary(table[name].type) else table[name]
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise RunError(
            ANSWER, f"column '{name}' is {kind}, ids are integers or texts", f"write them as {file} has them"
        )
    found = known.positions(column.to_pandas())
    _refuse(found < 0, lambda row: f"{name} {_said(table, name, row)} is not in {file}", "write ids as they are there")
    return found


def _ranks(table: pa.Table) -> IntArray:
    if not (pa.types.is_integer(table["rank"].type) or pa.types.is_floating(table["rank"].type)):
        raise RunError(ANSWER, f"column 'rank' is {table['rank'].type}, whole numbers are needed", "1 is the best")
    rank = table["rank"].to_numpy()
    wrong = ~(rank >= 1) | (rank != np.floor(rank)) | (rank > 2**31)
    _refuse(wrong, lambda row: f"rank is {_said(table, 'rank', row)}", "a whole number from 1, the best, is needed")
    return rank.astype(np.int64)


def _scores(table: pa.Table) -> FloatArray:
    if not (pa.types.is_integer(table["score"].type) or pa.types.is_floating(table["score"].type)):
        raise RunError(ANSWER, f"column 'score' is {table['score'].type}, numbers are needed", "higher is better")
    score = table["score"].to_numpy().astype(np.float64)
    wrong = ~(np.abs(score) <= np.finfo(np.float32).max)
    _refuse(wrong, lambda row: f"score is {_said(table, 'score', row)}", "a finite number is needed")
    return score


def _refuse_order(table: pa.Table, user: IntArray, rank: IntArray, score: FloatArray) -> None:
    """Refuse lists whose ranks are not 1, 2, 3, … or whose scores rise."""
    order = np.lexsort((rank, user))
    same = np.append(False, np.diff(user[order]) == 0) if len(order) else np.empty(0, bool)
    began = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
    expected = np.arange(len(order)) - began + 1
    wrong = np.zeros(len(order), dtype=bool)
    wrong[order] = rank[order] != expected
    place = np.empty(len(order), dtype=np.int64)
    place[order] = expected
    _refuse(
        wrong,
        lambda row: f"user {_said(table, 'user', row)} has rank {rank[row]} where {place[row]} is due",
        "number each user's items 1, 2, 3, …",
    )
    rising = np.zeros(len(order), dtype=bool)
    rising[order[1:]] = same[1:] & (np.diff(score[order]) > 0)
    _refuse(
        rising,
        lambda row: f"user {_said(table, 'user', row)} has a higher score at rank {rank[row]} than at the one before",
        "rank by score, higher is better",
    )


def _refuse_too_few(request: ListRequest, user: IntArray) -> None:
    """Refuse users with fewer items than asked, though there are more; one who is in no training row may have none."""
    counts = np.bincount(user, minlength=len(request.users))
    due = np.minimum(request.k, request.left)
    short = np.flatnonzero((counts < due) & ((request.known >= 0) | (counts > 0)))
    if len(short):
        who = request.users.ids[short[:1]].tolist()[0]
        more = f" ({len(short) - 1:,} more such users)" if len(short) > 1 else ""
        raise RunError(
            ANSWER,
            f"user {who!r} ({USERS}, row {short[0] + 1:,}) has {counts[short[0]]:,} of {due[short[0]]:,} items{more}",
            f"write `k` items of {SPEC} for everyone, popular ones where nothing else is left, or lower evaluation.k",
        )


def _later_ones(keys: IntArray) -> BoolArray:
    """True where an equal key stands in an earlier row."""
    found = np.ones(len(keys), dtype=bool)
    found[np.unique(keys, return_index=True)[1]] = False
    return found


def _said(table: pa.Table, name: str, row: int) -> str:
    return repr(table[name][row].as_py())


def _refuse(wrong: BoolArray, message: Callable[[int], str], remedy: str) -> None:
    """Raise RunError for the first of the rows that are wrong."""
    rows = np.flatnonzero(wrong)
    if len(rows):
        first = int(rows[0])
        place = f"{ANSWER}, row {first + 1:,}"
        raise RunError(place, f"{message(first)}{more_rows(len(rows) - 1, first + 1)}", remedy)


def _saying(text: str) -> Callable[[int], str]:
    return lambda row: text
