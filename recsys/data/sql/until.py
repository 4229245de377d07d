"""Rows up to a time, where the database can tell them apart as the reader of tables would."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from recsys.data.newest import Freshness
from recsys.data.sql.columns import arrow
from recsys.data.sql.connection import Transaction
from recsys.data.sql.relation import Relation, column
from recsys.data.times import last_integer
from recsys.data.values import Column, times

EPOCH = dt.datetime(1970, 1, 1)


@dataclass(frozen=True)
class Limit:
    """A condition for rows up to a time. until: the rows that are; later: the others that have a time; None: all, none.

    native: whether the column holds times as such, so that the rows read may be limited by it as well.
    """

    until: sa.ColumnElement[bool] | None = None
    later: sa.ColumnElement[bool] | None = None
    native: bool = False

    @property
    def digested(self) -> sa.ColumnElement[bool] | None:
        """Which rows belong to the data set: one without a time does too, and will be refused when it is read."""
        return None if self.later is None else sa.or_(sa.not_(self.later), self.later.is_(None))


def limit(transaction: Transaction, relation: Relation, timestamp: str | None, as_of: int | None) -> Limit | None:
    """The condition for rows not later than `as_of` (microseconds, UTC); None where the database cannot judge.

    It can where a column of PostgreSQL holds timestamps, dates or integers. Text may be in any zone, and the unit of
    other numbers is found by all of them.
    """
    if not transaction.is_postgres:
        return None
    if as_of is None or timestamp is None:
        return Limit()
    transaction.place = relation.place
    kind, time = relation.kinds[timestamp], column(timestamp)
    if kind == "integer":
        first, last = transaction.first(relation.select([]).add_columns(sa.func.min(time), sa.func.max(time)))
        last = None if first is None else last_integer(first, last, as_of)
        return None if last is None else _limit(time, sa.literal(_within(last, 64), sa.BigInteger()), native=False)
    if kind == "other":
        return None
    moment = _moment(as_of)
    if kind == "date":
        return _limit(time, sa.literal(moment.date(), sa.Date()), native=True)
    if kind == "zoned time":
        zoned = moment.replace(tzinfo=dt.UTC)
        return _limit(time, sa.literal(zoned, sa.DateTime(timezone=True)), native=True)
    return _limit(time, sa.literal(moment, sa.DateTime()), native=True)


def count_newest(transaction: Transaction, relation: Relation, timestamp: str, limit: Limit) -> Freshness:
    """How many rows there are up to the limit, their first and last times, and how many are later; in one query."""
    transaction.place = relation.place
    time, rows = column(timestamp), sa.func.count()
    until = limit.until if limit.until is not None else sa.true()
    later = limit.later if limit.later is not None else sa.false()
    asked: list[sa.ColumnElement] = [rows.filter(until), rows.filter(later)]
    asked += [sa.func.min(time).filter(until), sa.func.max(time).filter(until)]
    if relation.kinds[timestamp] == "integer":
        asked += [sa.func.min(time), sa.func.max(time)]  # the unit of integers is found by all of them
    n_rows, n_later, *extremes = transaction.first(relation.select([]).add_columns(*asked))
    if not n_rows:
        return Freshness(0, None, None, n_later)
    oldest, newest = times(Column(timestamp, pa.chunked_array([arrow(extremes)])))[:2]
    return Freshness(n_rows, int(newest), int(oldest), n_later)


def _limit(time: sa.ColumnClause, last: sa.ColumnElement, native: bool) -> Limit:
    return Limit(time <= last, time > last, native)


def _moment(microseconds: int) -> dt.datetime:
    """A time that Python can hold: the first or last one where it is further away."""
    first, last = np.datetime64(dt.datetime.min, "us").astype(int), np.datetime64(dt.datetime.max, "us").astype(int)
    return EPOCH + dt.timedelta(microseconds=int(np.clip(microseconds, first, last)))


def _within(number: int, bits: int) -> int:
    return max(-(2 ** (bits - 1)), min(number, 2 ** (bits - 1) - 1))
