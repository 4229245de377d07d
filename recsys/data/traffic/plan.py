"""What arrives when: a data set's rows by the day on which they come, some late, some twice, some made."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.data.interactions import DAY
from recsys.data.text import count
from recsys.errors import InputError

EPOCH = dt.date(1970, 1, 1)
Share = Annotated[float, Field(ge=0, lt=1)]


class Poison(Config):
    """A day on which something is wrong.

    hammer: `share` of the rows of that day are made: random users, each once, with one item they never had, at the
    highest value there is. shuffle: `share` of its rows swap their values among each other.
    """

    day: dt.date
    kind: Literal["hammer", "shuffle"] = "hammer"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5


class Traffic(Config):
    """How rows arrive. late: the share that comes one to `late_days` days after its day, with its own time. duplicates:
    the share that comes a second time, on the same day or the next. The same seed gives the same traffic, whichever
    days are asked for."""

    seed: NonNegativeInt = 0
    late: Share = 0.0
    late_days: PositiveInt = 3
    duplicates: Share = 0.0
    poison: tuple[Poison, ...] = ()


@dataclass(frozen=True, eq=False)
class Day:
    """What arrives on one day.

    rows: columns user, item, timestamp (microseconds, UTC) and, where there are any, value (float64), in the order of
    time. late, repeated, made, shuffled: how many of the rows are so.
    """

    day: dt.date
    rows: pa.Table
    late: int = 0
    repeated: int = 0
    made: int = 0
    shuffled: int = 0

    def __str__(self) -> str:
        kinds = {"late": self.late, "repeated": self.repeated, "made": self.made, "with shuffled values": self.shuffled}
        told = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items() if n)
        return f"{self.day}: {count(self.rows.num_rows, 'row')}" + (f" ({told})" if told else "")


class Plan:
    """All arrivals of a data set. Raises InputError where it has no times, or a day is poisoned that has no rows."""

    def __init__(self, data: Dataset, traffic: Traffic) -> None:
        if data.clock != "time" or data.timestamp is None:
            raise InputError("data", "there are no times to replay them by", "take data with times")
        self.data, self.traffic = data, traffic
        self.timestamp = np.asarray(data.timestamp)
        own = self.timestamp // DAY
        rng = np.random.default_rng([traffic.seed, 1])
        late = rng.random(len(own)) < traffic.late
        came = own + np.where(late, rng.integers(1, traffic.late_days + 1, len(own)), 0)
        rng = np.random.default_rng([traffic.seed, 2])
        twice = np.flatnonzero(rng.random(len(own)) < traffic.duplicates)
        again = came[twice] + rng.integers(0, 2, len(twice))
        row, day = np.concatenate([np.arange(len(own)), twice]), np.concatenate([came, again])
        order = np.lexsort((self.timestamp[row], day))
        self.row, self.arrival = row[order], day[order]
        self.repeated = order >= len(own)
        self.poison = {poison.day: (number, poison) for number, poison in enumerate(traffic.poison)}
        self._refuse_poison()

    @property
    def days(self) -> list[dt.date]:
        """The days on which something arrives, ascending."""
        return [date(number) for number in np.unique(self.arrival)]

    def day(self, day: dt.date) -> Day:
        """What arrives on a day."""
        first, last = np.searchsorted(self.arrival, [_number(day), _number(day) + 1])
        rows, repeated = self.row[first:last], self.repeated[first:last]
        late = int(np.count_nonzero((self.timestamp[rows] // DAY < _number(day)) & ~repeated))
        data = self.data
        columns: dict[str, Any] = {
            "user": data.user[rows],
            "item": data.item[rows],
            "timestamp": self.timestamp[rows],
        }
        if data.value is not None:
            columns["value"] = _decimal(np.asarray(data.value)[rows])
        made = shuffled = 0
        if day in self.poison:
            number, poison = self.poison[day]
            rng = np.random.default_rng([self.traffic.seed, 3, number])
            if poison.kind == "hammer":
                before = len(rows)
                columns = self._hammered(columns, poison, number, rng)
                made = len(columns["user"]) - before
            else:
                chosen = rng.permutation(len(rows))[: round(poison.share * len(rows))]
                columns["value"][np.sort(chosen)] = columns["value"][chosen]
                shuffled = len(chosen)
        return Day(day, self._table(columns), late, int(np.count_nonzero(repeated)), made, shuffled)

    def _hammered(
        self, columns: dict[str, Any], poison: Poison, number: int, rng: np.random.Generator
    ) -> dict[str, Any]:
        data = self.data
        acting = np.unique(data.item)
        item = np.random.default_rng([self.traffic.seed, 4]).permutation(acting)[number % len(acting)]
        innocent = np.setdiff1d(data.user, data.user[data.item == item])
        wanted = round(poison.share / (1 - poison.share) * len(columns["user"]))
        users = rng.permutation(innocent)[:wanted]
        seconds = rng.integers(0, 86_400, len(users)) * 1_000_000
        made = {
            "user": users,
            "item": np.full(len(users), item),
            "timestamp": _number(poison.day) * DAY + seconds,
        }
        if data.value is not None:
            made["value"] = np.full(len(users), _decimal(np.asarray(data.value).max(keepdims=True))[0])
        joined = {name: np.concatenate([values, made[name]]) for name, values in columns.items()}
        order = np.argsort(joined["timestamp"], kind="stable")
        return {name: values[order] for name, values in joined.items()}

    def _table(self, columns: dict[str, Any]) -> pa.Table:
        data = self.data
        table = {
            "user": pa.array(data.users.ids[columns["user"]]),
            "item": pa.array(data.items.ids[columns["item"]]),
        }
        if "value" in columns:
            table["value"] = pa.array(columns["value"])
        table["timestamp"] = pa.array(columns["timestamp"], pa.timestamp("us", "UTC"))
        return pa.table(table)

    def _refuse_poison(self) -> None:
        there = set(np.unique(self.arrival).tolist())
        for poison in self.traffic.poison:
            if _number(poison.day) not in there:
                first, last = self.days[0], self.days[-1]
                raise InputError(
                    "poison", f"nothing arrives on {poison.day}", f"choose a day with rows from {first} to {last}"
                )
            if poison.kind == "shuffle" and self.data.value is None:
                raise InputError("poison", "there are no values to shuffle", "use hammer")


def date(number: int) -> dt.date:
    """A day by its number since 1970."""
    return EPOCH + dt.timedelta(days=int(number))


def _number(day: dt.date) -> int:
    return (day - EPOCH).days


def _decimal(value: NDArray[np.float32]) -> NDArray[np.float64]:
    """Values as they were written: 4.4, where the nearest float64 of the float32 is 4.400000095367432."""
    return value.astype("U").astype(np.float64)
