"""Rows that look made: by what they hold, by who gave them, by what they are about."""

from __future__ import annotations

import numpy as np

from recsys.champion.periods import Periods, sums_by
from recsys.config import FloatArray

# Beyond the most that any user, or any item among new users, had in an earlier period: by so many times.
IMPOSSIBLE = 3
HAMMERED = 3
# Standard errors of a share that chance may add to what is usual, where few rows came.
CHANCE = 2.0


def anomalies(periods: Periods) -> dict[str, FloatArray]:
    """Rows of each new period that look made, (n_new,) by reason; a row may have several. Needs earlier periods.

    out of range: a value below or above all before. repeated: the user had the item before, beyond the share of
    such rows that is usual. one user: of a user with three times as many rows as anybody had in an earlier period.
    one item: rows of new users on the item they took most, beyond three times its usual share.
    """
    rows, new = np.maximum(periods.total(), 1), slice(0, periods.n_new)
    found = {
        "repeated": _beyond(periods.total(periods.repeats), rows, periods, 1),
        "one user": _impossible(periods),
        "one item": _beyond(_hammered(periods), rows, periods, HAMMERED),
    }
    if periods.value is not None:
        found["out of range"] = periods.total((periods.value < periods.low) | (periods.value > periods.high))
    return {reason: counts[new] for reason, counts in found.items()}


def _beyond(counts: FloatArray, rows: FloatArray, periods: Periods, times: float) -> FloatArray:
    """What exceeds so many times the share that nine in ten earlier periods stay within, and chance."""
    usual = float(np.quantile((counts / rows)[periods.n_new :], 0.9))
    chance = CHANCE * np.sqrt(usual * (1 - usual) * rows)
    return np.maximum(counts - times * usual * rows - chance, 0)


def _impossible(periods: Periods) -> FloatArray:
    groups = periods.by_user
    most = groups.largest(len(periods))[periods.n_new :].max()
    return periods.total((groups.size > IMPOSSIBLE * most)[groups.group])


def _hammered(periods: Periods) -> FloatArray:
    """The most rows of new users on one item, (periods,)."""
    groups = periods.by_item
    by_new = sums_by(groups.group, periods.first_user, len(groups.size))
    return groups.largest(len(periods), by_new)
