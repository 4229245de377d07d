"""Matrix factorisation with biases, for predicting ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from recsys.config import FloatArray, IntArray
from recsys.data.interactions import Interactions, UserBatch
from recsys.models.base import MATRIX_BYTES, ModelConfig, Needs, Recommender
from recsys.models.learning import learn
from recsys.models.space import Between
from recsys.training.run import FitRun

if TYPE_CHECKING:
    from recsys.models.networks.mf import MfNetwork


class Mf(Recommender):
    """Values as mean + user bias + item bias + product of user and item factors.

    Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems", Computer 2009, eq. 5; fitted by
    minibatches on the squared error. Values are standardised first, so that settings suit any scale; with
    `standardize: false` only their mean is taken away. The scores are
    the predicted values, before `predict` clips them to the range of training: what one will rate highly is not what
    one takes next, so its lists are poor by any top-n metric.
    A new user's factors are the ridge regression of the values in the history on the item factors; a user without any
    gets the items' means, an item without any the mean of all.
    """

    class Config(ModelConfig):
        name: Literal["mf"] = "mf"
        embedding_size: Annotated[PositiveInt, Between(8, 256, log=True)] = 64
        epochs: PositiveInt = 25
        learning_rate: Annotated[PositiveFloat, Between(0.01, 0.3, log=True)] = 0.05
        optimizer: Literal["adagrad", "adam"] = "adagrad"
        regularization: Annotated[NonNegativeFloat, Between(0.005, 0.5, log=True)] = 0.1
        batch_size: PositiveInt = 1024
        patience: PositiveInt = 5
        standardize: bool = True

    needs = Needs(user=True, values=True)
    state = ("user_factors", "item_factors", "user_biases", "item_biases", "scale")
    strangers_alike = True
    stochastic = True
    libraries = ("torch",)
    predicts_values = True
    watches_validation = True
    user_factors: FloatArray
    item_factors: FloatArray
    user_biases: FloatArray
    item_biases: FloatArray
    scale: FloatArray
    """Mean, what one standardised unit is, least and greatest value of training, (4,)."""

    def memory(self, n_users: int, n_items: int, n_interactions: int) -> int:
        """Parameters, their gradients, the optimizer's sums and the best epoch's copy; the rows as torch holds them."""
        tables = 4 * (n_users + n_items) * (self.config.embedding_size + 1)
        return (
            5 * tables + (MATRIX_BYTES + 32) * n_interactions + 40 * self.config.batch_size * self.config.embedding_size
        )

    def seconds(self, n_users: int, n_items: int, n_interactions: int) -> float:
        """Every row in every epoch, and the tables once a batch."""
        row = 1e-6 + 1.6e-8 * self.config.embedding_size
        table = 1.5e-9 * (n_users + n_items) * self.config.embedding_size / self.config.batch_size
        epochs = self.config.epochs * n_interactions
        return super().seconds(n_users, n_items, n_interactions) + (row + table) * epochs

    def fit(self, train: Interactions, run: FitRun) -> None:
        """Minimise the squared error of the values."""
        from recsys.models.networks.mf import MfNetwork
        from recsys.training.loop import generator_of

        value = np.asarray(train.value, dtype=np.float64)
        deviation = (value.std() if self.config.standardize else 1.0) or 1.0
        self.scale = np.array([value.mean(), deviation, value.min(), value.max()])
        settings, generator = self.config, generator_of(run)
        network = MfNetwork(
            (train.user, train.item, (value - value.mean()) / deviation),
            (train.n_users, train.n_items, settings.embedding_size),
            settings.regularization,
            settings.batch_size,
            generator,
        )
        self.best_epoch = learn(network, settings, train, run, generator, lambda: self._taken_from(network))

    def scores(self, users: UserBatch) -> FloatArray:
        """Predicted values of all items, not clipped, (len(users), n_items)."""
        known = users.index >= 0
        factors = self.user_factors[users.index]
        biases = self.user_biases[users.index]
        if not known.all():
            factors[~known], biases[~known] = self._folded_in(users, np.flatnonzero(~known))
        standard = factors @ self.item_factors.T + self.item_biases + biases[:, None]
        mean, deviation, *_ = self.scale
        return (standard * np.float32(deviation) + np.float32(mean)).astype(np.float32)

    def predict(self, user: IntArray, item: IntArray) -> FloatArray:
        """Values of pairs of positions in training, -1 where unknown, (n,), within the range of training."""
        known_user, known_item = user >= 0, item >= 0
        standard = np.where(known_user, self.user_biases[user], 0) + np.where(known_item, self.item_biases[item], 0)
        both = known_user & known_item
        products = np.einsum("nd,nd->n", self.user_factors[user[both]], self.item_factors[item[both]])
        standard[both] += products
        mean, deviation, low, high = self.scale
        return np.clip(standard * deviation + mean, low, high)

    def _taken_from(self, network: MfNetwork) -> Mf:
        """This model with the parameters that the network has now."""
        tables = (network.users, network.items, network.user_biases, network.item_biases)
        names = ("user_factors", "item_factors", "user_biases", "item_biases")
        for name, table in zip(names, tables, strict=True):
            setattr(self, name, table.detach().cpu().numpy().copy())
        return self

    def _folded_in(self, users: UserBatch, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Factors and biases of users outside training, from the values in their histories."""
        size = self.item_factors.shape[1]
        solved = np.zeros((len(rows), size + 1))
        if users.source.value is None:
            return solved[:, :-1], solved[:, -1]
        mean, deviation, *_ = self.scale
        values = users.values[rows]
        for place in np.flatnonzero(np.diff(values.indptr)):
            seen = slice(values.indptr[place], values.indptr[place + 1])
            items = values.indices[seen]
            inputs = np.column_stack([self.item_factors[items], np.ones(len(items))])
            targets = (values.data[seen] - mean) / deviation - self.item_biases[items]
            ridge = max(self.config.regularization, 1e-6) * len(items) * np.eye(size + 1)
            solved[place] = np.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ targets)
        return solved[:, :-1], solved[:, -1]
