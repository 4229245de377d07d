"""One experiment under two protocols: both orders of the models, and what is said under one and not under the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from recsys.comparison.family import ALPHA
from recsys.comparison.leaderboard import OK
from recsys.comparison.result import read_leaderboard
from recsys.comparison.users import user_values
from recsys.config import FloatArray
from recsys.metrics.registry import parse_column

RESAMPLES = 10_000


@dataclass(frozen=True)
class Standing:
    """A row of the leaderboard under both protocols.

    ranks, values: of the primary metric. leads: whether it is the best or cannot be told apart from it; None where that
    cannot be said, as of controls.
    """

    model: str
    control: bool
    ranks: tuple[int, int]
    values: tuple[float, float]
    leads: tuple[bool | None, bool | None]


@dataclass(frozen=True)
class Protocols:
    """What two protocols say of the same models, those that have a value under both.

    names: of the protocols. metrics: the primary metric of each. standings: in the order of the first. tau: Kendall's
    rank correlation (tau-b) of the two orders without controls; None for fewer than two models, or where all have the
    same value. low, high: where the middle 95 % of it lie when the users of each are drawn anew; None where there is no
    interval. flips: models that lead under one protocol alone. reversed: pairs of models, the one that is better under
    the first protocol first, that are told apart under both and in opposite directions.
    """

    names: tuple[str, str]
    metrics: tuple[str, str]
    standings: tuple[Standing, ...]
    tau: float | None
    low: float | None
    high: float | None
    flips: tuple[str, ...]
    reversed: tuple[tuple[str, str], ...]

    def facts(self) -> dict[str, Any]:
        """Plain JSON values under the names of the fields."""
        return asdict(self)


def side_by_side(one: Path, other: Path, names: tuple[str, str]) -> Protocols:
    """Hold two comparisons against each other: their folders, with leaderboard.csv, pairs.csv, per_user.parquet and
    spec.yaml."""
    sides = _Side.load(one), _Side.load(other)
    labels = [label for label in sides[0].order if label in sides[1].order]
    standings = tuple(_standing(label, labels, sides) for label in labels)
    models = [each.model for each in standings if not each.control]
    tau, low, high = _correlation(models, sides)
    return Protocols(
        names=names,
        metrics=(sides[0].primary, sides[1].primary),
        standings=standings,
        tau=tau,
        low=low,
        high=high,
        flips=tuple(each.model for each in standings if None not in each.leads and each.leads[0] != each.leads[1]),
        reversed=tuple(sorted(sides[0].better & {(worse, better) for better, worse in sides[1].better})),
    )


@dataclass(frozen=True, eq=False)
class _Side:
    """One of the comparisons. order: labels with a value, best first. better: pairs that are told apart, so ordered."""

    primary: str
    order: list[str]
    rows: dict[str, Mapping[str, Any]]
    better: set[tuple[str, str]]
    per_user: pd.DataFrame

    @classmethod
    def load(cls, folder: Path) -> _Side:
        primary = yaml.safe_load((folder / "spec.yaml").read_text(encoding="utf-8"))["evaluation"]["primary"]
        board = read_leaderboard(folder / "leaderboard.csv")
        board = board[(board["status"] == OK) & board[primary].notna()]
        texts = {"model": "str", "other": "str"}
        pairs = pd.read_csv(folder / "pairs.csv", dtype=texts, keep_default_na=False, na_values=[""])
        sure = pairs[pairs["p_adjusted"] <= ALPHA]
        return cls(
            primary=primary,
            order=list(board["model"]),
            rows={row["model"]: row for row in board.to_dict(orient="records")},
            better=set(zip(sure["model"], sure["other"], strict=True)),
            per_user=pd.read_parquet(folder / "per_user.parquet"),
        )

    def leads(self, label: str) -> bool | None:
        group = self.rows[label]["group"]
        return "a" in group if isinstance(group, str) else None

    def sign(self) -> int:
        return 1 if parse_column(self.primary)[0].higher_is_better else -1

    def resampled(self, labels: list[str], seed: int) -> FloatArray | None:
        """Means of these models over users drawn anew, (resamples, models); None where there are too few users, or
        users do not count alike."""
        if parse_column(self.primary)[0].pool is not None:
            return None
        drawn = user_values(self.per_user, labels, [self.primary]).resampled([self.primary], RESAMPLES, seed)
        means = self.sign() * drawn[self.primary].resampled
        return means if len(means) and np.isfinite(means).all() else None


def _standing(label: str, labels: list[str], sides: tuple[_Side, _Side]) -> Standing:
    one, other = sides
    places = tuple([each for each in side.order if each in labels].index(label) + 1 for side in sides)
    return Standing(
        model=label,
        control=bool(one.rows[label]["control"]),
        ranks=(places[0], places[1]),
        values=(float(one.rows[label][one.primary]), float(other.rows[label][other.primary])),
        leads=(one.leads(label), other.leads(label)),
    )


def _correlation(models: list[str], sides: tuple[_Side, _Side]) -> tuple[float | None, float | None, float | None]:
    """Kendall's tau-b of the values, and its percentile interval."""
    if len(models) < 2:
        return None, None, None
    from scipy.stats import kendalltau  # half a second that only a second protocol is worth

    values = [side.sign() * np.array([side.rows[label][side.primary] for label in models]) for side in sides]
    tau = float(kendalltau(*values).statistic)
    drawn = [side.resampled(models, seed) for seed, side in enumerate(sides)]
    if not np.isfinite(tau):
        return None, None, None
    if drawn[0] is None or drawn[1] is None:
        return tau, None, None
    low, high = np.percentile(taus(drawn[0], drawn[1]), [2.5, 97.5])
    return tau, float(low), float(high)


def taus(one: FloatArray, other: FloatArray) -> FloatArray:
    """Kendall's tau of each row of one matrix with the same row of another, (n,); a tie counts as half agreed.

    >>> taus(np.array([[1, 2, 3], [1, 2, 3]]), np.array([[4, 5, 6], [5, 4, 6]])).round(2)
    array([1.  , 0.33])
    """
    first, second = np.triu_indices(one.shape[1], k=1)
    signs = [np.sign(each[:, first] - each[:, second]) for each in (one, other)]
    return np.mean(signs[0] * signs[1], axis=1)
