"""Agreement of lists: values by hand, a plain loop over the published formula, and the ends of the scale."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.comparison import agreement as module
from recsys.comparison.agreement import agreement


def lists(*texts, k=None):
    """Lists of letters as rows of numbers."""
    k = k or max(map(len, texts))
    return np.array([[ord(letter) for letter in text] + [-1] * (k - len(text)) for text in texts])


def rbo_ext(one, other, p):
    """Equation 32 of Webber, Moffat and Zobel 2010, term by term."""
    short, long = sorted((list(one), list(other)), key=len)
    s, n = len(short), len(long)
    shared = {d: len(set(short[:d]) & set(long[:d])) for d in range(1, n + 1)}
    total = sum(shared[d] / d * p**d for d in range(1, n + 1))
    total += sum(shared[s] * (d - s) / (s * d) * p**d for d in range(s + 1, n + 1))
    return (1 - p) / p * total + ((shared[n] - shared[s]) / n + shared[s] / s) * p**n


class TestByHand:
    @pytest.mark.parametrize(
        ("one", "other", "value"),
        [
            # Shares that agree down to each depth: 0, 1/2, 2/3, 1, 1 and 0, 1, 1, 1, 1, 1, 1.
            ("12345", "23415", 0.1 * (0 + 0.9 / 2 + 0.81 * 2 / 3 + 0.729 + 0.6561) + 0.59049),
            ("abcdefg", "bacdefg", 0.9),
            ("abcdefg", "abcdefg", 1.0),
        ],
    )
    def test_rank_biased_overlap(self, one, other, value):
        assert agreement(lists(one), lists(other), 0.9).rbo[0] == pytest.approx(value)

    def test_lists_that_go_apart(self):
        """Two lists that agree by these shares down to each depth."""
        agreed = np.array([0, 0, 2 / 3, 1 / 2, 2 / 5, 1 / 3, 2 / 7])
        wanted = 0.1 / 0.9 * (agreed * 0.9 ** np.arange(1, 8)).sum() + 2 / 7 * 0.9**7
        assert agreement(lists("abcdefg"), lists("zcavwxy"), 0.9).rbo[0] == pytest.approx(wanted)


class TestEnds:
    def test_equal_lists(self):
        found = agreement(lists("abc", "xyz"), lists("abc", "xyz"))
        np.testing.assert_allclose(found, [[3, 3], [1, 1], [1, 1]])

    def test_lists_that_share_nothing(self):
        np.testing.assert_array_equal(agreement(lists("abc"), lists("xyz")), [[0], [0], [0]])

    def test_the_same_items_in_another_order(self):
        found = agreement(lists("abc"), lists("cba"))
        assert (found.overlap[0], found.jaccard[0]) == (3, 1)
        assert found.rbo[0] == pytest.approx(rbo_ext("abc", "cba", 0.9))
        assert found.rbo[0] < 1

    def test_agreement_at_the_top_weighs_more(self):
        top, end = (agreement(lists("abcd"), lists(other)).rbo[0] for other in ("abxy", "xycd"))
        assert top > end

    def test_two_empty_lists_are_equal_and_one_shares_nothing(self):
        found = agreement(lists("", "", k=3), lists("", "abc", k=3))
        np.testing.assert_array_equal(found, [[0, 0], [1, 0], [1, 0]])

    def test_places_beyond_the_end_of_a_list_are_no_items(self):
        found = agreement(lists("a", k=4), lists("b", k=4))
        np.testing.assert_array_equal(found, [[0], [0], [0]])

    def test_nobody(self):
        assert all(len(each) == 0 for each in agreement(np.empty((0, 3), int), np.empty((0, 3), int)))


@pytest.mark.parametrize(
    ("one", "other"), [("ab", "abcd"), ("abcd", "ab"), ("ab", "xbacq"), ("a", "bca"), ("abc", "d")]
)
def test_lists_of_two_lengths(one, other):
    found = agreement(lists(one, k=6), lists(other, k=6), 0.8)
    shared = len(set(one) & set(other))
    assert found.overlap[0] == shared
    assert found.jaccard[0] == pytest.approx(shared / len(set(one) | set(other)))
    assert found.rbo[0] == pytest.approx(rbo_ext(one, other, 0.8), abs=1e-6)


def test_users_do_not_touch_one_another(monkeypatch):
    """Random lists of random lengths, in blocks and one by one, both ways round."""
    monkeypatch.setattr(module, "BLOCK", 7)
    random = np.random.default_rng(5)

    def drawn():
        found = np.stack([random.permutation(12)[:8] for _ in range(50)])
        found[np.arange(8) >= random.integers(1, 9, 50)[:, None]] = -1
        return found

    one, other = drawn(), drawn()
    found = agreement(one, other)
    np.testing.assert_allclose(found, agreement(other, one))
    wanted = [rbo_ext(a[a >= 0], b[b >= 0], 0.9) for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(found.rbo, wanted, atol=1e-6)
    assert ((found.rbo >= 0) & (found.rbo <= 1 + 1e-6)).all()
