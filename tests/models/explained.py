"""What an explanation that adds up has to do."""

from __future__ import annotations

import numpy as np


def assert_parts_sum_to_scores(model, source, users=(0, 5, 9), known=True):
    """The parts of every item sum to its score, and stand in the order of the history's items."""
    items = np.arange(0, model.popularity.size, 7)
    for user in users:
        batch = source.batch(np.array([user]), known=known)
        found = model.explain(batch, items)
        assert found.additive
        assert np.array_equal(found.history, batch.history.indices)
        assert found.parts.shape == (len(items), len(found.history))
        expected = model.scores(batch)[0, items]
        np.testing.assert_allclose(found.parts.sum(axis=1), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
