"""Where models that are external commands are refused."""

from __future__ import annotations

from recsys.errors import InputError
from recsys.experiment.spec import Experiment
from recsys.models.base import ModelConfig
from recsys.models.external import External
from recsys.models.list_maker import ListMaker
from recsys.models.registry import model_class


def leaves_model(model: ModelConfig) -> bool:
    """Whether a fitted model is left that can be asked, stored and served."""
    return not issubclass(model_class(model.name), ListMaker)


def require_model(model: ModelConfig, what: str) -> None:
    """Raise InputError where a model leaves nothing but the lists of a comparison; what: needs more."""
    if not leaves_model(model):
        raise InputError(
            f"model '{model.row}'",
            f"'{model.name}' leaves lists, and {what} needs a fitted model",
            "name another one; the lists are in recommendations.parquet of a comparison",
        )


def refuse_commands(spec: Experiment) -> None:
    """Raise InputError where an experiment runs a command that its sender chose, and nobody here has allowed that."""
    for model in spec.models:
        if issubclass(model_class(model.name), External):
            raise InputError(
                f"model '{model.row}'",
                "a deployment runs no external command unless its worker allows it",
                "start the worker with RECSYS_ALLOW_EXTERNAL=1, or take the model out",
            )
