from __future__ import annotations

import numpy as np
import pytest
import torch

from recsys.training import losses
from recsys.training.losses import binary_cross_entropy, full_softmax, hardest, sampled_softmax, uniform_softmax

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0], [0.5, 0.5, 0.5, 0.5]])
ROW, COLUMN = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 3])


def test_softmax_leaves_out_the_users_other_positives():
    # User 0 has items 0 and 1, so the negatives of both are 2 and 3; user 1 has item 3 against 0, 1 and 2.
    loss = sampled_softmax(LOGITS, ROW, COLUMN, torch.tensor([0, 1, 2]), torch.zeros(4))
    against = np.exp(0) + np.exp(-1)
    expected = [-np.log(np.exp(2) / (np.exp(2) + against)), -np.log(np.exp(1) / (np.exp(1) + against)), np.log(4)]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_softmax_over_targets_only():
    loss = sampled_softmax(LOGITS, ROW, COLUMN, torch.tensor([2]), torch.zeros(4))
    np.testing.assert_allclose(loss, [np.log(4)], rtol=1e-6)


def test_log_q_makes_the_sampled_sum_that_of_all_items():
    # Of ten equal items, nine are negatives; a batch holds three of them, each with chance 1/3: weighted, they count 9.
    logits = torch.zeros(1, 4)
    log_q = torch.log(torch.tensor([1.0, 1 / 3, 1 / 3, 1 / 3]))
    loss = sampled_softmax(logits, torch.tensor([0]), torch.tensor([0]), torch.tensor([0]), log_q)
    assert loss.item() == pytest.approx(np.log(10), rel=1e-6)


def test_softmax_without_any_negative_is_zero_and_has_a_gradient():
    logits = torch.zeros(1, 2, requires_grad=True)
    loss = sampled_softmax(logits, torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([0, 1]), torch.zeros(2))
    loss.sum().backward()
    assert loss.tolist() == [0, 0]
    assert torch.isfinite(logits.grad).all()


def test_binary_cross_entropy_by_hand():
    positive, negative = torch.tensor([1.0]), torch.tensor([[0.0, 2.0, -1.0]])
    loss = binary_cross_entropy(positive, negative, torch.tensor([[True, False, True]]))
    expected = np.log(1 + np.exp(-1)) + np.log(2) + np.log(1 + np.exp(-1))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_weight_of_the_positive():
    positive, negative, counted = torch.tensor([0.3]), torch.tensor([[1.0, -2.0]]), torch.tensor([[True, True]])
    whole = binary_cross_entropy(positive, negative, counted)
    half = binary_cross_entropy(positive, negative, counted, 0.5)
    assert float(whole - half) == pytest.approx(0.5 * np.log1p(np.exp(-0.3)))


def test_the_hardest_are_the_highest_that_count():
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0], [5.0, 4.0, 3.0, 2.0]])
    counted = torch.tensor([[True, False, True, True], [False, False, False, True]])
    found, left = hardest(logits, counted, 2)
    assert found[0].tolist() == [2, 1]
    assert left[0].all()
    assert (found[1, 0].item(), left[1].tolist()) == (2, [True, False])
    assert hardest(logits, counted, 9)[0].shape == (2, 4)


def test_uniform_softmax_by_hand():
    # Two of the other six items are drawn, so each stands for three; in the second row one of them is the positive.
    found = uniform_softmax(
        torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 2.0]] * 2), torch.tensor([[True] * 2, [True, False]]), 7
    )
    wanted = [np.log(np.e + 3 + 3 * np.e**2) - 1, np.log(1 + 3)]
    assert found.tolist() == pytest.approx(wanted)


def test_uniform_softmax_of_all_others_is_the_full_one():
    logits = torch.randn(7, generator=torch.Generator().manual_seed(0))
    found = uniform_softmax(logits[:1], logits[None, 1:], torch.ones(1, 6, dtype=torch.bool), 7)
    assert float(found) == pytest.approx(float(-torch.log_softmax(logits, 0)[0]))


@pytest.mark.parametrize("cells", [1, 10, 10**6])
def test_full_softmax_is_that_of_torch_in_blocks_of_any_size(monkeypatch, cells):
    monkeypatch.setattr(losses, "CELLS", cells)
    generator = torch.Generator().manual_seed(0)
    hidden, table = (torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (6, 5))
    target = torch.tensor([0, 4, 2, 2, 1, 0])
    results = []
    for loss in (full_softmax, lambda h, t, y: torch.nn.functional.cross_entropy(h @ t.T, y, reduction="sum")):
        inputs = [hidden.clone().requires_grad_(), table.clone().requires_grad_()]
        value = loss(*inputs, target) / 3
        value.backward()
        results.append([value.detach(), *(part.grad for part in inputs)])
    torch.testing.assert_close(*results)
