from __future__ import annotations

from dataclasses import replace

import numpy as np
from behaviour import RecommenderBehaviour
from worlds import DAY, fitted, of_histories

from recsys.models.recent_popularity import RecentPopularity


class TestRecentPopularity(RecommenderBehaviour):
    model = RecentPopularity.Config()
    personal = False
    falls_back = False
    fold_in_overlap = 1.0

    def recent(self, train, **settings):
        return fitted(RecentPopularity.Config(**settings), train).recent

    def test_a_half_life_halves(self):
        # The newest row is of day 60: the others are 0, 1 and 2 half-lives of 30 days old.
        train = of_histories([[0, 1], [1, 2]], timestamp=[0 * DAY, 30 * DAY, 60 * DAY, 60 * DAY])
        np.testing.assert_allclose(self.recent(train, half_life_days=30), [0.25, 1.5, 1.0])

    def test_rows_that_are_no_positives_count_for_nobody(self):
        train = of_histories([[0, 1], [1]], timestamp=[0, 0, DAY], positive=[1, 1, 0])
        np.testing.assert_allclose(self.recent(train, half_life_days=1), [0.5, 0.5])

    def test_without_timestamps_the_order_of_rows_is_time(self):
        # Four rows of which 3/4, 2/4, 1/4 and 0 come later; half as much for every half of the rows.
        train = of_histories([[0, 1], [2, 3]])
        np.testing.assert_allclose(
            self.recent(train, half_life_share=0.5), 0.5 ** np.array([1.5, 1, 0.5, 0]), rtol=1e-6
        )

    def test_each_users_own_order(self):
        # User 0 took items 2, 1, 0, 3 in this order, user 1 took 0 and then 1.
        train = of_histories([[0, 1, 2, 3], [0, 1]], timestamp=[3, 2, 1, 4, 1, 2])
        train = replace(train, clock="order")
        expected = [0.5 ** (0.25 / 0.5) + 0.5 ** (0.5 / 0.5), 0.5 ** (0.5 / 0.5) + 1, 0.5 ** (0.75 / 0.5), 1]
        np.testing.assert_allclose(self.recent(train, half_life_share=0.5), expected, rtol=1e-6)

    def test_a_long_half_life_is_popularity(self):
        train = of_histories([[0, 1], [1, 2], [1]], timestamp=np.arange(5) * DAY)
        np.testing.assert_allclose(self.recent(train, half_life_days=1e9), train.popularity)
