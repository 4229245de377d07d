"""SASRec: what comes next after the last items of a history, by self-attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs
from recsys.models.explanation import Explanation
from recsys.models.learning import learn, shape_of
from recsys.models.neighbors import CELLS
from recsys.models.space import Between, OneOf
from recsys.models.transformer import last_states
from recsys.models.vectors import VectorRecommender
from recsys.training.run import FitRun

if TYPE_CHECKING:
    from recsys.models.networks.sasrec import SasrecNetwork


class Sasrec(VectorRecommender):
    """A causal transformer reads the last items of a history; the score is the product of its last state and an item.

    Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018; normalised before each layer, and with the
    softmax over all items, as in Klenitskiy and Vasilev, "Turning Dross Into Gold Loss", RecSys 2023. `loss`:
    softmax; sampled-softmax against `negatives` uniformly drawn items; gbce, the logistic loss of Petrov and Macdonald,
    "gSASRec", RecSys 2023, with `negatives` and their t as `calibration`. `batch_size` counts windows of `length`.
    What is read is the order of positives; weights, values and the time between items play no part. A new user is
    served by the history alone, exactly; a user without one gets popularity, an item unseen in training comes last.
    """

    class Config(ModelConfig):
        name: Literal["sasrec"] = "sasrec"
        embedding_size: Annotated[PositiveInt, OneOf(32, 64, 128, 256)] = 64
        blocks: Annotated[PositiveInt, Between(1, 3)] = 2
        heads: Annotated[PositiveInt, OneOf(1, 2, 4)] = 2
        length: Annotated[PositiveInt, OneOf(20, 50, 100, 200)] = 100
        dropout: Annotated[float, Field(ge=0, lt=1), Between(0.0, 0.6)] = 0.2
        epochs: PositiveInt = 20
        learning_rate: Annotated[PositiveFloat, Between(0.0003, 0.01, log=True)] = 0.002
        batch_size: Annotated[PositiveInt, OneOf(16, 32, 64, 128)] = 32
        patience: PositiveInt = 10
        loss: Annotated[Literal["softmax", "sampled-softmax", "gbce"], OneOf("softmax", "sampled-softmax", "gbce")] = (
            "softmax"
        )
        negatives: PositiveInt = 256
        calibration: Annotated[float, Field(ge=0, le=1)] = 0.75

        @model_validator(mode="after")
        def _heads_share_the_embedding(self) -> Self:
            if self.embedding_size % self.heads:
                raise ValueError(f"embedding_size {self.embedding_size} is no multiple of heads {self.heads}")
            return self

    needs = Needs(history=True, timestamps=True)
    state = ("item_vectors", "item_biases", "positions", "attend", "mix", "inner", "outer", "norms")
    stochastic = True
    libraries = ("torch",)
    watches_validation = True
    positions: FloatArray
    """Of a place in the window, (length, embedding_size)."""
    attend: FloatArray
    """Queries, keys and values, (blocks, embedding_size + 1, 3 * embedding_size); the last row is the biases."""
    mix: FloatArray
    """What leaves the attention, (blocks, embedding_size + 1, embedding_size)."""
    inner: FloatArray
    outer: FloatArray
    """The two layers behind it, as `mix`."""
    norms: FloatArray
    """Scale and shift before each layer and at the end, (2 * blocks + 1, 2, embedding_size)."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Parameters, gradients, optimizer, best epoch and result; what a batch keeps for its gradients; the rows."""
        settings = self.config
        size, blocks = settings.embedding_size, settings.blocks
        parameters = (n_items + settings.length) * size + 6 * blocks * size**2
        steps = settings.batch_size * min(settings.length, 2 * n_interactions // max(n_users, 1) + 1)
        kept = 4 * steps * size * (4 + 32 * blocks)
        if settings.loss != "softmax":
            kept += 24 * steps * settings.negatives
        return 40 * parameters + kept + 16_000_000 + (MATRIX_BYTES + 40) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """In every epoch: each item of each history through the layers, and against the items it is set against; the
        table of items once a batch."""
        settings = self.config
        size, sampled = settings.embedding_size, settings.loss != "softmax"
        candidates = settings.negatives if sampled else n_items
        row = 1.2e-10 * size * (8 * settings.blocks * size + candidates) + (3e-8 if sampled else 6e-9) * candidates
        batches = (n_users + n_interactions / settings.length) / settings.batch_size
        epoch = row * n_interactions + 1e-8 * size * n_items * batches
        return super().seconds(n_users, n_items, n_interactions) + settings.epochs * epoch

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Train on the positives of all histories, in the order of time."""
        from recsys.models.networks.sasrec import SasrecNetwork, Shape
        from recsys.training.loop import generator_of

        settings, generator = self.config, generator_of(run)
        shape = shape_of(Shape, settings)
        sequences = positive_sequences(train.batch(np.arange(train.n_users)))
        network = SasrecNetwork(sequences, train.n_items, shape, generator)
        unseen = np.flatnonzero(train.popularity == 0)
        self.best_epoch = learn(network, settings, train, run, generator, lambda: self._taken_from(network, unseen))

    def user_vectors(self, users: UserBatch) -> FloatArray:
        """The state after the last item of each history, (len(users), embedding_size); zero without a history."""
        indptr, items = positive_sequences(users)
        counts = np.minimum(np.diff(indptr), self.config.length)
        vectors = np.zeros((len(users), self.config.embedding_size), dtype=np.float32)
        order = np.argsort(counts, kind="stable")
        order = order[counts[order] > 0]
        size = max(1, CELLS // (self.config.heads * self.config.length**2))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            last = counts[rows]
            places = (indptr[rows + 1] - last)[:, None] + np.arange(last.max())
            inputs = items[np.minimum(places, len(items) - 1)]
            vectors[rows], _ = last_states(self._parts(), inputs, last, self.config.heads)
        return vectors

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """How much the model looks at each item of the history when it says what comes next: the same for all items."""
        history = users.history[[0]].indices
        _, sequence = positive_sequences(users)
        sequence = sequence[-self.config.length :]
        looks = np.zeros(len(self.item_vectors), dtype=np.float32)
        if len(sequence):
            _, attention = last_states(self._parts(), sequence[None], np.array([len(sequence)]), self.config.heads)
            np.add.at(looks, sequence, attention[0])
        return Explanation(history, np.tile(looks[history], (len(items), 1)), additive=False)

    def _parts(self) -> dict[str, FloatArray]:
        """The parameters of the network by name."""
        return {name: getattr(self, name) for name in self.state}

    def _taken_from(self, network: SasrecNetwork, unseen: IntArray) -> Sasrec:
        """This model with the parameters that the network has now. unseen: items without a positive."""
        for name, part in network.named_parameters():
            setattr(self, name, part.detach().cpu().numpy().copy())
        self.item_biases = np.zeros(len(self.item_vectors), dtype=np.float32)
        self.item_vectors[unseen] = 0
        self.put_last(unseen)
        return self


def positive_sequences(users: UserBatch) -> tuple[IntArray, IntArray]:
    """The positives of each user in the order of time: (indptr of len(users) + 1, items)."""
    starts, items = users.source.sequences
    counts = starts[users.rows + 1] - starts[users.rows]
    row = np.repeat(np.arange(len(users)), counts)
    first = np.cumsum(counts) - counts
    items = items[np.arange(len(row)) - first[row] + starts[users.rows][row]]
    if not users.source.positive.all():
        history, n_items = users.history, users.source.n_items
        liked = np.repeat(np.arange(len(users)), np.diff(history.indptr)) * n_items + history.indices
        kept = np.isin(row * n_items + items, liked)
        row, items = row[kept], items[kept]
        counts = np.bincount(row, minlength=len(users))
    return np.concatenate([[0], np.cumsum(counts)]), items
