"""The numbers of the made world; nothing here knows its size, its seed or a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.config import FloatArray

DAY = 86_400.0  # seconds
OPENING = 1_704_067_200  # seconds since 1970: 1 January 2024, the first moment of the window in which ratings are given
REFERENCE_ITEMS = 1682


@dataclass(frozen=True)
class Law:
    """How people, items and time behave. Times are in days where nothing else is said; odds and popularity are logs.

    The shape is from first principles. The numbers were set once, by hand, until statistics of MovieLens-100K came out:
    the curves of activity and popularity, the spectrum of the interaction matrix, the histogram of ratings, the drift
    in time, and how much can be predicted (the NDCG of popularity, neighbours and EASE, the RMSE of biases).
    """

    # Taste: a user and a theme meet in a space of `dimensions`; dimension k weighs taste / k ** taste_decay.
    dimensions: int = 64
    taste: float = 1.55
    taste_decay: float = 0.75
    themes: float = 350.0  # at the size of MovieLens-100K; they grow with the cube root of the catalogue
    genre_share: float = 0.5  # of the variance of a theme's place, how much its genre decides
    second_genre: float = 0.4  # share of the themes with a second genre
    side_theme: float = 0.3  # share of the items that belong to a second theme as well
    side_weight: float = 0.3  # and how much of such an item belongs there
    demographic_share: float = 0.35  # correlation of taste with what age, gender and occupation say
    explorer: float = 0.6  # correlation of activity with the first dimension: who rates much reaches deep

    # Popularity over the years: a Weibull curve, of which a part is shared by the items of a theme.
    popularity: float = 2.5  # standard deviation of its logarithm
    theme_popularity: float = 0.47  # correlation with that of the theme
    mainstream: float = 0.6  # correlation of a theme's popularity with the second dimension

    # Activity: a least number of rows and a Weibull excess.
    usual_activity: float = 106.0  # rows a user at which the least is `least_activity`; both grow together
    least_activity: float = 20.0
    activity_shape: float = 0.8
    fullest_list: float = 0.75  # nobody rates more than this share of the catalogue

    # Time: users arrive evenly or in waves, and rate in one or a few sittings, page by page.
    window: float = 215.0
    waves: int = 5
    wave_share: float = 0.5
    wave_width: float = 5.0
    restlessness: float = 0.004  # median over users of the chance that a row begins a new sitting
    restlessness_spread: float = 1.6
    late: float = 2.0  # how steeply that chance grows along a user's rows
    pause: float = 5.0  # median time between sittings
    pause_spread: float = 1.8
    same_page: float = 0.5  # chance that a row is sent in the same second as the row before
    page_seconds: float = 35.0  # median time between pages
    page_spread: float = 1.0
    page_fame: float = 0.35  # how much earlier pages of well-known items are seen, in shares of a user's rows
    page_slip: float = 0.01  # how far rows stray from the page they belong to, likewise

    # Items in time: most are recent, some are classics, a few appear within the window; fashions come and go.
    classics: float = 0.2
    classic_age: float = 1_500.0  # least age of a classic, and
    classic_span: float = 14_000.0  # how far back classics go from there
    recent_age: float = 1_000.0  # mean age of the others
    hype: float = 2.5  # how much more a new item is met at its release than later
    hype_days: float = 40.0
    fashion: float = 0.6  # standard deviation of an item's change of log popularity over the window

    # Ratings: before rounding, what the item is, who the user is, how the two agree, and chance; in rating points.
    mean: float = 2.93
    quality: float = 0.71
    fame: float = 0.85  # correlation of quality with popularity
    classic_quality: float = 0.3
    leniency: float = 0.5
    agreement_dimensions: int = 4
    agreement: float = 0.23  # standard deviation in each of these dimensions of taste
    theme_agreement: float = 0.7  # correlation of what tastes make of an item with what they make of its theme
    selection: float = 0.2  # correlation of what tastes make of a theme with how much they seek it
    surprise: float = 0.83
    surprise_spread: float = 0.33  # of its logarithm, over users

    # Sessions: what users look at.
    rows_per_session: float = 25.0  # ratings that a user gives for each session that is recorded
    views: float = 6.0  # mean length of a session
    astray: float = 0.4  # chance that a theme is picked by what everybody looks at
    next_of_theme: float = 0.6  # chance that a view stays with the theme of the view before

    def weights(self) -> FloatArray:
        """Standard deviation of each dimension of taste, shape (dimensions,)."""
        return self.taste * np.arange(1.0, self.dimensions + 1) ** -self.taste_decay

    def n_themes(self, n_items: int) -> int:
        """How many themes a catalogue has."""
        return max(2, min(round(self.themes * (n_items / REFERENCE_ITEMS) ** (1 / 3)), n_items // 4))
