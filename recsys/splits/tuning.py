"""The fold that settings are tuned on: its test rows are the validation rows, and the real test rows are not in it."""

from __future__ import annotations

import numpy as np

from recsys.data.dataset import Dataset
from recsys.errors import InputError
from recsys.splits.fold import Fold


def tuning_fold(data: Dataset, fold: Fold) -> Fold:
    """Train as it is; validation both to watch while a model is fitted and to be scored on; no row of the test part.

    history: of users with validation rows alone. Raises InputError where the validation part is empty.
    """
    if not len(fold.validation):
        place = f"split.validation, {fold.name}" if fold.name else "split.validation"
        raise InputError(place, "the validation part came out empty, and tuning needs it", "raise split.validation")
    shown = np.zeros(len(data.users), dtype=bool)
    shown[data.user[fold.validation]] = True
    history = fold.history[shown[data.user[fold.history]]]
    return Fold(train=fold.train, validation=fold.validation, test=fold.validation, history=history)
