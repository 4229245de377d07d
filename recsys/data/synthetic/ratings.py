"""When users rate, in which order, and how."""

from __future__ import annotations

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.data.synthetic.catalogue import Items, Themes
from recsys.data.synthetic.chance import standard_log
from recsys.data.synthetic.law import DAY, Law
from recsys.data.synthetic.people import Users


def sittings(rng: np.random.Generator, law: Law, users: Users, user: IntArray) -> FloatArray:
    """The day of each row, ascending within a user. user: (n_rows,), ascending positions in `users`.

    First sittings are the longest: the chance of a new one grows along a user's rows.
    """
    n = len(user)
    first = np.diff(user, prepend=-1) > 0
    along = (np.arange(n) - np.flatnonzero(first)[np.cumsum(first) - 1]) / users.count[user]
    again = rng.random(n) < users.restlessness[user] * (law.late + 1) * along**law.late
    page = law.page_seconds / DAY * np.exp(law.page_spread * rng.standard_normal(n))
    pause = law.pause * np.exp(law.pause_spread * rng.standard_normal(n))
    gap = np.where(again, pause, np.where(rng.random(n) < law.same_page, 0.0, page))
    elapsed = np.cumsum(np.where(first, 0.0, gap))
    elapsed -= elapsed[first][np.cumsum(first) - 1]
    span = np.zeros(len(users))
    span[user] = elapsed  # that of the user's last row stays
    # Who would go on for longer than the window lasts does everything a little faster.
    pace = np.minimum(1.0, 0.95 * law.window / np.maximum(span, 1.0))
    arrival = users.arrival * (1 - span * pace / law.window)
    return arrival[user] + elapsed * pace[user]


def lay_out(
    rng: np.random.Generator, law: Law, items: Items, themes: Themes, user: IntArray, item: IntArray
) -> IntArray:
    """The items of each user's rows in the order in which the user turns the pages.

    A page lists items of a genre, the well-known or the others; every user goes through the pages in an order of their
    own, the well-known ones rather earlier. Items that appear within the window stay where they are.
    """
    known = items.log_popularity[item] > 0
    page = 2 * themes.genres[items.theme[item, 0], 0] + known + 1
    turn = rng.uniform(1e3, 1e4, int(user[-1]) + 1)[user]
    place = turn * page % 1.0 - law.page_fame * known + law.page_slip * rng.standard_normal(len(item))
    old = items.release[item] <= 0
    laid = item.copy()
    laid[old] = item[old][np.lexsort((place[old], user[old]))]
    return laid


def rate(
    rng: np.random.Generator,
    law: Law,
    users: Users,
    items: Items,
    taste: FloatArray,
    user: IntArray,
    item: IntArray,
) -> FloatArray:
    """A rating of 1 to 5 for each row, (n_rows,) float32. taste: (len(users), dimensions). user, item: positions."""
    opinion = law.mean + users.leniency[user] + items.quality[item]
    for k in range(law.agreement_dimensions):
        opinion += taste[user, k] * items.opinions[item, k]
    # Disappointments go deeper than delights.
    opinion += users.surprise[user] * standard_log(rng.standard_exponential(len(user)))
    return np.clip(np.round(opinion), 1, 5).astype(np.float32)
