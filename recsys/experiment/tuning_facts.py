"""What a result says of a search for settings: counts, gains, every trial, and which settings mattered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from recsys.experiment.search import distribution
from recsys.experiment.trials import TrialRecord, Tuned
from recsys.metrics.registry import parse_column
from recsys.models.base import ModelConfig
from recsys.models.space import space_of
from recsys.store import digest

# With so many the largest share is that of the setting that matters most, if it clearly does: docs/tuning.md.
FEWEST = 8


def tuning_facts(found: Tuned, model: ModelConfig) -> dict[str, Any]:
    """Of one model, as manifest.json and `recsys tune --json` say it. seconds: of work. importance: as
    `importance` gives it."""
    kept = {"number", "state", "value", "seconds", "settings"}
    return {
        "trials": len(found.trials),
        **{state: found.count(state) for state in ("pruned", "failed", "unfinished")},
        "seconds": round(found.seconds, 3),
        "metric": found.metric,
        "before": found.before,
        "after": found.after,
        "settings": found.settings,
        "changed": {name: list(values) for name, values in found.changes(model).items()},
        "importance": importance(type(model), found.trials, found.metric),
        "tried": [
            trial.model_dump(mode="json", include=kept) | {"seconds": round(trial.seconds, 3)} for trial in found.trials
        ],
    }


def importance(kind: type[ModelConfig], trials: Iterable[TrialRecord], column: str) -> dict[str, float] | None:
    """The share of the variance of the metric over the space that each setting explains, largest first, 1 in all.

    None where it cannot be said: fewer than FEWEST different settings inside the space came to a value, one setting
    alone was searched, or all values are equal. The same trials give the same shares.
    Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014 (fANOVA).
    """
    trials = list(trials)
    space = {name: each for name, each in space_of(kind).items() if all(name in trial.settings for trial in trials)}
    done = {
        digest(trial.settings): trial
        for trial in trials
        if trial.state == "done" and all(trial.settings.get(name) in space[name] for name in space)
    }
    if len(done) < FEWEST or len(space) < 2 or len({trial.value for trial in done.values()}) < 2:
        return None
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {name: distribution(each) for name, each in space.items()}
    study = optuna.create_study(direction="maximize" if parse_column(column)[0].higher_is_better else "minimize")
    for trial in done.values():
        params = {name: trial.settings[name] for name in space}
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=trial.value))
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in shares.items()}
