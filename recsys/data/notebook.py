"""The small world of the classical recommender notebook, drawn from a seed: users who prefer one category each.

An item belongs to a category and is described by five of its twelve words. A user rates items of the preferred
category, 70 % of the rows, and others; the preferred ones are rated higher. One session a user shows what was looked
at, drawn with replacement from the preferred category. Rows of a user stand in the order in which they were rated.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys.config import IntArray
from recsys.data.config import NotebookData
from recsys.data.raw import Raw

WORDS = {
    "action": "adventure battle chase danger explosion fast fight hero mission rescue weapon",
    "romance": "affection betrayal drama emotion heart kiss love passion relationship tearful wedding",
    "scifi": "alien cyber experiment future galaxy planet robot space spaceship technology time",
    "comedy": "awkward clumsy funny humor joke laugh parody prank ridiculous satire smile",
    "horror": "blood curse dark evil fear ghost haunted monster nightmare scary scream",
    "documentary": "archive culture education facts history investigation nature real science truth wildlife",
}
DESCRIBED_BY = 5  # words an item
PREFERRED = 0.7  # of a user's ratings
LIKED, OTHERWISE, SPREAD = 4.2, 2.8, 0.6  # mean ratings and their standard deviation


def load(config: NotebookData) -> Raw:
    """The world of a seed. interactions: user, item (from 0) and value, 1 to 5 with one decimal, no user and item
    twice. items: title, category, description. sessions: session, user and item, in viewing order.

    A user rates fewer items than asked for where the preferred category, or all others, have fewer.
    """
    rng = np.random.default_rng(config.seed)
    category = rng.integers(config.categories, size=config.items)
    items = _items(rng, category)
    favourite = rng.choice(np.unique(category), config.users)
    n_preferred = int(PREFERRED * config.ratings)
    rows, views = [], []
    for user, own in enumerate(favourite):
        preferred, others = np.flatnonzero(category == own), np.flatnonzero(category != own)
        taken = [_some(rng, preferred, n_preferred), _some(rng, others, config.ratings - n_preferred)]
        rated = rng.permutation(np.concatenate(taken))
        rows.append(pd.DataFrame({"user": user, "item": rated}))
        views.append(pd.DataFrame({"session": user, "user": user, "item": rng.choice(preferred, config.views)}))
    interactions = pd.concat(rows, ignore_index=True)
    liked = category[interactions["item"]] == favourite[interactions["user"]]
    value = rng.normal(np.where(liked, LIKED, OTHERWISE), SPREAD)
    interactions["value"] = value.clip(1, 5).round(1)
    return Raw(interactions, items, sessions=pd.concat(views, ignore_index=True), place="notebook data")


def _items(rng: np.random.Generator, category: IntArray) -> pd.DataFrame:
    """The catalogue: title, category and description of each item."""
    return pd.DataFrame(
        {
            "item": np.arange(len(category)),
            "title": [f"Item_{item:02d}_Category_{own:02d}" for item, own in enumerate(category)],
            "category": [_words(own)[0] for own in category],
            "description": [" ".join(rng.choice(_words(own), DESCRIBED_BY, replace=False)) for own in category],
        }
    )


def _words(category: int) -> list[str]:
    """The twelve words of a category, its name first; those beyond the first six say them again with a number."""
    again, which = divmod(int(category), len(WORDS))
    name = list(WORDS)[which]
    return [f"{word}{again + 1}" if again else word for word in (name, *WORDS[name].split())]


def _some(rng: np.random.Generator, items: IntArray, n: int) -> IntArray:
    """n different items, or all where there are fewer."""
    return rng.choice(items, min(n, len(items)), replace=False)
