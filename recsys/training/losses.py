"""Losses of rankings: of each positive against other items. Logits of less than float32 are raised to it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx
from torch.nn import functional

# Logits in memory at once where all items are scored, 4 MB: they stay in the processor's cache.
CELLS = 1_000_000


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


def binary_cross_entropy(positive: Tensor, negative: Tensor, counted: Tensor, weight: float = 1.0) -> Tensor:
    """Logistic loss of each positive and its sampled negatives, (n,).

    positive: (n,) logits. negative: (n, n_negatives) logits. counted: (n, n_negatives), False for a sampled item that
    is a positive after all. weight: of the positive's part.
    """
    positive, negative = positive.float(), negative.float()
    return weight * functional.softplus(-positive) + (functional.softplus(negative) * counted).sum(dim=1)


def hardest(negative: Tensor, counted: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The n drawn items of each positive that score highest, and which of them count, (n_positives, n) each.

    negative, counted: (n_positives, drawn) as in `binary_cross_entropy`; those that do not count are taken last.
    Rendle and Freudenthaler, "Improving Pairwise Learning for Item Recommendation from Implicit Feedback", WSDM 2014.
    """
    places = negative.detach().masked_fill(~counted, -torch.inf).topk(min(n, negative.shape[1]), dim=1).indices
    return negative.gather(1, places), counted.gather(1, places)


def uniform_softmax(positive: Tensor, negative: Tensor, counted: Tensor, n_items: int) -> Tensor:
    """Negative log-probability of each positive where a sample stands for all other items, (n,).

    positive, negative, counted: as in `binary_cross_entropy`. The sample is uniform, so that each negative counts for
    (n_items - 1) / n_negatives of them; with the log of that added to its logit the sum is that of the full softmax,
    on average.
    """
    positive, negative = positive.float(), negative.float()
    stands_for = math.log(max(n_items - 1, 1) / negative.shape[1])
    against = (negative + stands_for).masked_fill(~counted, -torch.inf)
    return torch.logsumexp(torch.column_stack([positive, against]), dim=1) - positive


def full_softmax(hidden: Tensor, table: Tensor, target: Tensor) -> Tensor:
    """Negative log-probability of each target among all rows of the table, summed.

        sum over n of -log( e^(h_n · t_target(n)) / sum over j of e^(h_n · t_j) )

    hidden: (n, size). table: (n_items, size). target: (n,) rows of the table. The logits are made, and differentiated,
    a block of rows at a time: the whole of them never stands in memory.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        return _FullSoftmax.apply(hidden.to(table.dtype), table, target)  # type: ignore[no-untyped-call]


class _FullSoftmax(Function):
    """Computes the gradients along with the loss, while a block's logits are at hand."""

    @staticmethod
    def forward(ctx: FunctionCtx, hidden: Tensor, table: Tensor, target: Tensor) -> Tensor:
        total = hidden.new_zeros(())
        of_hidden, of_table = torch.empty_like(hidden), torch.zeros_like(table)
        size = max(1, CELLS // len(table))
        for start in range(0, len(hidden), size):
            block = slice(start, start + size)
            logs = torch.log_softmax(hidden[block] @ table.T, dim=1)
            wanted = target[block, None]
            total -= logs.gather(1, wanted).sum()
            slope = logs.exp_().scatter_add_(1, wanted, logs.new_full(wanted.shape, -1.0))
            torch.mm(slope, table, out=of_hidden[block])
            of_table.addmm_(slope.T, hidden[block])
        ctx.save_for_backward(of_hidden, of_table)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, Tensor, None]:
        of_hidden, of_table = ctx.saved_tensors
        return of_hidden * upstream[0], of_table * upstream[0], None
