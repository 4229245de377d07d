"""Content: items whose texts say what the texts of the history say."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.dataset import Entities
from recsys.data.interactions import Interactions, UserBatch
from recsys.errors import InputError
from recsys.models.base import ModelConfig, Needs, Recommender
from recsys.models.explanation import Explanation
from recsys.models.neighbors import TINY, lengths, scaled
from recsys.models.space import Between
from recsys.training.run import FitRun

# An item's text, its words and their counts.
TEXT_BYTES = 2_000
HINT = "name columns that hold words in `texts`, or leave this model out"


class ContentTfidf(Recommender):
    """The cosine of an item's text and the mean text of the history, as vectors of words weighted by their rarity.

    A word counts by its occurrences times log((1 + items) / (1 + items with it)) + 1; an item's vector has length 1.
    Salton and Buckley, "Term-Weighting Approaches in Automatic Text Retrieval", Information Processing & Management
    1988; computed by scikit-learn. `texts` names the columns of items that are read, one after another; all: those
    that hold text. `max_terms` words are kept, the most frequent; `stop_words` are left out.
    Who has taken an item plays no part, so that items nobody has taken are recommended like all others. A new user is
    served by the history alone, exactly; one without a history, or whose history has no words, gets popularity.
    """

    class Config(ModelConfig):
        name: Literal["content-tfidf"] = "content-tfidf"
        texts: Literal["all"] | Annotated[tuple[str, ...], Field(min_length=1)] = "all"
        max_terms: Annotated[PositiveInt, Between(500, 50_000, log=True)] = 5000
        stop_words: Literal["english"] | None = "english"

    needs = Needs(history=True)
    pair_seconds = 3.3e-8
    state = ("vectors", "words")
    strangers_alike = True
    vectors: sparse.csr_array
    """(n_items, n_terms) float32, rows of length 1, or 0 where an item has no words."""
    words: IntArray
    """The terms, in the order of columns: UTF-8 bytes, a line each, uint8."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """The texts, their words counted, and the vectors, for texts of about a hundred words."""
        return 16 * (n_users + n_items) + TEXT_BYTES * n_items

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Reading a text of a dozen words an item, and comparing the words of every user with those of every item."""
        return super().seconds(n_users, n_items, n_interactions) + 5e-5 * n_items

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Read the texts of all items. Raises InputError where there are none to read."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        reader = TfidfVectorizer(
            stop_words=self.config.stop_words, max_features=self.config.max_terms, dtype=np.float32
        )
        try:
            self.vectors = sparse.csr_array(reader.fit_transform(texts_of(train.items, self.config.texts)))
        except ValueError as error:  # nothing but stop words
            raise InputError(
                f"model '{self.config.name}'", f"the texts of items hold no words ({error})", HINT
            ) from error
        self.vectors.sort_indices()
        self.words = np.frombuffer("\n".join(reader.get_feature_names_out()).encode(), dtype=np.uint8)

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items): 1 where an item says the same as the history."""
        profiles = self._profiles(users)
        scores = (profiles @ self._by_term).toarray()
        scores[np.diff(profiles.indptr) == 0] = self.popularity
        return scores

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """The words that each item shares with the history, and what each item of the history adds."""
        history = users.history[[0]]
        profile, vectors = self._profiles(users)[[0]].toarray()[0], self.vectors[items]
        length = np.maximum(lengths(history @ self.vectors)[0], TINY)
        parts = (vectors @ self.vectors[history.indices].T).toarray() * (history.data / length)
        names = bytes(self.words).decode().split("\n")
        return Explanation(
            history.indices, parts, additive=True, terms=[shared(row, profile, names) for row in vectors]
        )

    def _profiles(self, users: UserBatch) -> sparse.csr_array:
        """Mean vector of each history, brought to length 1, (len(users), n_terms)."""
        profiles = (users.history @ self.vectors).tocsr()
        return scaled(profiles, 1 / np.maximum(lengths(profiles), TINY), None)

    @cached_property
    def _by_term(self) -> sparse.csr_array:
        return self.vectors.T.tocsr()


def texts_of(items: Entities, wanted: Literal["all"] | tuple[str, ...]) -> list[str]:
    """What the model reads of each item, (n,): the columns that are wanted, one after another.

    Raises InputError where a column is not there or holds numbers, and where no column holds text.
    """
    place = "model 'content-tfidf'"
    columns = [name for name, kind in items.kinds.items() if kind == "text"] if wanted == "all" else list(wanted)
    if not columns:
        known = ", ".join(items.kinds) or "nothing"
        raise InputError(place, f"needs texts of items, and these data have none (known of items: {known})", HINT)
    for name in columns:
        if name not in items.kinds or items.kinds[name] == "number":
            what = "holds numbers" if name in items.kinds else "is not there"
            known = ", ".join(name for name, kind in items.kinds.items() if kind != "number") or "none"
            raise InputError(f"{place}, texts", f"the column '{name}' of items {what}", f"columns with words: {known}")
    found = items.features[columns].fillna("").astype("str")
    return found.agg(" ".join, axis=1).tolist()


def shared(vector: sparse.csr_array, profile: FloatArray, names: list[str]) -> dict[str, float]:
    """What each word adds to the product of an item's vector and a profile, strongest first."""
    adds = vector.data * profile[vector.indices]
    strongest = np.argsort(-adds, kind="stable")
    return {names[vector.indices[place]]: float(adds[place]) for place in strongest if adds[place] > 0}
