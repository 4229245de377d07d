"""A finished run as MLflow has it: a comparison, or one model of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recsys.comparison.result import DIGESTED, MANIFEST, Comparison
from recsys.experiment.documents import read_document
from recsys.experiment.spec import Experiment

if TYPE_CHECKING:
    import pandas as pd

# What a stored run is read from; the report is made from these and the data.
READ = (*DIGESTED, MANIFEST)


@dataclass(frozen=True)
class StoredRun:
    """A run and the files of its comparison.

    run_id: of the run that was asked for. comparison: in a folder with the files READ. cell: label, seed and fold where
    the run is that of one model; None: the whole comparison. metrics: final metrics of such a run, by MLflow's keys.
    """

    run_id: str
    comparison: Comparison
    cell: tuple[str, int, int] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """What names the run in a label."""
        return self.run_id[:8]

    @property
    def manifest(self) -> dict[str, Any]:
        return self.comparison.manifest

    @cached_property
    def spec(self) -> Experiment:
        """The experiment as it ran. Raises InputError where this installation does not know all that it names."""
        return Experiment.parse(read_document(self.comparison.out / "spec.yaml"), f"spec.yaml of run {self.short}")

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """The rows of the models that the run is of."""
        frame = self.comparison.leaderboard
        return frame if self.cell is None else frame[frame["model"] == self.cell[0]]

    @cached_property
    def per_user(self) -> pd.DataFrame:
        """Metrics of the users of the models, seeds and folds that the run is of."""
        return self._own(self.comparison.per_user)

    @cached_property
    def recommendations(self) -> pd.DataFrame:
        """Lists of the models, seeds and folds that the run is of."""
        return self._own(self.comparison.recommendations)

    def _own(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.cell is None:
            return frame
        label, seed, fold = self.cell
        return frame[(frame["model"] == label) & (frame["seed"] == seed) & (frame["fold"] == fold)]


def origins(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What the numbers of a run came from, by name: digests, commit, threads, versions."""
    source = manifest["source"]
    changed = " and changes" if source.get("git.dirty") == "true" else ""
    found = {
        "data": manifest["data"]["digest"],
        "split": manifest["split"]["digest"],
        "code": manifest["code"],
        "commit": source.get("git.commit", "none") + changed,
        "threads": manifest["threads"],
        **manifest["versions"],
    }
    return {name: str(value) for name, value in found.items()}


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """What two manifests say otherwise of their origins: name -> (then, now)."""
    one, other = origins(then), origins(now)
    return {
        name: (one.get(name, "none"), other.get(name, "none"))
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    }
