"""All that is known of users, items and moments, for a model of features."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys.config import IntArray
from recsys.data.dataset import Entities

MOST_WORDS = 5000


def features_of(entities: Entities) -> sparse.csr_array:
    """Everything known of users or items, (n, n_features) float32: categories, labels and buckets of numbers as ones,
    numbers standardised, words as shares of all words."""
    from recsys.data.features import one_hot

    ones, _ = one_hot(entities)
    numbers = [_standardised(entities, name) for name, kind in entities.kinds.items() if kind == "number"]
    blocks = [ones, *numbers, _words(entities)]
    return sparse.csr_array(sparse.hstack(blocks, format="csr"), dtype=np.float32)


def _standardised(entities: Entities, name: str) -> sparse.csr_array:
    """A column of numbers as distances from their mean in deviations, (n, 1), at most 3; missing values are 0."""
    values = entities.features[name].to_numpy(dtype=np.float64)
    deviation = np.nanstd(values) if np.isfinite(values).any() else 0.0
    scaled = np.nan_to_num((values - np.nanmean(values)) / deviation) if deviation else np.zeros(len(values))
    return sparse.csr_array(np.clip(scaled, -3, 3).astype(np.float32)[:, None])


def _words(entities: Entities) -> sparse.csr_array:
    """The share that each word has in the texts and categories of an entity, (n, n_words)."""
    from sklearn.feature_extraction.text import CountVectorizer

    columns = [name for name, kind in entities.kinds.items() if kind != "number"]
    if not columns:
        return sparse.csr_array((len(entities), 0), dtype=np.float32)
    texts = entities.features[columns].fillna("").astype("str").agg(" ".join, axis=1)
    reader = CountVectorizer(max_features=MOST_WORDS, dtype=np.float32)
    try:
        counts = sparse.csr_array(reader.fit_transform(texts))
    except ValueError:  # no column holds a word
        return sparse.csr_array((len(entities), 0), dtype=np.float32)
    counts.data /= np.repeat(np.maximum(counts.sum(axis=1), 1), np.diff(counts.indptr))
    return counts


def edges_of(timestamp: IntArray | None, n: int) -> IntArray:
    """Where the second to the last of n moments begin, each with about as many rows; none without timestamps."""
    if timestamp is None:
        return np.zeros(0, dtype=np.int64)
    return np.unique(np.quantile(timestamp, np.linspace(0, 1, n + 1)[1:-1], method="higher"))


def moments_of(edges: IntArray, timestamp: IntArray) -> IntArray:
    """The moment of each time, (n,)."""
    return np.searchsorted(edges, timestamp, side="right")
