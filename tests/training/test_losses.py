from __future__ import annotations

import numpy as np
import pytest
import torch

from recsys.training.losses import binary_cross_entropy, sampled_softmax

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
