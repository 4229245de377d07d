from __future__ import annotations

import numpy as np
import torch
from behaviour import RecommenderBehaviour
from worlds import checkerboard, fitted, of_histories, taste_world, with_strangers

from recsys.models.networks.wide_deep import Shape, TowersNetwork, WideDeepNetwork
from recsys.models.wide_deep import WideDeep, together
from recsys.retrieval.lists import recommend

TOWERS = WideDeep.Config(
    kind="towers", epochs=40, learning_rate=0.5, batch_size=4096, optimizer="adagrad", regularization=0.0
)


class TestWideDeep(RecommenderBehaviour):
    model = WideDeep.Config()
    fold_in_overlap = 1.0
    big = (1_000, 1_500, 50_000)

    def test_towers_on_the_checkerboard(self):
        train, held_out = checkerboard()
        items, _ = recommend(fitted(TOWERS, train), train, np.arange(train.n_users), 2)
        assert np.array_equal(np.sort(items, axis=1), held_out)

    def test_towers_are_products_and_strangers_get_popularity(self):
        train, _ = taste_world()
        model = fitted(TOWERS, train)
        expected = model.user_vectors[:3] @ model.item_vectors.T + model.item_biases
        np.testing.assert_allclose(model.scores(train.batch(np.arange(3))), expected, rtol=1e-5)
        strangers = with_strangers(train, [[3, 8]]).batch(np.array([0]), known=False)
        assert np.array_equal(model.scores(strangers)[0], model.popularity)

    def test_scores_are_those_of_the_network(self):
        """The score of a positive, its own cross and place in the history left out, by the formula in full."""
        train, _ = taste_world()
        shape = Shape(8, (6, 3), 16, 4, 0.0, 0.0)
        generator = torch.Generator().manual_seed(0)
        network = WideDeepNetwork(train.matrix, together(train.matrix, 5), shape, generator)
        with torch.no_grad():
            network.crosses.normal_(generator=generator)
        model = WideDeep(WideDeep.Config(embedding_size=8, hidden_size=6, layers=2, neighbors=5))
        model.popularity = train.popularity.astype(np.float32)
        model._taken_from(network, np.zeros(0, dtype=np.int64))
        found = model.scores(train.batch(np.array([7])))[0]
        parts = {name: part.detach().numpy() for name, part in network.named_parameters()}
        history = train.matrix[[7]].indices
        pooled = parts["history"][history].sum(axis=0) / np.sqrt(len(history))
        for item in (0, 50, 119):
            hidden = np.concatenate([pooled, parts["items"][item]]) @ parts["first"] + parts["first_biases"]
            hidden = np.maximum(hidden, 0)
            weights, biases = parts["layers"][:18].reshape(6, 3), parts["layers"][18:]
            deep = np.maximum(hidden @ weights + biases, 0) @ parts["output"]
            crossed = network.crossed[item].numpy()
            wide = parts["crosses"][item][np.isin(crossed, history)].sum() / np.sqrt(len(history))
            np.testing.assert_allclose(found[item], wide + deep, rtol=1e-4, atol=1e-5)

    def test_the_explanation_is_the_wide_part(self, world):
        model, train, _ = world
        batch = train.batch(np.array([3]))
        items = np.array([0, 1, 2])
        found = model.explain(batch, items)
        expected = (batch.history @ model.crosses).toarray()[0, items] / np.sqrt(batch.history.sum())
        np.testing.assert_allclose(found.parts.sum(axis=1), expected, rtol=1e-4, atol=1e-6)
        assert not found.additive


def test_taken_together_by_hand():
    train = of_histories([[0, 1, 2], [0, 1], [0, 2], [1, 3]])
    # 0 with 1 twice and with 2 twice; 3 with 1 once and with nothing else, where the smaller comes first.
    assert together(train.matrix, 2).tolist() == [[1, 2], [0, 2], [0, 1], [1, 0]]


def test_a_positive_does_not_predict_itself():
    """With one item in every history there is nothing left to predict it from: every history looks the same."""
    train = of_histories([[0], [1], [2]])
    shape = Shape(4, (4,), 8, 2, 0.0, 0.0)
    network = WideDeepNetwork(train.matrix, together(train.matrix, 2), shape, torch.Generator().manual_seed(0))
    network.loss(torch.arange(3), torch.Generator().manual_seed(1))[0].backward()
    assert np.all(network.history.grad.numpy() == 0)
    assert np.all(network.crosses.grad.numpy() == 0)


def test_towers_correct_for_how_often_an_item_is_in_a_batch():
    train = of_histories([[0, 1], [0, 2], [0, 3]])
    shape = Shape(4, (4,), 2, 2, 0.0, 0.0)
    found = TowersNetwork(train.matrix, shape, torch.Generator().manual_seed(0)).log_q.exp().numpy()
    np.testing.assert_allclose(found, [1 - (1 / 2) ** 2] + [1 - (5 / 6) ** 2] * 3, rtol=1e-5)
