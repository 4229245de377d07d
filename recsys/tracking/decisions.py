"""Decisions in MLflow: a run each, with its record as an artifact and its verdict as a tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from mlflow.artifacts import download_artifacts
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from recsys.champion.record import RESTORE, DecisionRecord
from recsys.errors import InputError
from recsys.settings import Settings
from recsys.tracking.entities import RETRAINING
from recsys.tracking.runs import Tracker

FILE = "decision.json"


@dataclass(frozen=True)
class Decided:
    """A decision that was written down. key: what `decision_key` named it. settled: whether all that follows from it
    is done. asked: digest of the experiment that asked for it."""

    record: DecisionRecord
    run_id: str
    key: str
    settled: bool
    asked: str = ""


class Decisions:
    """The decisions of experiments. Its methods raise RunError where MLflow fails."""

    def __init__(self, tracker: Tracker, settings: Settings) -> None:
        self._tracker, self._settings = tracker, settings

    def all(self, name: str) -> list[Decided]:
        """Every decision about an experiment, oldest first."""
        try:
            found = [self._decided(run) for run in self._runs(name)]
        except (MlflowException, OSError) as error:
            raise self._tracker.trouble(error) from error
        return sorted(found, key=lambda decided: decided.record.time)

    def write(self, run_id: str, record: DecisionRecord, pages: Mapping[str, str]) -> None:
        """Keep a record and its pages with a run; the tag comes last, and with it the record counts."""
        for name, text in {**pages, FILE: record.to_json()}.items():
            self._tracker.log_text(run_id, name, text)
        tags = {"verdict": record.verdict, "as_of": record.as_of.isoformat(), "version": record.version}
        tags |= {"kind": record.kind, "decided_by": record.decided_by}
        self._tracker.tag(run_id, {name: str(value) for name, value in tags.items() if value is not None})

    def _runs(self, name: str) -> list[Run]:
        client, found, token = self._tracker.client, list[Run](), None
        experiment = client.get_experiment_by_name(f"recsys/{name}")
        while experiment is not None:
            question = f"tags.role = '{RETRAINING}' and tags.verdict LIKE '%'"
            page = client.search_runs([experiment.experiment_id], question, max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                break
        return found

    def _decided(self, run: Run) -> Decided:
        place = f"run {run.info.run_id}, {FILE}"
        try:
            text = self._file(run).read_text(encoding="utf-8")
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError) as error:
            raise InputError(place, f"cannot be read ({getattr(error, 'strerror', None) or error})", RESTORE) from error
        record = DecisionRecord.from_json(text, place)
        settled = run.info.status == "FINISHED"
        key, asked = (str(run.data.tags.get(tag, "")) for tag in ("run_key", "spec.digest"))
        return Decided(record, str(run.info.run_id), key, settled, asked)

    def _file(self, run: Run) -> Path:
        """The artifact: where it is if that is on this machine, else a copy, which is kept once nothing changes it."""
        parsed = urlparse(str(run.info.artifact_uri))
        if parsed.scheme in ("", "file"):
            return Path(unquote(parsed.path)) / FILE
        folder = self._settings.cache / "decisions" / str(run.info.run_id)
        if run.info.status != "FINISHED" or not (folder / FILE).exists():
            folder.mkdir(parents=True, exist_ok=True)
            download_artifacts(
                run_id=run.info.run_id,
                artifact_path=FILE,
                dst_path=str(folder),
                tracking_uri=self._settings.mlflow_uri,
            )
        return folder / FILE
