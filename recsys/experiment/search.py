"""Which settings to try next. The same seed and outcomes give the same trials, on any machine and after any kill."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recsys.experiment.trials import Outcome, TrialRecord
from recsys.metrics.registry import parse_column
from recsys.models.base import ModelConfig
from recsys.models.space import Between, Space
from recsys.store import digest

if TYPE_CHECKING:
    import optuna

# Trials asked for at once. Not the number of cores: other machines are to try the same settings.
BATCH = 4
# Trials drawn blindly before those that learn from the others.
BLIND = 6
# Epochs that every trial gets.
WARM_UP = 3
DIGITS = 4


@dataclass
class Trial:
    """Settings to try. number: from 0. history: digest of all that was known when they were chosen, on which depends
    whether the trial is pruned."""

    number: int
    settings: dict[str, Any]
    history: str
    _asked: optuna.Trial | None = None
    _sign: int = 1
    _told: set[int] = field(default_factory=set)

    def behind(self, epoch: int, value: float) -> bool:
        """Whether to end it: its best value so far is worse than the median of the others at this epoch.

        The others are trials of earlier batches, so that it does not matter which process is faster. The settings of
        the spec are never given up.
        """
        if self._asked is None:
            return False
        self.note(epoch, value)
        return self._asked.should_prune()

    def note(self, epoch: int, value: float) -> None:
        """The value after an epoch, for this trial and for later ones; an epoch that is told again changes nothing."""
        if self._asked is not None and epoch not in self._told:
            self._told.add(epoch)
            self._asked.report(self._sign * value, epoch)


class Search:
    """The trials of one model: first the settings of the spec, then what Optuna's TPE draws from the space.

    Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011 (TPE); Golovin et al., "Google Vizier",
    KDD 2017, section 3.5 (the median rule).
    """

    def __init__(self, model: ModelConfig, space: dict[str, Space], column: str, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._model, self._space = model, space
        self._distributions = {name: distribution(each) for name, each in space.items()}
        self._sign = 1 if parse_column(column)[0].higher_is_better else -1
        self._study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=BLIND),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=BATCH, n_warmup_steps=WARM_UP),
        )
        self.records: list[TrialRecord] = []
        self._asked = 0

    def ask(self, n: int) -> list[Trial]:
        """The next n trials; they are to be told before more are asked for."""
        history = digest([record.model_dump(mode="json", exclude={"seconds", "message"}) for record in self.records])
        return [self._next(history) for _ in range(n)]

    def known(self, trial: Trial) -> Outcome | None:
        """The outcome of an earlier trial with the same settings, which took no time now; None where there is none."""
        for record in self.records:
            if record.settings == trial.settings:
                about = record.model_dump(include=set(Outcome.model_fields))
                return Outcome.model_validate(about | {"seconds": 0.0})
        return None

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """What came of a trial. In the order in which they were asked for."""
        from optuna.trial import TrialState

        record = TrialRecord(**outcome.model_dump(), number=trial.number, settings=trial.settings)
        self.records.append(record)
        asked = trial._asked
        if asked is None:
            self._tell_first(record)
            return
        for epoch, value in outcome.curve:
            trial.note(epoch, value)
        if outcome.state == "done" and outcome.value is not None:
            self._study.tell(asked, self._sign * outcome.value)
        else:
            self._study.tell(asked, state=TrialState.PRUNED if outcome.state == "pruned" else TrialState.FAIL)

    def _next(self, history: str) -> Trial:
        number, self._asked = self._asked, self._asked + 1
        if number == 0:
            return Trial(number, {name: getattr(self._model, name) for name in self._space}, history)
        asked = self._study.ask(fixed_distributions=self._distributions)
        settings = {name: _plain(value) for name, value in asked.params.items()}
        return Trial(number, settings, history, asked, self._sign)

    def _tell_first(self, record: TrialRecord) -> None:
        """The settings of the spec are no draw of Optuna's: it learns of those that lie in the space."""
        import optuna

        inside = [name for name, space in self._space.items() if record.settings[name] in space]
        self._study.add_trial(
            optuna.create_trial(
                params={name: record.settings[name] for name in inside},
                distributions={name: self._distributions[name] for name in inside},
                value=self._sign * (record.value or 0.0),
                intermediate_values={epoch: self._sign * value for epoch, value in record.curve},
            )
        )


def search(
    model: ModelConfig,
    space: dict[str, Space],
    column: str,
    seed: int,
    trials: int,
    spent: Callable[[], bool],
    work: Callable[[list[Trial]], Iterable[Outcome | None]],
) -> list[TrialRecord]:
    """Try at most so many settings, and begin no batch once the seconds are spent; all trials, in their order.

    work: does a batch; None for a trial that it did not begin, after which nothing more is asked for. Settings that
    were tried before are not tried again: their outcome counts once more.
    """
    found = Search(model, space, column, seed)
    whole = True
    while whole and len(found.records) < trials and not spent():
        batch = found.ask(min(BATCH, trials - len(found.records)))
        unique = {digest(trial.settings): trial for trial in reversed(batch)}
        new = sorted((trial for trial in unique.values() if found.known(trial) is None), key=lambda trial: trial.number)
        outcomes = dict(zip((trial.number for trial in new), work(new), strict=True))
        for trial in batch:
            outcome = outcomes[trial.number] if trial.number in outcomes else found.known(trial)
            if outcome is None:
                whole = False
            else:
                found.tell(trial, outcome)
    return found.records


def distribution(space: Space) -> optuna.distributions.BaseDistribution:
    """A space as Optuna names it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(space, Between):
        return CategoricalDistribution(space.choices)
    if space.whole:
        return IntDistribution(int(space.low), int(space.high), log=space.log)
    return FloatDistribution(space.low, space.high, log=space.log)


def _plain(value: Any) -> Any:
    """A setting as a person would write it, to four digits."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
