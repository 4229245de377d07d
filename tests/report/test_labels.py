"""Labels: apart, near to what they name, on the page."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.report.labels import Box, beside, spread


class TestSpread:
    def test_places_with_room_stay(self):
        assert spread([50, 10, 90], 12, 0, 100) == [50, 10, 90]

    def test_equal_places_stand_around_their_middle_in_order(self):
        assert spread([50, 50, 50], 10, 0, 100) == [40, 50, 60]

    def test_stays_within(self):
        assert spread([0, 1, 2], 10, 0, 100) == [0, 10, 20]
        assert spread([99, 100], 10, 0, 100) == [90, 100]

    def test_too_many_share_the_room(self):
        found = spread([5.0] * 11, 20, 0, 100)
        assert np.diff(found) == pytest.approx([10] * 10)

    @pytest.mark.parametrize("seed", range(20))
    def test_any_places(self, seed):
        random = np.random.default_rng(seed)
        places = random.uniform(0, 300, 15)
        found = np.array(spread(places.tolist(), 13, 0, 300))
        assert (np.argsort(found, kind="stable") == np.argsort(places, kind="stable")).all()
        assert np.diff(np.sort(found)).min() >= 13 - 1e-9
        assert found.min() >= 0
        assert found.max() <= 300


class TestBeside:
    room = Box(0, 0, 400, 300)

    def test_a_lone_label_stands_to_the_right(self):
        mark = Box(100, 100, 110, 110)
        (label,) = beside([mark], [50], 12, self.room)
        assert (label.left, label.top) == (114, 99)

    def test_at_the_edge_it_stands_to_the_left(self):
        (label,) = beside([Box(380, 100, 390, 110)], [50], 12, self.room)
        assert label.right == 376

    def test_nothing_is_covered(self):
        random = np.random.default_rng(4)
        places = random.uniform((20, 20), (380, 280), (20, 2))
        marks = [Box(x - 5, y - 5, x + 5, y + 5) for x, y in places]
        labels = beside(marks, [60] * 20, 12, self.room)
        for i, label in enumerate(labels):
            others = [*labels[:i], *labels[i + 1 :], *marks[:i], *marks[i + 1 :]]
            assert sum(label.overlap(other) for other in others) == 0
            assert label.outside(self.room) == 0

    def test_without_room_every_label_still_has_a_place(self):
        marks = [Box(0, 0, 10, 10)] * 30
        assert len(beside(marks, [500] * 30, 12, Box(0, 0, 20, 20))) == 30
