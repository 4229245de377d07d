"""Whether a stored model, opened as it will serve, still gives the lists that were made when it was fitted."""

from __future__ import annotations

import numpy as np

from recsys.data.dataset import Dataset
from recsys.errors import RunError
from recsys.experiment.lists import Lists
from recsys.serving.answers import for_user
from recsys.serving.bundle import Bundle

USERS = 100
# Two ways of scoring one user give scores that differ by rounding; such items may change places.
CLOSE = 1e-5


def check_canary(bundle: Bundle, data: Dataset, lists: Lists, users: int = USERS, seed: int = 0) -> int:
    """Ask the bundle for the lists of some users of the fit; how many were asked.

    Raises RunError where a list is another one, other than by items whose scores differ by less than 1e-5 relative.
    """
    known = np.flatnonzero(lists.warm)
    chosen = np.sort(np.random.default_rng(seed).choice(known, min(users, len(known)), replace=False))
    wrong = [row for row in chosen if not _same(bundle, data, lists, int(row))]
    if wrong:
        user = data.users.ids[lists.users[wrong[0]]]
        raise RunError(
            str(bundle.folder),
            f"gives {len(wrong)} of {len(chosen)} users other lists than its fit did, one of them user {user}",
            "it is not promoted; fit it again",
        )
    return len(chosen)


def _same(bundle: Bundle, data: Dataset, lists: Lists, row: int) -> bool:
    made = np.asarray(lists.items[row])
    made = made[made >= 0]
    scores = np.asarray(lists.scores[row][: len(made)], dtype=np.float64)
    place = int(bundle.users.positions(data.users.ids[lists.users[row : row + 1]])[0])
    if place < 0:
        return False
    answer = for_user(bundle, place, len(made))
    wanted = bundle.items.positions(data.items.ids[made])
    if len(answer.items) != len(made):
        return False
    differs = np.asarray(answer.items) != wanted
    close = np.abs(np.asarray(answer.scores) - scores) <= CLOSE * np.maximum(1.0, np.abs(scores))
    return bool(close[differs].all()) if bundle.index is None else bool(np.isin(answer.items, wanted).mean() >= 0.9)
