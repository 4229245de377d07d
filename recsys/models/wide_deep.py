"""Wide & deep: a linear part that remembers pairs of items beside a deep part that generalises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs, Recommender
from recsys.models.explanation import Explanation
from recsys.models.learning import learn, shape_of
from recsys.models.neighbors import CELLS, TINY
from recsys.models.pairs import layers_of, pair_scores
from recsys.models.space import Between, OneOf
from recsys.models.vectors import LAST
from recsys.retrieval.topk import top_k
from recsys.training.run import FitRun

if TYPE_CHECKING:
    from recsys.models.networks.wide_deep import TowersNetwork, WideDeepNetwork


class WideDeep(Recommender):
    """A weight for each pair of a seen item and a candidate, and dense layers over the embeddings of both, in one sum.

    Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016. Wide: the crosses "has taken A and is shown
    B" of each item with the `neighbors` most often taken along with it. Deep: `layers` dense layers, the first
    `hidden_size` wide and each half as wide as the one before, over the pooled embeddings of the history beside the
    item's. Both are trained together, here by the softmax of each positive among `negatives` uniformly drawn items.
    `kind: towers` is what goes by this name elsewhere: on either side an id embedding and one dense layer, the product
    as score, the softmax over the items of a batch; with `epochs` 3, `learning_rate` 0.5, `batch_size` 4096 and
    `optimizer` adagrad as published. `batch_size` counts positives. Every pair runs through the layers of wide-deep, so
    that lists take time by users × items. A new user is served by the history alone, exactly, and gets popularity from
    towers; so does a user without a history. An item unseen in training comes last.
    """

    class Config(ModelConfig):
        name: Literal["wide-deep"] = "wide-deep"
        kind: Literal["wide-deep", "towers"] = "wide-deep"
        embedding_size: Annotated[PositiveInt, Between(8, 128, log=True)] = 32
        hidden_size: Annotated[PositiveInt, OneOf(16, 32, 64, 128)] = 32
        layers: Annotated[PositiveInt, Between(1, 4)] = 2
        neighbors: Annotated[PositiveInt, Between(20, 500, log=True)] = 100
        epochs: PositiveInt = 10
        learning_rate: Annotated[PositiveFloat, Between(0.001, 0.03, log=True)] = 0.003
        optimizer: Literal["adagrad", "adam"] = "adam"
        batch_size: Annotated[PositiveInt, OneOf(128, 256, 512, 1024)] = 256
        patience: PositiveInt = 4
        negatives: Annotated[PositiveInt, Between(4, 64, log=True)] = 8
        regularization: Annotated[NonNegativeFloat, Between(1e-4, 0.3, log=True)] = 0.01
        dropout: Annotated[float, Field(ge=0, lt=1), Between(0.0, 0.5)] = 0.3

        @property
        def widths(self) -> tuple[int, ...]:
            """Of the dense layers, from the first one on."""
            return tuple(max(1, self.hidden_size >> layer) for layer in range(self.layers))

    needs = Needs(history=True)
    state = ("user_vectors", "history_vectors", "item_vectors", "item_biases", "crosses", "dense", "output")
    strangers_alike = True
    stochastic = True
    libraries = ("torch",)
    watches_validation = True
    user_vectors: FloatArray
    """Of training users with towers, (n_users or 0, embedding_size)."""
    history_vectors: FloatArray
    """What an item of the history puts into the first layer, before division by the root of the history's weight;
    behind them the biases, (n_items + 1, hidden_size); empty with towers."""
    item_vectors: FloatArray
    """What a candidate puts into the first layer, (n_items, hidden_size); with towers its vector."""
    item_biases: FloatArray
    crosses: sparse.csr_array
    """What an item of the history adds to a candidate's score, (n_items, n_items)."""
    dense: FloatArray
    """The dense layers behind the first one, as `layers_of` takes them apart."""
    output: FloatArray

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Parameters, gradients, optimizer, best epoch and result; a batch's histories, crosses and layers."""
        settings = self.config
        size, batch = settings.embedding_size, min(settings.batch_size, n_interactions)
        if settings.kind == "towers":
            logits = 24 * min(batch, n_users) * min(batch, n_items)
            return 28 * (n_users + n_items) * size + logits + (MATRIX_BYTES + 40) * n_interactions
        crosses = min(settings.neighbors, n_items)
        pairs = batch * (1 + settings.negatives)
        kept = 4 * pairs * (8 * crosses + 4 * size + 8 * settings.hidden_size) + 16 * batch * n_items
        return n_items * (36 * crosses + 56 * size) + 3 * kept // 2 + 4 * CELLS + (MATRIX_BYTES + 40) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """In every epoch: each positive and negative, all parameters once a batch; then the lists of all pairs."""
        settings = self.config
        size, hidden = settings.embedding_size, settings.hidden_size
        batches = 1 + n_interactions / settings.batch_size
        if settings.kind == "towers":
            cells = min(settings.batch_size, n_users) * min(settings.batch_size, n_items)
            return super().seconds(n_users, n_items, n_interactions) + settings.epochs * batches * cells * 1e-8
        pair = 2e-7 + 2e-9 * size + 3e-9 * hidden + 1.5e-8 * min(settings.neighbors, n_items)
        tables = 3e-9 * n_items * (min(settings.neighbors, n_items) + 2 * size)
        histories = n_interactions * n_items * (2e-9 + 1e-10 * size)
        epoch = n_interactions * (1 + settings.negatives) * pair + batches * tables + histories
        lists = n_users * n_items * 3e-11 * hidden**2
        return super().seconds(n_users, n_items, n_interactions) + settings.epochs * epoch + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Train both parts together."""
        from recsys.models.networks.wide_deep import Shape, TowersNetwork, WideDeepNetwork
        from recsys.training.loop import generator_of

        settings, generator = self.config, generator_of(run)
        shape = shape_of(Shape, settings)
        network: TowersNetwork | WideDeepNetwork
        if settings.kind == "towers":
            network = TowersNetwork(train.matrix, shape, generator)
        else:
            network = WideDeepNetwork(train.matrix, together(train.matrix, settings.neighbors), shape, generator)
        unseen = np.flatnonzero(train.popularity == 0)
        self.best_epoch = learn(network, settings, train, run, generator, lambda: self._taken_from(network, unseen))

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        if self.config.kind == "towers":
            scores: FloatArray = self.user_vectors[users.index] @ self.item_vectors.T + self.item_biases
            scores[users.index < 0] = self.popularity
            return self.fall_back(scores, users)
        total = np.sqrt(np.maximum(users.history.sum(axis=1), TINY))[:, None].astype(np.float32)
        pooled: FloatArray = (users.history @ self.history_vectors[:-1]) / total + self.history_vectors[-1]
        layers = layers_of(self.dense, self.config.widths)
        scores = pair_scores(pooled, self.item_vectors, layers, self.output)
        scores += (users.history @ self.crosses).toarray() / total + self.item_biases
        return self.fall_back(scores, users)

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """What each item of the history adds in the wide part; with towers how near it is to each of these."""
        history = users.history[[0]]
        if self.config.kind == "towers":
            parts = self.item_vectors[items] @ self.item_vectors[history.indices].T
        else:
            weight = history.data / np.sqrt(np.maximum(history.data.sum(), TINY))
            parts = self.crosses[history.indices].toarray()[:, items].T * weight
        return Explanation(history.indices, parts, additive=False)

    def _taken_from(self, network: TowersNetwork | WideDeepNetwork, unseen: IntArray) -> WideDeep:
        """This model with the parameters that the network has now. unseen: items without a positive."""
        parts = {name: part.detach().cpu().numpy() for name, part in network.named_parameters()}
        size, n_items = self.config.embedding_size, len(parts["items"])
        nothing = np.zeros((0, size), dtype=np.float32)
        self.user_vectors, self.history_vectors, self.output = nothing, nothing, nothing[:, 0]
        self.dense, self.crosses = nothing[:, 0], sparse.csr_array((n_items, n_items), dtype=np.float32)
        if self.config.kind == "towers":
            ((of_user, user_bias),) = layers_of(parts["user_layer"], (size, size))
            ((of_item, item_bias),) = layers_of(parts["item_layer"], (size, size))
            self.user_vectors = parts["users"] @ of_user + user_bias
            self.item_vectors = parts["items"] @ of_item + item_bias
            self.item_biases = np.zeros(n_items, dtype=np.float32)
        else:
            of_history = parts["history"] @ parts["first"][:size]
            of_history[unseen] = 0
            self.history_vectors = np.vstack([of_history, parts["first_biases"]])
            self.item_vectors = parts["items"] @ parts["first"][size:]
            self.item_biases, self.dense, self.output = (
                parts[name].copy() for name in ("item_biases", "layers", "output")
            )
            crossed = np.asarray(network.crossed)
            columns = np.repeat(np.arange(n_items), crossed.shape[1])
            cells = (parts["crosses"].ravel().copy(), (crossed.ravel(), columns))
            self.crosses = sparse.csr_array(cells, shape=(n_items, n_items))
        self.item_biases[unseen] = LAST
        return self


def together(matrix: sparse.csr_array, n: int) -> IntArray:
    """For each item the n others most often taken along with it, (n_items, at most n); smaller first among equals."""
    n_items = matrix.shape[1]
    ones = matrix.copy()
    ones.data[:] = 1
    by_item = ones.T.tocsr()
    found = np.empty((n_items, min(n, max(n_items - 1, 1))), dtype=np.int64)
    size = max(1, CELLS // n_items)
    for start in range(0, n_items, size):
        rows = slice(start, min(start + size, n_items))
        counts = (by_item[rows] @ ones).toarray()
        counts[np.arange(len(counts)), np.arange(start, rows.stop)] = -1
        found[rows] = top_k(counts, found.shape[1])[0]
    return found
