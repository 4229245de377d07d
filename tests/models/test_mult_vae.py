from __future__ import annotations

import numpy as np
import pytest
import torch
from behaviour import RecommenderBehaviour
from scipy import sparse
from worlds import fitted, of_histories, taste_world, with_strangers

from recsys.models.mult_vae import MultVae
from recsys.models.networks.mult_vae import MultVaeNetwork, Shape

SHAPE = Shape(embedding_size=3, hidden_size=4, dropout=0.0, batch_size=2, kl_weight=0.5, kl_epochs=4)


class TestMultVae(RecommenderBehaviour):
    model = MultVae.Config(batch_size=16, hidden_size=64, embedding_size=32, learning_rate=0.003)
    fold_in_overlap = 1.0

    def test_scores_are_the_decoded_mean(self, world):
        model, train, _ = world
        strangers = with_strangers(train, [[3, 8, 11]])
        history = np.zeros(train.n_items)
        history[[3, 8, 11]] = 1 / np.sqrt(3)
        hidden = np.tanh(history @ model.encoder + model.encoder_biases)
        latent = hidden @ model.latent + model.latent_biases
        decoded = np.tanh(latent @ model.decoder + model.decoder_biases)
        found = model.scores(strangers.batch(np.array([0]), known=False))[0]
        np.testing.assert_allclose(found, model.item_vectors @ decoded + model.item_biases, rtol=1e-4, atol=1e-5)

    def test_stored_are_the_means_alone(self, world):
        model, train, _ = world
        assert model.latent.shape == (64, 32)
        assert model.item_vectors.shape == (train.n_items, 64)

    def test_interrupted_and_resumed_is_the_same(self, tmp_path):
        # The weight of the KL part grows from batch to batch: a resumed fit has to know where it stood.
        train, _ = taste_world()
        config = self.model.model_copy(update={"epochs": 6, "kl_epochs": 6})

        def interrupt(progress):
            if progress.epoch == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fitted(config, train, checkpoint=tmp_path, checkpoint_seconds=0.0, tell=interrupt)
        told = []
        resumed = fitted(config, train, checkpoint=tmp_path, tell=told.append)
        assert told[0].epoch == 4
        assert np.array_equal(resumed.item_vectors, fitted(config, train).item_vectors)

    def test_validation_chooses_the_epochs(self):
        train, validation = taste_world()
        config = self.model.model_copy(update={"learning_rate": 0.02, "patience": 3})
        model = fitted(config, train, validation=validation)
        assert model.best_epoch < config.epochs
        again = fitted(config.model_copy(update={"epochs": model.best_epoch}), train)
        assert np.array_equal(again.item_vectors, model.item_vectors)


def test_loss_as_the_paper_writes_it():
    """Likelihood and divergence of two users, with latent vectors of no variance, so that nothing is random."""
    history = sparse.csr_array(np.array([[1, 0, 2, 0, 0], [0, 1, 1, 1, 0]], dtype=np.float32))
    network = MultVaeNetwork(history, SHAPE, torch.Generator().manual_seed(0))
    log_variance = -60.0
    with torch.no_grad():
        network.latent[:, 3:] = 0
        network.latent_biases[3:] = log_variance
    found, terms = network.loss(torch.tensor([0, 1]), torch.Generator().manual_seed(1))
    w = {name: part.detach().double().numpy() for name, part in network.named_parameters()}
    x = history.toarray()
    hidden = np.tanh(x / np.linalg.norm(x, axis=1, keepdims=True) @ w["encoder"] + w["encoder_biases"])
    mean = (hidden @ w["latent"] + w["latent_biases"])[:, :3]
    logits = np.tanh(mean @ w["decoder"] + w["decoder_biases"]) @ w["item_vectors"].T + w["item_biases"]
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    divergence = 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).sum()
    # One batch an epoch: after the first of four the weight is a quarter of 0.5.
    assert float(found.detach()) == pytest.approx(0.125 * divergence - (x * logs).sum(), rel=1e-5)
    assert terms == 2


def test_the_weight_of_the_divergence_grows_and_stays():
    history = sparse.csr_array(np.ones((4, 3), dtype=np.float32))
    network = MultVaeNetwork(history, SHAPE, torch.Generator())
    assert [round(float(network._kl_weight()), 4) for _ in range(10)] == pytest.approx(
        [0.0625, 0.125, 0.1875, 0.25, 0.3125, 0.375, 0.4375, 0.5, 0.5, 0.5]
    )


def test_a_user_without_positives_is_not_trained_on():
    train = of_histories([[0, 1], [2, 1], [0]], positive=[1, 1, 1, 1, 0], value=[5, 5, 5, 5, 1])
    network = MultVaeNetwork(train.matrix, SHAPE, torch.Generator())
    assert network.users.tolist() == [0, 1]
