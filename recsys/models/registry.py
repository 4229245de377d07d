"""The models by name: the built-in ones, and those that installed packages add."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from pydantic import ValidationError

from recsys.errors import InputError, did_you_mean
from recsys.models.base import ABOUT, Recommender
from recsys.models.list_maker import ListMaker
from recsys.models.stored import REMEDY, check_files, read_description

BUILT_IN = {
    "random": "recsys.models.random:Random",
    "popularity": "recsys.models.popularity:Popularity",
    "recent-popularity": "recsys.models.recent_popularity:RecentPopularity",
    "content-tfidf": "recsys.models.content_tfidf:ContentTfidf",
    "co-visitation": "recsys.models.co_visitation:CoVisitation",
    "item-knn": "recsys.models.item_knn:ItemKnn",
    "user-knn": "recsys.models.user_knn:UserKnn",
    "ease": "recsys.models.ease:Ease",
    "slim": "recsys.models.slim:Slim",
    "rp3beta": "recsys.models.rp3beta:Rp3Beta",
    "gf-cf": "recsys.models.gf_cf:GfCf",
    "pure-svd": "recsys.models.pure_svd:PureSvd",
    "ials": "recsys.models.ials:IAls",
    "markov": "recsys.models.markov:Markov",
    "mf": "recsys.models.mf:Mf",
    "two-tower": "recsys.models.two_tower:TwoTower",
    "lightfm-warp": "recsys.models.lightfm_warp:LightFmWarp",
    "sasrec": "recsys.models.sasrec:Sasrec",
    "mult-vae": "recsys.models.mult_vae:MultVae",
    "lightgcn": "recsys.models.lightgcn:LightGcn",
    "neural-cf": "recsys.models.neural_cf:NeuralCf",
    "wide-deep": "recsys.models.wide_deep:WideDeep",
    "multitask": "recsys.models.multitask:Multitask",
    "external": "recsys.models.external:External",
}

MEND = "mend the package that adds it, or uninstall it"


@cache
def installed() -> dict[str, str]:
    """Where each model lives, "module:Class" by name; an installed package cannot replace a built-in name."""
    return {point.name: point.value for point in entry_points(group="recsys.models")} | BUILT_IN


def model_class(name: str) -> type[Recommender]:
    """The class of a model. Raises InputError where no model has this name."""
    if name not in installed():
        raise InputError(f"model '{name}'", "no model has this name", did_you_mean(name, installed()))
    module, _, attribute = installed()[name].partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"model '{name}'", f"{module}:{attribute} cannot be imported ({error})", MEND) from error
    if not (isinstance(found, type) and issubclass(found, Recommender)):
        raise InputError(f"model '{name}'", f"{module}:{attribute} is not a Recommender", MEND)
    return found


def open_model(folder: Path) -> Recommender:
    """A fitted model from its folder: the class by registered name, the files only after they were looked over.

    Raises InputError where the folder is no stored model, is of another format, has been changed, or does not open.
    """
    place, about = str(folder / ABOUT), read_description(folder)
    family = about["family"]
    kind = model_class(family)
    if issubclass(kind, ListMaker):
        raise InputError(place, f"'{family}' leaves no model, only lists", "take another model where one has to serve")
    check_files(folder, about["sha256"])
    try:
        model = kind(kind.Config(**about["settings"]))
    except (ValidationError, TypeError) as error:
        raise InputError(place, f"holds settings that {family} does not know", REMEDY) from error
    try:
        model.restore(folder, about)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever a library makes of a file that is not what it says
        message = f"cannot be opened ({type(error).__name__}: {str(error)[:200]})"
        raise InputError(str(folder), message, REMEDY) from error
    return model
