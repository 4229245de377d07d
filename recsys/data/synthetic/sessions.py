"""What users look at without rating it."""

from __future__ import annotations

import numpy as np

from recsys.config import FloatArray, IntArray
from recsys.data.synthetic.catalogue import Catalogue
from recsys.data.synthetic.chance import Lottery
from recsys.data.synthetic.people import Users


def browse(
    rng: np.random.Generator, catalogue: Catalogue, users: Users, moods: Lottery, first_row: IntArray, day: FloatArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Sessions of a block of users: number of the session from 0, user and item, one value a view, in order of viewing.

    moods: a row a user, the lottery that ratings follow. first_row: (n_users,), where each user's rows of `day` begin.
    A session falls on the day of one of its user's ratings, chosen at random; sessions of a user follow each other in
    time. People look further afield than they rate: some views are of what everybody looks at.
    """
    law = catalogue.law
    owner = np.repeat(np.arange(len(users)), rng.poisson(users.count / law.rows_per_session))
    when = day[first_row[owner] + (rng.random(len(owner)) * users.count[owner]).astype(np.int64)]
    when = when[np.lexsort((when, owner))]
    length = rng.geometric(1 / law.views, len(owner))
    session = np.repeat(np.arange(len(owner)), length)
    view = np.arange(len(session))
    fresh = (np.diff(session, prepend=-1) > 0) | (rng.random(len(session)) >= law.next_of_theme)
    theme = moods.draw(rng, owner[session]) % len(catalogue.themes)
    astray = rng.random(len(session)) < law.astray
    theme[astray] = catalogue.crowd.draw(rng, np.zeros(astray.sum(), np.int64))
    theme = theme[np.maximum.accumulate(np.where(fresh, view, 0))]  # of the last fresh one
    item, met = catalogue.draw(rng, theme, when[session])
    again = (np.diff(item, prepend=-1) == 0) & (np.diff(session, prepend=-1) == 0)
    shown = met & ~again
    session, item = session[shown], item[shown]
    return np.cumsum(np.diff(session, prepend=-1) > 0) - 1, owner[session], item
