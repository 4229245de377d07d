"""Scores of pairs that run through dense layers: what can be computed once an item is, the rest in blocks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from recsys.config import FloatArray

# Numbers of a block's widest layer, 4 MB of float32.
CELLS = 1_000_000


def n_parameters(widths: tuple[int, ...]) -> int:
    """How many weights and biases dense layers between these widths have."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))


def layers_of(flat: Any, widths: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """Weights (inputs, outputs) and biases (outputs,) of each layer, views of what holds them all."""
    found, start = [], 0
    for inputs, outputs in pairwise(widths):
        middle, end = start + inputs * outputs, start + (inputs + 1) * outputs
        found.append((flat[start:middle].reshape(inputs, outputs), flat[middle:end]))
        start = end
    return found


def pair_scores(
    of_users: FloatArray, of_items: FloatArray, layers: list[tuple[FloatArray, FloatArray]], output: FloatArray
) -> FloatArray:
    """What the layers say of every pair, (n_users, n_items) float32.

        output · relu(... relu(of_user + of_item) W + b ...)

    of_users: (n_users, width), of_items: (n_items, width): what each side puts into the first layer. A user's scores
    are the same in every batch.
    """
    scores = np.empty((len(of_users), len(of_items)), dtype=np.float32)
    items = max(1, min(len(of_items), CELLS // of_users.shape[1]))
    users = max(1, CELLS // (items * of_users.shape[1]))
    for first in range(0, len(of_users), users):
        for start in range(0, len(of_items), items):
            hidden = of_users[first : first + users, None] + of_items[None, start : start + items]
            np.maximum(hidden, 0, out=hidden)
            for weights, biases in layers:
                hidden = hidden @ weights
                hidden += biases
                np.maximum(hidden, 0, out=hidden)
            scores[first : first + users, start : start + items] = hidden @ output
    return scores
