"""The leaderboard: one row a model, best first, with what its numbers are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from recsys.comparison.bootstrap import Bootstrap
from recsys.comparison.family import ALPHA, adjusted_p, letters
from recsys.comparison.users import UserValues, user_values
from recsys.metrics.registry import is_primary, parse_column

ABOUT: Final = ("model", "control", "status", "seeds", "folds", "tuned")
# Differ from run to run: left out wherever two results are compared.
MEASURED: Final = (
    "fit_seconds",
    "recommend_seconds",
    "cpu_seconds",
    "peak_memory_mb",
    "model_bytes",
    "mlflow_run_id",
)
# Of all pairs at once: the p-value of the difference to the best, and letters that the undistinguished share.
TESTED: Final = ("p_adjusted", "group")
# Standard deviations of the primary metric between what the mean is over.
SPREADS: Final = ("seeds", "folds")
OK: Final = "ok"


@dataclass(frozen=True)
class Outcome:
    """What became of one row of the leaderboard.

    control: held against the others, never the best. status: "ok", or why it failed. seeds, folds: how many stand
    behind the numbers. overall: values of set-level columns, such as coverage@10, mean over seeds and folds. spread:
    by SPREADS, the standard deviation of the primary metric between seeds (each a mean over folds), and between folds;
    NaN where there is one alone. measured: values of the columns MEASURED, as far as known.
    """

    label: str
    control: bool = False
    status: str = OK
    seeds: int = 1
    folds: int = 1
    tuned: bool = False
    overall: Mapping[str, float] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """frame: what leaderboard.csv holds. best: the model that differences are to, None without one. note: why there
    are no intervals, or None.

    intervals: columns model, column, value, low, high. differences: model, value, low, high of the primary metric minus
    that of the best, model by model on the same users. pairs: model, other, value, low, high, p_adjusted of every two
    models but controls, the better one first.
    """

    frame: pd.DataFrame
    best: str | None
    intervals: pd.DataFrame
    differences: pd.DataFrame
    pairs: pd.DataFrame
    note: str | None


def leaderboard(
    per_user: pd.DataFrame,
    outcomes: Sequence[Outcome],
    columns: Sequence[str],
    primary: str,
    *,
    intervals: Sequence[str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> Leaderboard:
    """Rank models by the primary column.

    per_user: as `user_values` takes it. outcomes: a row each; equals in the primary keep this order, failed ones come
    last. columns: metric columns in the order of the table. intervals: columns that get an interval in
    `Leaderboard.intervals` (the primary always does; None: no other).
    Raises ValueError where the primary is not among the columns or has no value a user.
    """
    if primary not in columns or not is_primary(primary):
        raise ValueError(f"{primary} is not among the columns that have a value a user")
    running = [outcome for outcome in outcomes if outcome.status == OK]
    by_user = [column for column in columns if is_primary(column)]
    users = user_values(per_user, [outcome.label for outcome in running], by_user)
    resampled = users.resampled(list(dict.fromkeys([primary, *(intervals or ())])), resamples, seed)
    means = users.means()
    order = _ranked(means[primary], parse_column(primary)[0].higher_is_better)
    best = next((i for i in order if not running[i].control and np.isfinite(means[primary][i])), None)
    bounds = resampled[primary].intervals()
    nothing = np.full((len(running), 3), np.nan)
    differences = nothing if best is None else resampled[primary].differences(best)
    family = [i for i in order if not running[i].control and np.isfinite(means[primary][i])]
    adjusted = adjusted_p(resampled[primary], family)
    marks = letters(adjusted <= ALPHA) if np.isfinite(adjusted).all() else [None] * len(family)
    tested = {
        i: {"p_adjusted": adjusted[0, place] if place else None, "group": marks[place]}
        for place, i in enumerate(family)
    }
    rows = [
        {
            **_about(running[i]),
            **{column: means[column][i] for column in by_user},
            **{column: running[i].overall.get(column) for column in columns if column not in by_user},
            f"{primary}_low": bounds[i, 1],
            f"{primary}_high": bounds[i, 2],
            **{spread_column(primary, over): running[i].spread.get(over) for over in SPREADS},
            "difference_to_best": differences[i, 0],
            **tested.get(i, {}),
        }
        for i in order
    ]
    rows += [_about(outcome) for outcome in outcomes if outcome.status != OK]
    spreads = [spread_column(primary, over) for over in SPREADS]
    around = [f"{primary}_low", f"{primary}_high", *spreads, "difference_to_best"]
    header = [*ABOUT, *columns, *around, *TESTED, *MEASURED]
    return Leaderboard(
        frame=pd.DataFrame(rows, columns=header),
        best=None if best is None else running[best].label,
        intervals=_interval_table(users, resampled, order),
        differences=_table([running[i].label for i in order], differences[order]),
        pairs=_pairs(resampled[primary], [running[i].label for i in family], family, adjusted),
        note=resampled[primary].note,
    )


def spread_column(primary: str, over: str) -> str:
    """Where the leaderboard holds a standard deviation; over: one of SPREADS.

    >>> spread_column("ndcg@10", "seeds")
    'ndcg@10_sd_seeds'
    """
    return f"{primary}_sd_{over}"


def _ranked(values: np.ndarray, higher_is_better: bool) -> list[int]:
    """Positions best first, equals in their order, NaN last."""
    return np.argsort(-values if higher_is_better else values, kind="stable").tolist()


def _about(outcome: Outcome) -> dict[str, Any]:
    about = {name: getattr(outcome, name) for name in ABOUT if name != "model"}
    return {"model": outcome.label, **about, **{name: outcome.measured.get(name) for name in MEASURED}}


def _interval_table(users: UserValues, resampled: Mapping[str, Bootstrap], order: Sequence[int]) -> pd.DataFrame:
    tables = []
    for column, drawn in resampled.items():
        table = _table([users.labels[i] for i in order], drawn.intervals()[order])
        table.insert(1, "column", column)
        tables.append(table[np.isfinite(table["value"])])
    return pd.concat(tables, ignore_index=True)


def _pairs(drawn: Bootstrap, labels: Sequence[str], family: Sequence[int], adjusted: np.ndarray) -> pd.DataFrame:
    """Every two models of the family, the better one first, with their difference."""
    tables = []
    for place, column in enumerate(family[:-1]):
        rest = slice(place + 1, None)
        table = _table(labels[rest], -drawn.differences(column)[list(family[rest])][:, [0, 2, 1]])
        table.insert(0, "other", table.pop("model"))
        table.insert(0, "model", labels[place])
        tables.append(table.assign(p_adjusted=adjusted[place, rest]))
    header = ["model", "other", "value", "low", "high", "p_adjusted"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=header)


def _table(labels: Sequence[str], bounds: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"model": list(labels), "value": bounds[:, 0], "low": bounds[:, 1], "high": bounds[:, 2]})
