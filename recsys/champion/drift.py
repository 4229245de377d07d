"""Whether new rows look like those before: what an upstream mistake or somebody's made rows would change.

Real data come in bursts: whole days are silent, and most rows of a day may come from people never seen before. So no
number is judged by itself. Each is held against the same number of up to 60 earlier periods of the same length, and
its distance from their median is counted in what is usual among them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsys.champion.anomalies import anomalies
from recsys.champion.looks import Look, looks
from recsys.champion.periods import Periods, periods_of
from recsys.config import BoolArray, Config, FloatArray
from recsys.data.dataset import Dataset
from recsys.data.interactions import DAY

# Periods with fewer rows are not judged, nor is anything with fewer earlier periods that could be.
FEWEST_ROWS = 50
FEWEST_PERIODS = 8
# A spread known from m periods only is widened by 1 + this / m.
UNSURE = 4.0
# The least that counts as usual for the number of rows, as log2: where the earlier periods are as steady as that, four
# times the usual number is 5 units away, and 1.3 times is 1.
RATE_FLOOR = 0.4
# The 90th percentile of the distance from the centre, in standard deviations of a normal distribution.
NINETIETH = 1.645


class Measure(Config):
    """A number of the new rows. usual: its median over earlier periods. units: how far it is on the suspicious side, in
    units of what is usual; 0 where it is on the other."""

    name: str
    value: float
    usual: float
    units: float

    @property
    def text(self) -> str:
        return f"{self.name} {self.value:.3g}, usually {self.usual:.3g} ({self.units:.1f} times the usual spread)"


class Drift(Config):
    """What the new rows look like beside those before.

    rows: the new ones. periods: how many periods they make, the worst of which counts. earlier: periods before, with
    rows enough, that they are held against. measures: of the worst period, furthest first. anomalous: share of rows
    that look made; made: how many, by reason. note: why nothing was judged, or None.
    """

    rows: int
    periods: int
    earlier: int
    measures: tuple[Measure, ...] = ()
    anomalous: float = 0.0
    made: dict[str, int] = {}
    note: str | None = None

    @property
    def units(self) -> float:
        """The largest distance of all measures."""
        return max((measure.units for measure in self.measures), default=0.0)


def drift(data: Dataset, until: int, since: int | None = None, length: int = DAY) -> Drift:
    """Hold the rows after `since` and not after `until` against those before; times in microseconds.

    since: time of the newest row that was judged and found good; None: the newest period is judged. length: of a
    period, what lies between two retrainings as a rule. New rows of a longer span are judged period by period, and the
    worst one counts, so that a good day does not thin out a bad one.
    """
    periods = periods_of(data, until, since, length)
    rows = periods.total()
    new, judged = rows[: periods.n_new], rows >= FEWEST_ROWS
    about = {"rows": int(new.sum()), "periods": periods.n_new, "earlier": int(judged[periods.n_new :].sum())}
    if about["earlier"] < FEWEST_PERIODS:
        few = f"{about['earlier']} earlier periods with {FEWEST_ROWS} rows or more are too few"
        return Drift(**about, note=f"{few}, {FEWEST_PERIODS} are needed")
    measures = list(_measures(periods, judged))
    worst = max(range(periods.n_new), key=lambda period: max((m.units for m in measures[period]), default=0.0))
    share, made = _made(anomalies(periods), new, judged[: periods.n_new])
    note = None if judged[: periods.n_new].any() else f"fewer than {FEWEST_ROWS} new rows: only their number was judged"
    ordered = sorted(measures[worst], key=lambda measure: -measure.units)
    return Drift(**about, measures=tuple(ordered), anomalous=share, made=made, note=note)


def _measures(periods: Periods, judged: BoolArray) -> Iterator[list[Measure]]:
    """The measures of each new period, newest first."""
    there = list(looks(periods))
    for period in range(periods.n_new):
        found = [_rate(periods, period)]
        if judged[period]:
            found += [_measure(look, period, periods.n_new, judged) for look in there]
        yield [measure for measure in found if measure is not None]


def _measure(look: Look, period: int, n_new: int, judged: BoolArray) -> Measure | None:
    past = judged & (np.arange(len(judged)) >= n_new) & np.isfinite(look.values)
    if past.sum() < FEWEST_PERIODS or not np.isfinite(look.values[period]):
        return None
    usual = float(np.median(look.values[past]))
    noise = np.ones(len(judged))
    if look.size is not None:
        # Half of the variance is the period's own, half falls with what the number is a mean over.
        noise = np.sqrt(0.5 + 0.5 * np.median(look.size[past]) / np.maximum(look.size, 1))
    spread = _spread((look.values[past] - usual) / noise[past]) * noise[period]
    away = float(look.values[period]) - usual
    signed = {"up": away, "down": -away, "both": abs(away)}[look.direction]
    units = max(0.0, signed) / max(spread, look.floor)
    return Measure(name=look.name, value=float(look.values[period]), usual=usual, units=units)


def _rate(periods: Periods, period: int) -> Measure | None:
    """How many rows came, as log2, silent periods counted; not judged where silence is usual."""
    rows = periods.total()
    past = rows[periods.n_new :]
    if np.median(past) < FEWEST_ROWS:
        return None
    logs = np.log2(rows + 10)
    usual = float(np.median(logs[periods.n_new :]))
    units = abs(logs[period] - usual) / max(_spread(logs[periods.n_new :] - usual), RATE_FLOOR)
    return Measure(name="rows", value=float(rows[period]), usual=float(np.median(past)), units=float(units))


def _spread(away: FloatArray) -> float:
    """What is usual: the median absolute deviation, or what nine in ten stay within where tails are longer, both as a
    standard deviation; wider where it is known from few."""
    size = np.abs(away)
    robust = max(1.4826 * float(np.median(size)), float(np.quantile(size, 0.9)) / NINETIETH)
    return robust * (1 + UNSURE / len(size))


def _made(found: dict[str, FloatArray], rows: FloatArray, judged: BoolArray) -> tuple[float, dict[str, int]]:
    """The largest share of any new period that is judged, and the rows behind it by reason."""
    if not judged.any():
        return 0.0, {}
    total = sum(found.values(), start=np.zeros(len(rows)))
    shares = np.where(judged, np.minimum(1, total / np.maximum(rows, 1)), 0)
    worst = int(np.argmax(shares))
    counts = {reason: round(float(each[worst])) for reason, each in found.items()}
    return float(shares[worst]), {reason: n for reason, n in counts.items() if n}
