"""Themes, the items that are about them, and how much each item is met as time goes by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import ndtr, ndtri

from recsys.config import BoolArray, FloatArray, IntArray
from recsys.data.synthetic.chance import Lottery, evenly, standard_log
from recsys.data.synthetic.law import Law
from recsys.data.synthetic.words import GENRE_WEIGHTS


@dataclass(frozen=True)
class Themes:
    """What items can be about.

    genres: (n_themes, 2), indices into words.GENRES, the second -1 where there is none. centres: (n_themes,
    dimensions), places in the space of taste: their product with a user's taste is the log of the odds. popularity:
    (n_themes,), standard normal. classic: (n_themes,), chance that an item is one. size: (n_themes,), chance that an
    item is about it. opinions: (n_themes, agreement_dimensions), what tastes make of it, standard normal.
    """

    genres: IntArray
    centres: FloatArray
    popularity: FloatArray
    classic: FloatArray
    size: FloatArray
    opinions: FloatArray

    def __len__(self) -> int:
        return len(self.size)


@dataclass(frozen=True)
class Items:
    """The items. theme: (n_items, 2), the second -1 where there is none; all others (n_items,).

    log_popularity: standing over the years. release: day, negative before the window opens. hype: how much more it is
    met when new. fashion: change of log popularity over the window. quality: in rating points. opinions: (n_items,
    agreement_dimensions), what tastes make of it, in rating points.
    """

    theme: IntArray
    log_popularity: FloatArray
    release: FloatArray
    hype: FloatArray
    fashion: FloatArray
    quality: FloatArray
    opinions: FloatArray

    def __len__(self) -> int:
        return len(self.release)


def draw_themes(rng: np.random.Generator, law: Law, n_items: int) -> Themes:
    """The themes of a catalogue of `n_items`."""
    n, weight = law.n_themes(n_items), np.array(GENRE_WEIGHTS) / sum(GENRE_WEIGHTS)
    genres = np.column_stack([rng.choice(len(weight), size=n, p=weight) for _ in range(2)])
    genres[(rng.random(n) >= law.second_genre) | (genres[:, 0] == genres[:, 1]), 1] = -1
    of_genre = rng.standard_normal((len(weight), law.dimensions))
    own = rng.standard_normal((n, law.dimensions))
    place = np.sqrt(law.genre_share) * of_genre[genres[:, 0]] + np.sqrt(1 - law.genre_share) * own
    size = np.exp(0.4 * rng.standard_normal(n))
    sought = place[:, : law.agreement_dimensions]
    return Themes(
        genres=genres,
        centres=place * law.weights(),
        popularity=_correlated(law.mainstream, place[:, 1], ndtri(evenly(rng, n))),
        # Those who reach deep, along the first dimension, meet what is old; on average the share of classics is kept.
        classic=ndtr(np.sqrt(2) * ndtri(law.classics) + place[:, 0]),
        size=size / size.sum(),
        opinions=_correlated(law.selection, sought, rng.standard_normal(sought.shape)),
    )


def draw_items(rng: np.random.Generator, law: Law, themes: Themes, n_items: int) -> Items:
    """The items of a catalogue."""
    theme = np.column_stack([rng.choice(len(themes), size=n_items, p=themes.size) for _ in range(2)])
    theme[(rng.random(n_items) >= law.side_theme) | (theme[:, 0] == theme[:, 1]), 1] = -1
    main = theme[:, 0]
    own_fame = standard_log(-np.log(evenly(rng, n_items)))
    fame = _correlated(law.theme_popularity, themes.popularity[main], own_fame)
    classic = rng.random(n_items) < themes.classic[main]
    long_ago = law.classic_age + law.classic_span * rng.random(n_items) ** 1.5
    age = np.where(classic, long_ago, law.recent_age * rng.standard_exponential(n_items))
    quality = law.quality * _correlated(law.fame, fame, rng.standard_normal(n_items))
    own_opinions = rng.standard_normal((n_items, law.agreement_dimensions))
    return Items(
        theme=theme,
        log_popularity=law.popularity * fame,
        release=law.window - age,
        hype=law.hype * rng.standard_exponential(n_items),
        fashion=law.fashion * rng.standard_normal(n_items),
        quality=quality + law.classic_quality * (classic - law.classics),
        opinions=law.agreement * _correlated(law.theme_agreement, themes.opinions[main], own_opinions),
    )


def _correlated(correlation: float, known: FloatArray, own: FloatArray) -> FloatArray:
    return correlation * known + np.sqrt(1 - correlation**2) * own


class Catalogue:
    """What is on offer: a user picks a theme by taste, then an item of the theme by its popularity on the day.

    An entry is an item's place in a theme; entries are sorted by theme. item, theme: (n_entries,). weight:
    (n_entries,), popularity at the item's best moment: drawing by it and refusing at other moments follows popularity
    in time exactly. mass: (n_themes,), sums of the weights. crowd: a lottery whose one row picks themes by mass.
    """

    def __init__(self, items: Items, themes: Themes, law: Law) -> None:
        self.items, self.themes, self.law = items, themes, law
        self.best = np.log1p(items.hype * np.exp(-np.maximum(-items.release, 0) / law.hype_days))
        self.best += np.abs(items.fashion) / 2
        twofold = items.theme[:, 1] >= 0
        item = np.concatenate([np.arange(len(items)), np.flatnonzero(twofold)])
        theme = np.concatenate([items.theme[:, 0], items.theme[twofold, 1]])
        share = np.where(twofold, 1 - law.side_weight, 1.0)
        share = np.concatenate([share, np.full(twofold.sum(), law.side_weight)])
        order = np.argsort(theme, kind="stable")
        self.item, self.theme = item[order], theme[order]
        self.weight = share[order] * np.exp(items.log_popularity + self.best)[self.item]
        self.mass: FloatArray = np.bincount(self.theme, weights=self.weight, minlength=len(themes)).astype(float)
        with np.errstate(divide="ignore"):
            self._log_mass = np.log(self.mass)  # -inf for a theme that no item is about
        self._entries = Lottery(self.weight, np.searchsorted(self.theme, np.arange(len(themes) + 1)))
        self.crowd = Lottery.of_rows(self.mass[None])

    def demand(self, taste: FloatArray) -> FloatArray:
        """How much each user picks each theme: taste (n_users, dimensions) gives (n_users, n_themes)."""
        demand = taste @ self.themes.centres.T
        demand += self._log_mass
        return np.exp(demand, out=demand)

    def appeal(self, taste: FloatArray, day: FloatArray) -> FloatArray:
        """How much each user picks each item on a day: (n_users, dimensions), (n_users,) gives (n_users, n_items)."""
        share = self.weight / self.mass[self.theme]
        per_theme = sparse.csr_array((share, (self.theme, self.item)), shape=(len(self.themes), len(self.items)))
        return (per_theme.T @ self.demand(taste).T).T * self.moment(np.arange(len(self.items)), day[:, None])

    def moment(self, item: IntArray, day: FloatArray) -> FloatArray:
        """Popularity on a day, as a share of that at the item's best moment; 0 before its release. Broadcasts."""
        items, law = self.items, self.law
        age = day - items.release[item]
        fresh = 1 + items.hype[item] * np.exp(-np.maximum(age, 0) / law.hype_days)
        return (age >= 0) * fresh * np.exp(items.fashion[item] * (day / law.window - 0.5) - self.best[item])

    def draw(self, rng: np.random.Generator, theme: IntArray, day: FloatArray) -> tuple[IntArray, BoolArray]:
        """An item for each theme and day, and whether it is met then; if not, the draw counts as never made."""
        item = self.item[self._entries.draw(rng, theme)]
        return item, rng.random(len(item)) < self.moment(item, day)
