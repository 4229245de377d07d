"""A causal transformer in numpy: what a stored model needs to score, so that serving loads no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from recsys.config import FloatArray, IntArray


def last_states(
    parts: Mapping[str, FloatArray], items: IntArray, counts: IntArray, heads: int
) -> tuple[FloatArray, FloatArray]:
    """The state after the last item of each history, and where its last block looked.

    The same layers as `recsys.models.networks.sasrec.hidden_states`; a test holds one against the other.
    parts: the parameters by name. items: (n, steps), oldest first; counts: (n,) how many of them are the history, at
    least one. Returns the states (n, embedding_size) and the attention (n, steps), the mean over heads, sum 1.
    """
    n, steps = items.shape
    norms, size = parts["norms"], parts["item_vectors"].shape[1]
    hidden = parts["item_vectors"][items] * math.sqrt(size) + parts["positions"][:steps]
    later = np.triu(np.ones((steps, steps), dtype=bool), 1)
    looks = np.empty(0)
    for block in range(len(parts["mix"])):
        together = _linear(_norm(hidden, norms[2 * block]), parts["attend"][block])
        query, key, value = together.reshape(n, steps, 3, heads, -1).transpose(2, 0, 3, 1, 4)
        looks = query @ key.transpose(0, 1, 3, 2)
        looks /= math.sqrt(size // heads)
        looks[..., later] = -np.inf
        looks -= looks.max(axis=-1, keepdims=True)
        np.exp(looks, out=looks)
        looks /= looks.sum(axis=-1, keepdims=True)
        seen = (looks @ value).transpose(0, 2, 1, 3).reshape(n, steps, size)
        hidden += _linear(seen, parts["mix"][block])
        inner = np.maximum(_linear(_norm(hidden, norms[2 * block + 1]), parts["inner"][block]), 0)
        hidden += _linear(inner, parts["outer"][block])
    last = np.arange(n), counts - 1
    return _norm(hidden[last], norms[-1]), looks.mean(axis=1)[last]


def _linear(value: FloatArray, layer: FloatArray) -> FloatArray:
    """layer: weights, and biases as the last row."""
    return value @ layer[:-1] + layer[-1]


def _norm(value: FloatArray, scale: FloatArray) -> FloatArray:
    centred = value - value.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + 1e-5)
    return centred / deviation * scale[0] + scale[1]
