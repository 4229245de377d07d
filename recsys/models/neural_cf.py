"""Neural collaborative filtering: a network instead of a product says how well a user and an item go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs, Recommender
from recsys.models.explanation import Explanation
from recsys.models.fold_in import fold_in, profiles, ridge_map
from recsys.models.learning import learn, shape_of
from recsys.models.pairs import layers_of, pair_scores
from recsys.models.space import Between, OneOf
from recsys.models.vectors import LAST, nearness
from recsys.training.run import FitRun

if TYPE_CHECKING:
    from recsys.models.networks.neural_cf import NeuralCfNetwork


class NeuralCf(Recommender):
    """A user's and an item's embeddings run through a network together.

    He et al., "Neural Collaborative Filtering", WWW 2017. `kind`: gmf, the weighted product of the two embeddings
    (eq. 9); mlp, `layers` dense layers over both side by side, the first `hidden_size` wide and each half as wide as
    the one before (eq. 10); neumf, both with embeddings of their own and one last layer (eq. 12), trained together from
    the start. `loss`: softmax of each positive among `negatives` uniformly drawn items, or the
    paper's bce against them. `batch_size` counts positives.
    Every pair runs through the network, so that lists take time by users × items and no index of vectors can help.
    A new user's embedding is a linear map of those of the items in the history, learned from the training users after
    the fit; a user without a history gets popularity, an item unseen in training comes last.
    """

    class Config(ModelConfig):
        name: Literal["neural-cf"] = "neural-cf"
        kind: Annotated[Literal["neumf", "gmf", "mlp"], OneOf("neumf", "gmf", "mlp")] = "neumf"
        embedding_size: Annotated[PositiveInt, Between(8, 128, log=True)] = 32
        hidden_size: Annotated[PositiveInt, OneOf(16, 32, 64, 128)] = 32
        layers: Annotated[PositiveInt, Between(1, 4)] = 2
        epochs: PositiveInt = 15
        learning_rate: Annotated[PositiveFloat, Between(0.0003, 0.03, log=True)] = 0.003
        batch_size: Annotated[PositiveInt, OneOf(128, 256, 512, 1024)] = 256
        patience: PositiveInt = 5
        loss: Annotated[Literal["softmax", "bce"], OneOf("softmax", "bce")] = "softmax"
        negatives: Annotated[PositiveInt, Between(4, 64, log=True)] = 8
        regularization: Annotated[NonNegativeFloat, Between(1e-5, 1.0, log=True)] = 0.1
        dropout: Annotated[float, Field(ge=0, lt=1), Between(0.0, 0.5)] = 0.3

        @property
        def widths(self) -> tuple[int, ...]:
            """Of the dense layers, from the first one on."""
            return tuple(max(1, self.hidden_size >> layer) for layer in range(self.layers))

    needs = Needs(user=True)
    state = ("user_vectors", "item_vectors", "item_biases", "dense", "output", "fold_map")
    strangers_alike = True
    stochastic = True
    libraries = ("torch",)
    watches_validation = True
    user_vectors: FloatArray
    """What a training user puts into the product and into the first dense layer, (n_users, product + hidden)."""
    item_vectors: FloatArray
    """The same of items, (n_items, product + hidden)."""
    item_biases: FloatArray
    dense: FloatArray
    """The dense layers behind the first one, as `layers_of` takes them apart."""
    output: FloatArray
    """From the last of them to the score, (width,); empty for gmf."""
    fold_map: FloatArray
    """From `profiles` to user vectors, (product + hidden + 1, product + hidden)."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Parameters, gradients, optimizer, best epoch and result; what a batch keeps for its gradients."""
        settings = self.config
        rows = (n_users + n_items) * (2 * settings.embedding_size + 1)
        pairs = min(settings.batch_size, n_interactions) * (1 + settings.negatives)
        kept = 4 * pairs * (6 * settings.embedding_size + 8 * settings.hidden_size)
        return 28 * rows + kept + (MATRIX_BYTES + 40) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """In every epoch: each positive and negative, and all parameters once a batch; then the lists of all pairs."""
        settings = self.config
        size, hidden = settings.embedding_size, settings.hidden_size
        pair = 8e-7 + 8e-9 * size + 8e-9 * hidden
        tables = 3e-9 * (1 + n_interactions / settings.batch_size) * 2 * size * (n_users + n_items)
        epoch = n_interactions * (1 + settings.negatives) * pair + tables
        lists = n_users * n_items * 3e-11 * hidden**2
        return super().seconds(n_users, n_items, n_interactions) + settings.epochs * epoch + lists

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Train embeddings and layers together."""
        from recsys.models.networks.neural_cf import NeuralCfNetwork, Shape
        from recsys.training.loop import generator_of

        settings, generator = self.config, generator_of(run)
        shape = shape_of(Shape, settings)
        network = NeuralCfNetwork(train.matrix, shape, generator)
        unseen = np.flatnonzero(train.popularity == 0)
        self.fold_map = np.zeros((0, 0), dtype=np.float32)  # validation asks about training users alone
        self.best_epoch = learn(network, settings, train, run, generator, lambda: self._taken_from(network, unseen))
        self.fold_map = ridge_map(profiles(train.matrix, self.item_vectors), self.user_vectors)

    def scores(self, users: UserBatch) -> FloatArray:
        """Scores of all items, (len(users), n_items)."""
        vectors = fold_in(self.user_vectors[users.index], users, self.item_vectors, self.fold_map)
        product = 0 if self.config.kind == "mlp" else self.config.embedding_size
        scores = vectors[:, :product] @ self.item_vectors[:, :product].T
        scores += self.item_biases
        if len(self.output):
            layers = layers_of(self.dense, self.config.widths)
            scores += pair_scores(vectors[:, product:], self.item_vectors[:, product:], layers, self.output)
        return self.fall_back(scores, users)

    def explain(self, users: UserBatch, items: IntArray) -> Explanation:
        """How near each item of the history is to each of these: the cosine of their vectors."""
        return nearness(self.item_vectors, users, items)

    def _taken_from(self, network: NeuralCfNetwork, unseen: IntArray) -> NeuralCf:
        """This model with the parameters that the network has now. unseen: items without a positive."""
        parts = {name: part.detach().cpu().numpy() for name, part in network.named_parameters()}
        deep = parts["mlp_users"].shape[1]
        first = parts["first"]
        self.user_vectors = np.hstack(
            [parts["gmf_users"] * parts["gmf_output"], parts["mlp_users"] @ first[:deep] + parts["first_biases"]]
        )
        self.item_vectors = np.hstack([parts["gmf_items"], parts["mlp_items"] @ first[deep:]])
        self.item_vectors[unseen] = 0
        self.item_biases, self.dense, self.output = (parts[name].copy() for name in ("item_biases", "layers", "output"))
        self.item_biases[unseen] = LAST
        return self
