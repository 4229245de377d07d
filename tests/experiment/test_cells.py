"""What a cell is expected to take."""

from __future__ import annotations

import pytest
from made import spec

from recsys.experiment.cells import expected_seconds
from recsys.models.registry import model_class

SIZE = (1000, 500, 20_000)


def test_more_to_do_takes_longer():
    experiment = spec(models=["popularity", "lightfm-warp", {"name": "lightfm-warp", "epochs": 1, "label": "short"}])
    least, most, short = (expected_seconds(experiment, model, SIZE) for model in experiment.models)
    assert 0 < least < short < most


@pytest.mark.parametrize(
    ("model", "changes", "fits"),
    [
        ("mf", {}, 2),
        ("mf", {"refit": False}, 1),
        ("mf", {"split": {"kind": "random", "validation": 0}}, 1),
        ("mf", {"split": {"kind": "leave-one-out"}}, 2),
        ("lightfm-warp", {}, 1),
    ],
)
def test_epochs_chosen_on_validation_take_a_fit_of_their_own(model, changes, fits):
    experiment = spec(models=[model], **changes)
    (config,) = experiment.models
    assert expected_seconds(experiment, config, SIZE) == fits * model_class(model)(config).seconds(*SIZE)
