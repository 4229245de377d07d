from __future__ import annotations

import numpy as np
import pytest
import torch
from behaviour import RecommenderBehaviour
from worlds import checkerboard, fitted, of_histories, taste_world, with_strangers

from recsys.models.lightgcn import LightGcn
from recsys.models.networks.lightgcn import LightGcnNetwork, Shape
from recsys.retrieval.lists import recommend

SHAPE = Shape(embedding_size=4, layers=2, batch_size=8, loss="bpr", negatives=1, regularization=0.1)


class TestLightGcn(RecommenderBehaviour):
    model = LightGcn.Config(batch_size=256, negatives=32, learning_rate=0.01)
    fold_in_overlap = 0.7
    big = (4_000, 6_000, 20_000)

    @pytest.mark.parametrize("settings", [{"loss": "bpr"}, {"layers": 1}, {"layers": 3}], ids=str)
    def test_checkerboard_another_way(self, settings):
        train, held_out = checkerboard()
        model = fitted(self.model.model_copy(update=settings), train)
        items, _ = recommend(model, train, np.arange(train.n_users), 2)
        assert np.array_equal(np.sort(items, axis=1), held_out)

    def test_a_new_user_is_what_the_history_passes_on(self, world):
        model, train, _ = world
        known = model.user_vectors(train.batch(np.arange(20)))
        as_new = model.user_vectors(train.batch(np.arange(20), known=False))
        np.testing.assert_allclose(known - as_new, model.own_vectors[:20], rtol=1e-4, atol=1e-6)
        assert np.all(np.linalg.norm(as_new, axis=1) > 0)

    def test_a_history_twice_as_long_of_the_same_item(self, world):
        model, train, _ = world
        strangers = with_strangers(train, [[5], [5, 9]])
        one, two = model.user_vectors(strangers.batch(np.arange(2), known=False))
        np.testing.assert_allclose(one, model.history_vectors[5], rtol=1e-5)
        np.testing.assert_allclose(two, (model.history_vectors[5] + model.history_vectors[9]) / np.sqrt(2), rtol=1e-4)

    def test_validation_chooses_the_epochs(self):
        train, validation = taste_world()
        config = self.model.model_copy(update={"learning_rate": 0.1, "patience": 3})
        model = fitted(config, train, validation=validation)
        assert model.best_epoch < config.epochs
        again = fitted(config.model_copy(update={"epochs": model.best_epoch}), train)
        assert np.array_equal(again.item_vectors, model.item_vectors)


HISTORIES = [[0, 1], [1, 2], [0, 1, 3], [4, 0]]
WEIGHTS = np.array([1, 2, 1, 1, 3, 1, 1, 1, 2], dtype=np.float32)


def dense_graph(matrix):
    """D^-1/2 A D^-1/2 of the bipartite graph, as the paper writes it (eq. 7)."""
    n_users, n_items = matrix.shape
    adjacency = np.zeros((n_users + n_items,) * 2)
    adjacency[:n_users, n_users:] = matrix.toarray()
    adjacency[n_users:, :n_users] = matrix.toarray().T
    degree = adjacency.sum(axis=1)
    return adjacency / np.sqrt(np.outer(degree, degree))


def test_vectors_are_those_of_the_dense_formula():
    train = of_histories(HISTORIES, weight=WEIGHTS)
    network = LightGcnNetwork(train.matrix, SHAPE, torch.Generator().manual_seed(3))
    start = network.embeddings.detach().double().numpy()
    graph = dense_graph(train.matrix)
    wanted = (start + graph @ start + graph @ graph @ start) / 3
    model = LightGcn(LightGcn.Config())
    model.popularity = train.popularity
    degree = np.sqrt(train.matrix.sum(axis=0))
    model._taken_from(network, degree, np.array([], dtype=int))
    np.testing.assert_allclose(model.item_vectors, wanted[4:], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(model.user_vectors(train.batch(np.arange(4))), wanted[:4], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", ["bpr", "sampled-softmax"])
def test_gradient_is_that_of_the_dense_formula(loss):
    train = of_histories(HISTORIES, weight=WEIGHTS)
    shape = Shape(embedding_size=4, layers=2, batch_size=8, loss=loss, negatives=3, regularization=0.1)
    network = LightGcnNetwork(train.matrix, shape, torch.Generator().manual_seed(3))
    batch = torch.tensor([0, 3, 8])
    loss_found, terms = network.loss(batch, torch.Generator().manual_seed(5))
    loss_found.backward()
    assert terms == 3

    start = network.embeddings.detach().double().requires_grad_()
    graph = torch.from_numpy(dense_graph(train.matrix))
    final = (start + graph @ start + graph @ graph @ start) / 3
    drawn = torch.randint(5, (3,), generator=torch.Generator().manual_seed(5))
    user, item, weight = torch.tensor([0, 1, 3]), torch.tensor([0, 2, 4]), torch.tensor([1.0, 1.0, 1.0])
    user, item = torch.tensor([0, 1, 3]), torch.tensor([train.matrix.indices[at] for at in batch])
    weight = torch.tensor([train.matrix.data[at] for at in batch])
    size = sum(start[rows].square().sum() for rows in (user, 4 + item, 4 + drawn))
    wanted = 0.05 * size
    for at in range(3):
        positive = final[user[at]] @ final[4 + item[at]]
        if loss == "bpr":
            wanted = wanted - weight[at] * torch.log(torch.sigmoid(positive - final[user[at]] @ final[4 + drawn[at]]))
        else:
            others = [final[user[at]] @ final[4 + one] for one in drawn if one != item[at]]
            total = positive.exp() + 4 / 3 * sum(one.exp() for one in others)
            wanted = wanted - weight[at] * torch.log(positive.exp() / total)
    wanted.backward()
    assert float(loss_found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    torch.testing.assert_close(network.embeddings.grad.double(), start.grad, rtol=1e-4, atol=1e-6)
