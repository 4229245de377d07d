"""Who rates what: items drawn for a block of users, none twice for a user."""

from __future__ import annotations

import numpy as np

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.synthetic.catalogue import Catalogue
from recsys.data.synthetic.chance import Lottery

ROUNDS = 48  # of drawing and refusing; the few rows still open after them are drawn from what is left
DENSE_CELLS = 2**22  # users × items held at once where what is left is weighed
ATTEMPTS = 200  # to find a row for an item that nobody rated
ROW_BITS = 24  # a pair of user and item, and the row that asks for it, are sorted as one number


def choose(
    rng: np.random.Generator, catalogue: Catalogue, moods: Lottery, taste: FloatArray, user: IntArray, day: FloatArray
) -> IntArray:
    """An item for each row, no item twice for a user.

    moods: a row a user, from `Catalogue.demand` of the tastes. taste: (n_users, dimensions). user: (n_rows,), ascending
    rows of these. day: (n_rows,), ascending within a user. The law is successive sampling: a row picks by the appeal on
    its day among the items that its user has not had.
    """
    n_items, n_themes = len(catalogue.items), len(catalogue.themes)
    chosen = np.full(len(user), -1, np.int64)
    taken = np.empty(0, np.int64)
    waiting = np.arange(len(user))
    for _ in range(ROUNDS):
        theme = moods.draw(rng, user[waiting]) % n_themes
        item, met = catalogue.draw(rng, theme, day[waiting])
        row = waiting[met]
        asked = np.sort((user[row] * n_items + item[met]) << ROW_BITS | row)
        pair, row = asked >> ROW_BITS, asked & (2**ROW_BITS - 1)
        free = np.diff(pair, prepend=-1) > 0  # of two rows that ask for the same item the earlier has it
        free &= ~_contains(taken, pair)
        chosen[row[free]] = pair[free] % n_items
        taken = np.sort(np.concatenate([taken, pair[free]]), kind="stable")  # two runs, merged
        waiting = waiting[chosen[waiting] < 0]
        if not len(waiting):
            return chosen
    _choose_from_the_rest(rng, catalogue, taste, user, day, chosen)
    return chosen


def _contains(ascending: IntArray, values: IntArray) -> BoolArray:
    if not len(ascending):
        return np.zeros(len(values), bool)
    place = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return ascending[place] == values


def _choose_from_the_rest(
    rng: np.random.Generator,
    catalogue: Catalogue,
    taste: FloatArray,
    user: IntArray,
    day: FloatArray,
    chosen: IntArray,
) -> None:
    """Fill the rows of `chosen` that are still -1, weighing all items that their users have not had.

    Successive sampling is a race: the items with the smallest exponential / weight come first (Efraimidis and
    Spirakis 2006). All open rows of a user are judged on the day of the first of them.
    """
    n_items = len(catalogue.items)
    rows = np.flatnonzero(chosen < 0)
    who, first, count = np.unique(user[rows], return_index=True, return_counts=True)
    step = max(1, DENSE_CELLS // n_items)
    for begin in range(0, len(who), step):
        part = slice(begin, begin + step)
        weight = catalogue.appeal(taste[who[part]], day[rows[first[part]]])
        had = np.flatnonzero(np.isin(user, who[part]) & (chosen >= 0))
        with np.errstate(divide="ignore"):
            race = rng.standard_exponential(weight.shape) / weight
        race[np.searchsorted(who[part], user[had]), chosen[had]] = np.inf
        winner = np.arange(n_items) < count[part, None]
        chosen[rows[first[begin] :][: winner.sum()]] = np.argsort(race, axis=1)[winner]


def everything_once(rng: np.random.Generator, item: IntArray, day: FloatArray, release: FloatArray) -> None:
    """Give every item that nobody rated a row, in place: a random one, after its release, of an item that has others.

    item, day: (n_rows,), more rows than items. An item that nobody has rated makes no pair that exists.
    """
    first = np.full(len(release), -1)
    first[item[::-1]] = np.arange(len(item))[::-1]
    missing = np.flatnonzero(first < 0)
    kept = np.zeros(len(item), bool)
    kept[first[first >= 0]] = True
    for _ in range(ATTEMPTS):
        if not len(missing):
            return
        row = rng.integers(len(item), size=len(missing))
        good = np.flatnonzero(~kept[row] & (day[row] >= release[missing]))
        row, winner = np.unique(row[good], return_index=True)
        item[row], kept[row] = missing[good[winner]], True
        missing = np.delete(missing, good[winner])
    item[np.flatnonzero(~kept)[: len(missing)]] = missing  # released when hardly anybody came any more
