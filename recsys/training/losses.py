"""Losses over a batch of users with several positives each."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sampled_softmax(logits: Tensor, row: Tensor, column: Tensor, target: Tensor, log_q: Tensor) -> Tensor:
    """Negative log-probability of each target against the negatives in its batch, (n_targets,).

        -log( e^s(u,i) / (e^s(u,i) + sum over negatives j of e^s(u,j)) ),   s = logit - log q

    logits: (n_users, n_candidates). row, column: (n,) where a user has a positive; these are no negatives of that user.
    target: positions among the n that are to be predicted. log_q: (n_candidates,) log-probability that a candidate is
    in the batch at all, without which popular items, negatives more often than others, would score too low.
    Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019, eq. 3.
    """
    corrected = logits - log_q
    flat = row * logits.shape[1] + column
    negatives = corrected.reshape(-1).index_fill(0, flat, -torch.inf).reshape(corrected.shape)
    against = torch.logsumexp(negatives, dim=1)
    positive = corrected.reshape(-1)[flat[target]]
    return functional.softplus(against[row[target]] - positive)


def binary_cross_entropy(positive: Tensor, negative: Tensor, counted: Tensor) -> Tensor:
    """Logistic loss of each positive and its sampled negatives, (n,).

    positive: (n,) logits. negative: (n, n_negatives) logits. counted: (n, n_negatives), False for a sampled item that
    is a positive after all.
    """
    return functional.softplus(-positive) + (functional.softplus(negative) * counted).sum(dim=1)
