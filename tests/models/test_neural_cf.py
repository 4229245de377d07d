from __future__ import annotations

import numpy as np
import pytest
import torch
from behaviour import RecommenderBehaviour
from worlds import checkerboard, fitted, of_histories, taste_world

from recsys.models import pairs
from recsys.models.networks.neural_cf import NeuralCfNetwork, Positives, Shape
from recsys.models.neural_cf import NeuralCf
from recsys.models.pairs import layers_of, n_parameters
from recsys.retrieval.lists import recommend
from recsys.training.run import FitRun


class TestNeuralCf(RecommenderBehaviour):
    model = NeuralCf.Config()
    fold_in_overlap = 0.7
    big = (1_000, 1_500, 50_000)

    def test_it_learns_beside_a_validation_part(self, world):
        _, train, validation = world
        model = NeuralCf(NeuralCf.Config(epochs=2))
        model.learn(train, FitRun(validation=validation))
        assert model.best_epoch in (1, 2)

    @pytest.mark.parametrize("settings", [{"kind": "gmf"}, {"kind": "mlp"}, {"loss": "bce"}, {"layers": 1}], ids=str)
    def test_checkerboard_another_way(self, settings):
        train, held_out = checkerboard()
        items, _ = recommend(fitted(NeuralCf.Config(**settings), train), train, np.arange(train.n_users), 2)
        assert np.array_equal(np.sort(items, axis=1), held_out)

    @pytest.mark.parametrize("kind", ["neumf", "gmf", "mlp"])
    def test_scores_are_those_of_the_network(self, kind):
        """What is computed once an item and in blocks, against the paper's formula for each pair."""
        train, _ = taste_world()
        settings = NeuralCf.Config(kind=kind, embedding_size=8, hidden_size=6, layers=2)
        shape = Shape(kind, 8, settings.widths, 16, "bce", 4, 0.0, 0.0)
        network = NeuralCfNetwork(train.matrix, shape, torch.Generator().manual_seed(0))
        model = NeuralCf(settings)
        model.popularity = train.popularity.astype(np.float32)
        model._taken_from(network, np.zeros(0, dtype=np.int64))
        model.fold_map = np.zeros((9, 8), dtype=np.float32)
        found = model.scores(train.batch(np.array([7])))[0]
        parts = {name: part.detach().numpy() for name, part in network.named_parameters()}
        expected = np.zeros(train.n_items)
        for item in range(train.n_items):
            if kind != "mlp":
                expected[item] += (parts["gmf_users"][7] * parts["gmf_items"][item]) @ parts["gmf_output"]
            if kind != "gmf":
                both = np.concatenate([parts["mlp_users"][7], parts["mlp_items"][item]])
                hidden = np.maximum(both @ parts["first"] + parts["first_biases"], 0)
                weights, biases = parts["layers"][:18].reshape(6, 3), parts["layers"][18:]
                expected[item] += np.maximum(hidden @ weights + biases, 0) @ parts["output"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)

    def test_a_drawn_positive_is_no_negative(self):
        train = of_histories([[0, 1, 2], [3]])
        positives = Positives(train.matrix)
        user, items, counted, weight = positives.with_negatives(torch.arange(4), 200, torch.Generator().manual_seed(0))
        assert user.tolist() == [0, 0, 0, 1]
        assert items[:, 0].tolist() == [0, 1, 2, 3]
        assert torch.equal(counted[:3], items[:3, 1:] == 3)
        assert torch.equal(counted[3], items[3, 1:] != 3)
        assert weight.tolist() == [1, 1, 1, 1]


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    of_users, of_items, output = rng.normal(size=(5, 4)), rng.normal(size=(9, 4)), rng.normal(size=2)
    flat = rng.normal(size=n_parameters((4, 2)))
    layers = layers_of(flat, (4, 2))
    assert [weights.shape for weights, _ in layers] == [(4, 2)]
    whole = pairs.pair_scores(of_users, of_items, layers, output)
    monkeypatch.setattr(pairs, "CELLS", 10)
    np.testing.assert_allclose(pairs.pair_scores(of_users, of_items, layers, output), whole, rtol=1e-6)
