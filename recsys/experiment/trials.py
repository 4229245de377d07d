"""Trials of a model's settings: what one is asked, what came of it, and what all of them say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml

from recsys.config import Config
from recsys.experiment.candidates import NAMED
from recsys.experiment.spec import Experiment
from recsys.metrics.registry import parse_column
from recsys.models.base import ModelConfig
from recsys.models.registry import model_class
from recsys.models.space import space_of


class Outcome(Config):
    """What came of a trial.

    state: pruned: ended early, it was behind the others; failed: the model failed; unfinished: the seconds were spent.
    value: the primary metric on the validation part. epochs: chosen there, for a model that watches it. curve: the
    primary metric after each epoch, as far as the model tells it. seconds: of work.
    """

    state: Literal["done", "pruned", "failed", "unfinished"]
    seconds: float
    value: float | None = None
    epochs: int | None = None
    curve: tuple[tuple[int, float], ...] = ()
    message: str | None = None


class TrialRecord(Outcome):
    """A trial as it is kept. number: from 0, the settings of the spec. settings: what was searched."""

    number: int
    settings: dict[str, Any]


class Tuned(Config):
    """What tuning found for one row. best: the number of the best trial, None where there was nothing to tune.

    settings: what the spec is to say; empty where there was nothing to tune.
    """

    label: str
    metric: str
    settings: dict[str, Any] = {}
    best: int | None = None
    trials: tuple[TrialRecord, ...] = ()

    @classmethod
    def of(cls, model: ModelConfig, column: str, trials: Sequence[TrialRecord]) -> Self:
        """The best of these trials, the first among equals. Raises ValueError where none came to a value."""
        higher = parse_column(column)[0].higher_is_better
        valued = [trial for trial in trials if trial.state == "done" and trial.value is not None]
        best = max(valued, key=lambda trial: ((trial.value or 0.0) * (1 if higher else -1), -trial.number))
        settings = dict(best.settings) | ({} if best.epochs is None else {"epochs": best.epochs})
        return cls(label=model.row, metric=column, settings=settings, best=best.number, trials=tuple(trials))

    def save(self, folder: Path) -> None:
        """Write to an empty folder."""
        (folder / "tuned.json").write_text(self.model_dump_json(indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls.model_validate_json((folder / "tuned.json").read_text())

    @property
    def before(self) -> float | None:
        """The value of the settings that the spec gave."""
        return self.trials[0].value if self.trials else None

    @property
    def after(self) -> float | None:
        """The best value."""
        return next((trial.value for trial in self.trials if trial.number == self.best), None)

    @property
    def seconds(self) -> float:
        """Of work, all trials together."""
        return sum(trial.seconds for trial in self.trials)

    def count(self, state: str) -> int:
        """Trials that ended so."""
        return sum(trial.state == state for trial in self.trials)

    def apply(self, model: ModelConfig) -> ModelConfig:
        """The model with the settings that were found, each of them named."""
        if self.best is None:
            return model
        return type(model).model_validate({**model.model_dump(exclude_unset=True), "name": model.name, **self.settings})

    def changes(self, model: ModelConfig) -> dict[str, tuple[Any, Any]]:
        """Settings that are now others: (before, after)."""
        found = {name: (getattr(model, name), value) for name, value in self.settings.items()}
        return {name: values for name, values in found.items() if values[0] != values[1]}


def tunable(spec: Experiment, model: ModelConfig) -> bool:
    """Whether a model has settings to search, and the primary metric can tell which are better."""
    needs_values = parse_column(spec.evaluation.primary)[0].needs == "values"
    kind = model_class(model.name)
    return bool(space_of(type(model))) and (kind.predicts_values or not needs_values)


def trial_spec(spec: Experiment) -> Experiment:
    """The experiment as a trial sees it: fitted on train alone, and the primary metric alone.

    A file of candidates is about the test part: a trial takes all items of training instead.
    """
    metric, k = parse_column(spec.evaluation.primary)
    candidates = spec.evaluation.candidates if spec.evaluation.candidates in NAMED else "train"
    # Lists of one length: errors of values need none.
    asked = {"metrics": (metric.name,), "k": (k or 1,), "candidates": candidates}
    evaluation = spec.evaluation.model_copy(update=asked)
    return spec.model_copy(update={"evaluation": evaluation, "refit": False})


def tuned_spec(spec: Experiment, found: Iterable[Tuned]) -> Experiment:
    """The experiment with the settings that were found in place of the search for them."""
    by_row = {tuned.label: tuned for tuned in found}
    models = tuple(by_row[model.row].apply(model) if model.row in by_row else model for model in spec.models)
    return spec.model_copy(update={"models": models, "tuning": None})


def tuned_text(spec: Experiment, found: Mapping[str, Tuned], source: str) -> str:
    """The tuned experiment as a spec file; its first lines say where its settings come from."""
    done = [tuned for tuned in found.values() if tuned.best is not None]
    trials = sum(len(tuned.trials) for tuned in done)
    gains = [f"#   {tuned.label}: {tuned.before:.4f} -> {tuned.after:.4f}" for tuned in done]
    document = tuned_spec(spec, found.values()).document()
    document.pop("tuning", None)
    head = [
        f"# Made by `recsys tune` from {source}: {trials} trials, {spec.evaluation.primary} on the validation part.",
        *gains,
    ]
    return "\n".join(head) + "\n" + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
