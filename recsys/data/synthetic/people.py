"""Users: how much they rate, who they are, what they want."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from recsys.config import FloatArray, IntArray
from recsys.data.synthetic.chance import Lottery, apportion
from recsys.data.synthetic.law import Law
from recsys.data.synthetic.words import OCCUPATIONS

YOUNGEST, OLDEST = 8, 78
WOMEN = 0.29  # share


@dataclass(frozen=True)
class Users:
    """The people, one value each.

    count: rows each will have. drive: standard normal, what is behind the count. age: years. woman: 0 or 1. occupation:
    index into words.OCCUPATIONS. arrival: day of the first sitting if it were the only one. restlessness: chance that a
    row begins a new sitting. leniency, surprise: mean and spread of their ratings, in points.
    """

    count: IntArray
    drive: FloatArray
    age: IntArray
    woman: IntArray
    occupation: IntArray
    arrival: FloatArray
    restlessness: FloatArray
    leniency: FloatArray
    surprise: FloatArray

    def __len__(self) -> int:
        return len(self.count)

    def part(self, users: slice) -> Users:
        """Some of them."""
        return Users(**{name: values[users] for name, values in vars(self).items()})


def draw_users(rng: np.random.Generator, law: Law, n_users: int, n_items: int, n_rows: int) -> Users:
    """The users of a world, `n_rows` ratings in all."""
    drive = rng.standard_normal(n_users)
    age = np.clip(np.round(13 + rng.gamma(2.6, 8.0, n_users)), YOUNGEST, OLDEST).astype(np.int64)
    return Users(
        count=_counts(law, drive, n_items, n_rows),
        drive=drive,
        age=age,
        woman=(rng.random(n_users) < WOMEN).astype(np.int64),
        occupation=_occupations(rng, age),
        arrival=_arrivals(rng, law, n_users),
        restlessness=law.restlessness * np.exp(law.restlessness_spread * rng.standard_normal(n_users)),
        leniency=law.leniency * rng.standard_normal(n_users),
        surprise=law.surprise * np.exp(law.surprise_spread * rng.standard_normal(n_users)),
    )


class Demography:
    """How tastes differ with age, gender and occupation."""

    def __init__(self, rng: np.random.Generator, law: Law) -> None:
        self.law = law
        self.of_age, self.of_gender = rng.standard_normal((2, law.dimensions))
        self.of_occupation = rng.standard_normal((len(OCCUPATIONS), law.dimensions))

    def tastes(self, rng: np.random.Generator, users: Users) -> FloatArray:
        """What users want, (len(users), dimensions), standard normal: partly what their demography says.

        The first dimension goes with activity.
        """
        known, explorer = self.law.demographic_share, self.law.explorer
        said = self.of_occupation[users.occupation]
        said += (users.age - 34.0)[:, None] / 13.0 * self.of_age
        said += (users.woman - WOMEN)[:, None] / np.sqrt(WOMEN * (1 - WOMEN)) * self.of_gender
        own = rng.standard_normal(said.shape)
        taste = known / np.sqrt(3) * said + np.sqrt(1 - known**2) * own
        taste[:, 0] = explorer * users.drive + np.sqrt(1 - explorer**2) * taste[:, 0]
        return taste


def _counts(law: Law, drive: FloatArray, n_items: int, n_rows: int) -> IntArray:
    usual = n_rows / len(drive)
    most = max(1, int(law.fullest_list * n_items))
    least = min(round(usual * law.least_activity / law.usual_activity), int(usual))
    least = max(least, int(usual >= 1))
    excess = (-log_ndtr(-drive)) ** (1 / law.activity_shape)  # drive ↦ Weibull, quantile by quantile
    return apportion(excess, n_rows, least, most)


def _occupations(rng: np.random.Generator, age: IntArray) -> IntArray:
    weight, peak, spread = np.array(list(OCCUPATIONS.values()), float).T
    years = np.arange(OLDEST + 1)[:, None]
    chances = Lottery.of_rows(weight * np.exp(-(((years - peak) / spread) ** 2) / 2))
    return chances.draw(rng, age) % len(OCCUPATIONS)


def _arrivals(rng: np.random.Generator, law: Law, n_users: int) -> FloatArray:
    wave = law.window * rng.random(law.waves)[rng.integers(law.waves, size=n_users)]
    wave = (wave + law.wave_width * rng.standard_normal(n_users)) % law.window
    return np.where(rng.random(n_users) < law.wave_share, wave, law.window * rng.random(n_users))
