"""Titles and descriptions, put together from the words of an item's themes: all of it invented."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys.config import IntArray
from recsys.data.synthetic.words import (
    ADJECTIVES,
    GENRES,
    LINKS,
    MOODS,
    PEOPLE,
    PLACES,
    SYLLABLES,
    THINGS,
    VERBS,
)

PER_THEME = 3  # of the words of its genre, how many people, things and places a theme keeps returning to


class Vocabulary:
    """The words that each theme keeps returning to.

    people, things, places, moods: (n_themes, PER_THEME), str.
    """

    def __init__(self, rng: np.random.Generator, genres: IntArray) -> None:
        second = np.where(genres[:, 1] >= 0, genres[:, 1], genres[:, 0])
        self.people = _some_of(rng, PEOPLE, genres[:, 0])
        self.things = _some_of(rng, THINGS, second)
        self.places = _some_of(rng, PLACES, genres[:, 0])
        self.moods = _some_of(rng, MOODS, second)


def titles(rng: np.random.Generator, words: Vocabulary, theme: IntArray) -> list[str]:
    """A title for each item; theme: (n_items,). Two items may share one, as films do."""
    n = len(theme)
    columns = (
        rng.integers(len(_TITLES), size=n).tolist(),
        _any_of(rng, ADJECTIVES, n),
        words.things[theme, rng.integers(PER_THEME, size=n)],
        words.people[theme, rng.integers(PER_THEME, size=n)],
        _names(rng, n),
    )
    return [_TITLES[pattern](*map(_capital, rest)) for pattern, *rest in zip(*columns, strict=True)]


def descriptions(rng: np.random.Generator, words: Vocabulary, theme: IntArray) -> list[str]:
    """About a dozen words for each item, some of them of its second theme; theme: (n_items, 2), second -1 if none."""
    n, main = len(theme), theme[:, 0]
    side = np.where(theme[:, 1] >= 0, theme[:, 1], main)
    word = rng.integers(PER_THEME, size=n)
    next_word = (word + rng.integers(1, PER_THEME, size=n)) % PER_THEME
    columns = (
        words.moods[main, rng.integers(PER_THEME, size=n)],
        words.people[main, word],
        words.people[side, next_word],
        _any_of(rng, VERBS, n),
        words.things[main, word],
        _any_of(rng, LINKS, n),
        words.things[side, next_word],
        words.places[main, rng.integers(PER_THEME, size=n)],
    )
    return [_describe(*row) for row in zip(*columns, strict=True)]


def genre_labels(genres: IntArray) -> list[str]:
    """'Drama|Comedy' for each row of genre codes, (n, any), -1 for none; each genre once, in the order of codes."""
    shown = np.sort(genres, axis=1)
    shown[:, 1:][shown[:, 1:] == shown[:, :-1]] = -1
    known, code = np.unique(shown, axis=0, return_inverse=True)
    labels = np.array(["|".join(GENRES[genre] for genre in row if genre >= 0) for row in known], object)
    return labels[code.ravel()].tolist()


def _describe(mood: str, person: str, other: str, verb: str, thing: str, link: str, second: str, place: str) -> str:
    text = f"{_a(mood)} story: {_a(person)} and {_a(other)} {verb} the {thing} {link} the {second} of the {place}."
    return _capital(text)


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "AEIOaeio" else f"a {word}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:].replace("-", " ")


# From an adjective, a thing, a person and the name of a place.
_TITLES: tuple[Callable[[str, str, str, str], str], ...] = (
    lambda adjective, thing, person, name: f"The {adjective} {thing}",
    lambda adjective, thing, person, name: f"The {thing} of {name}",
    lambda adjective, thing, person, name: f"{adjective} {thing}",
    lambda adjective, thing, person, name: f"The {person} from {name}",
    lambda adjective, thing, person, name: f"{_capital(_a(person))} in {name}",
    lambda adjective, thing, person, name: f"Beyond the {adjective} {thing}",
    lambda adjective, thing, person, name: f"The {adjective} {person}",
    lambda adjective, thing, person, name: name,
)


def _some_of(rng: np.random.Generator, pools: tuple[tuple[str, ...], ...], genre: IntArray) -> np.ndarray:
    pool = np.array(pools, object)
    shuffled = rng.random((len(genre), pool.shape[1])).argsort(axis=1)
    return pool[genre[:, None], shuffled[:, :PER_THEME]]


def _any_of(rng: np.random.Generator, words: tuple[str, ...], n: int) -> np.ndarray:
    return np.array(words, object)[rng.integers(len(words), size=n)]


def _names(rng: np.random.Generator, n: int) -> np.ndarray:
    start, middle, end = (_any_of(rng, part, n) for part in SYLLABLES)
    return start + middle + end
