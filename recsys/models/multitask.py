"""Multi-task: one model of users and items for what is taken next and how it is rated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs
from recsys.models.described import edges_of, features_of, moments_of
from recsys.models.fold_in import fold_in, profiles, ridge_map
from recsys.models.learning import learn, shape_of
from recsys.models.space import Between, OneOf
from recsys.models.vectors import VectorRecommender
from recsys.training.run import FitRun

if TYPE_CHECKING:
    from recsys.models.networks.multitask import MultitaskNetwork

# Quantiles of the training rows' times.
MOMENTS = 100


class Multitask(VectorRecommender):
    """A user model and an item model of ids and features, a dense layer over each, trained for two tasks at once.

    After the multi-task recommender of TensorFlow Recommenders. Features are categories and labels, numbers both raw
    and in buckets, and texts, categories among them, as the mean of their words' embeddings; histories play no part.
    Query and candidate are the sums of embeddings plus a layer of `hidden_size` over them. Retrieval, the score: their
    product, by softmax over the items of a batch, corrected for how often each is there (Yi et al., RecSys 2019).
    Rating: a head over both vectors, by squared error of standardised values. `retrieval_weight` and `rating_weight`
    weigh the losses. `batch_size` counts rows. `time` adds the moment of a row, one of a hundred quantiles, to the
    query; a user is then served as of the user's newest training row.
    A new user's vector is a linear map of the item vectors in the history, learned from the training users after the
    fit; a user without a history gets popularity. An item unseen in training is placed by its features, and comes last
    without. With a validation part the error of ratings chooses the epochs.
    """

    class Config(ModelConfig):
        name: Literal["multitask"] = "multitask"
        embedding_size: Annotated[PositiveInt, Between(16, 128, log=True)] = 64
        hidden_size: Annotated[PositiveInt, OneOf(16, 32, 64, 128)] = 64
        epochs: PositiveInt = 12
        learning_rate: Annotated[PositiveFloat, Between(0.0003, 0.03, log=True)] = 0.003
        batch_size: Annotated[PositiveInt, OneOf(128, 256, 512, 1024)] = 256
        patience: PositiveInt = 5
        retrieval_weight: Annotated[NonNegativeFloat, Between(0.1, 1.0, log=True)] = 1.0
        rating_weight: Annotated[NonNegativeFloat, Between(0.1, 10.0, log=True)] = 0.5
        regularization: Annotated[NonNegativeFloat, Between(1e-3, 1.0, log=True)] = 0.1
        dropout: Annotated[float, Field(ge=0, lt=1), Between(0.0, 0.5)] = 0.2
        time: bool = False

    needs = Needs(user=True, values=True)
    state = (
        *("item_vectors", "item_biases", "user_inputs", "newest", "moments", "edges"),
        *("query", "head", "linear_head", "fold_map", "scale"),
    )
    stochastic = True
    libraries = ("torch",)
    predicts_values = True
    watches_validation = True
    user_inputs: FloatArray
    """What the user model makes of each training user, (n_users, embedding_size)."""
    newest: IntArray
    """The moment of each training user's newest row, (n_users,)."""
    moments: FloatArray
    """What each moment adds to the user, (1, or MOMENTS with time, embedding_size)."""
    edges: IntArray
    """First timestamp of each moment but the first."""
    query: FloatArray
    head: FloatArray
    linear_head: FloatArray
    """Of the network, as its functions `tower` and `rated` take them."""
    fold_map: FloatArray
    """From `profiles` to queries."""
    scale: FloatArray
    """Mean, what one standardised unit is, least and greatest value of training, (4,)."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Parameters, gradients, optimizer, best epoch and result; a batch's logits and their gradients; the rows."""
        settings = self.config
        size, batch = settings.embedding_size, min(settings.batch_size, n_interactions)
        parameters = (n_users + n_items) * size + 12 * size * settings.hidden_size + MOMENTS * size
        kept = batch * (24 * min(batch, n_items) + 100 * size + 24 * settings.hidden_size)
        return 28 * parameters + kept + (MATRIX_BYTES + 60) * n_interactions

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """In every epoch: every row and its logits, and all parameters once a batch."""
        settings = self.config
        size, batch = settings.embedding_size, settings.batch_size
        row = 3e-8 * size + 1e-9 * size * settings.hidden_size
        logits = min(batch, n_items) * (1e-8 + 1.4e-10 * size)
        tables = 3e-9 * (1 + n_interactions / batch) * 2 * size * (n_users + n_items)
        epoch = n_interactions * (row + logits) + tables
        return super().seconds(n_users, n_items, n_interactions) + settings.epochs * epoch

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Train for both tasks together."""
        from recsys.models.networks.multitask import Inputs, MultitaskNetwork, Shape
        from recsys.training.loop import generator_of

        value = np.asarray(train.value, dtype=np.float64)
        self.scale = np.array([value.mean(), value.std() or 1.0, value.min(), value.max()])
        moment = self._learn_moments(train)
        inputs = Inputs(
            user_features=features_of(train.users),
            item_features=features_of(train.items),
            moment=moment,
            n_moments=len(self.edges) + 1,
            value=(value - value.mean()) / self.scale[1],
        )
        settings, generator = self.config, generator_of(run)
        shape = shape_of(Shape, settings)
        network = MultitaskNetwork(train, inputs, shape, generator)
        unseen = np.flatnonzero(train.popularity == 0)
        self.best_epoch = learn(network, settings, train, run, generator, lambda: self._taken_from(network, unseen))
        queries = self.query_vectors(np.arange(train.n_users))
        self.fold_map = ridge_map(profiles(train.matrix, self.item_vectors), queries)

    def user_vectors(self, users: UserBatch) -> FloatArray:
        """Queries of known users, folded in ones of others, (len(users), embedding_size)."""
        return fold_in(self.query_vectors(users.index), users, self.item_vectors, self.fold_map)

    def query_vectors(self, user: IntArray, timestamp: IntArray | None = None) -> FloatArray:
        """Queries of training users at these times, (n, embedding_size); the mean user for -1.

        timestamp: (n,); None: as of each user's newest row.
        """
        import torch

        from recsys.models.networks.multitask import tower

        moment = self.newest[user] if timestamp is None else moments_of(self.edges, timestamp)
        inputs = self.user_inputs[user] + self.moments[moment]
        inputs[user < 0] = self.user_inputs.mean(axis=0)
        with torch.no_grad():
            return tower(torch.from_numpy(inputs), torch.from_numpy(self.query), self.config.hidden_size).numpy()

    def predict(self, user: IntArray, item: IntArray, timestamp: IntArray | None = None) -> FloatArray:
        """Values of pairs of positions in training, -1 where unknown, (n,), within the range of training.

        An unknown user or item is the mean of all. timestamp: (n,) when; None: as of each user's newest row.
        """
        import torch

        from recsys.models.networks.multitask import rated

        candidates = self.item_vectors[item]
        candidates[item < 0] = self.item_vectors.mean(axis=0)
        head, linear = torch.from_numpy(self.head), torch.from_numpy(self.linear_head)
        pairs = torch.from_numpy(self.query_vectors(user, timestamp)), torch.from_numpy(candidates)
        with torch.inference_mode():
            standard = rated(*pairs, head, linear, self.config.hidden_size).numpy()
        mean, deviation, low, high = self.scale
        return np.clip(standard * deviation + mean, low, high)

    def _learn_moments(self, train: Interactions) -> IntArray:
        """The bucket of each row's time, (n,), and what serving needs of them."""
        timestamp = train.timestamp if self.config.time else None
        self.edges = edges_of(timestamp, MOMENTS)
        moment = np.zeros(len(train), dtype=np.int64) if timestamp is None else moments_of(self.edges, timestamp)
        self.newest = np.zeros(train.n_users, dtype=np.int64)
        np.maximum.at(self.newest, train.user, moment)
        return moment

    def _taken_from(self, network: MultitaskNetwork, unseen: IntArray) -> Multitask:
        """This model with the parameters that the network has now. unseen: items without a positive."""
        import torch

        from recsys.models.networks.multitask import tower

        for name in ("moments", "query", "head", "linear_head", "item_biases"):
            setattr(self, name, getattr(network, name).detach().cpu().numpy().copy())
        with torch.no_grad():
            self.user_inputs = network.user_model(torch.arange(len(network.users))).cpu().numpy()
            items = network.item_model(torch.arange(len(network.items)))
            items[unseen] -= network.items[unseen]
            self.item_vectors = tower(items, network.candidate, self.config.hidden_size).cpu().numpy()
        bare = np.diff(network.inputs.item_features.indptr)[unseen] == 0
        self.item_vectors[unseen[bare]] = 0
        self.put_last(unseen)
        return self
