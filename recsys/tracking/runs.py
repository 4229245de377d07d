"""The runs of a comparison in MLflow: one parent, one child a (label, seed, fold). Run ids are always explicit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException

from recsys.errors import RunError, disk_full
from recsys.settings import Settings
from recsys.tracking.author import author_tags, process_lives, process_name
from recsys.tracking.database import ANEW, MALFORMED, connected
from recsys.tracking.entities import CANDIDATE, COMPARISON, TRIAL, DataInput, ParentRun, TrackingError
from recsys.tracking.params import flatten, short
from recsys.tracking.uninterrupted import uninterrupted

RUNNING = "attributes.status = 'RUNNING'"
# MLflow's UI opens an experiment of this kind with the table of its runs, others with the traces of agents.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}

Method = TypeVar("Method", bound=Callable[..., Any])


def _explained(method: Method) -> Method:
    """A method of Tracker that no stop cuts in two, and that raises RunError where MLflow, or what it keeps its records
    in, does not do its part."""

    @uninterrupted
    @wraps(method)
    def told(self: Tracker, *args: Any, **kwargs: Any) -> Any:
        self.require_database()
        try:
            return method(self, *args, **kwargs)
        except (MlflowException, OSError) as error:
            raise self.trouble(error) from error

    return cast(Method, told)


class Tracker:
    """MLflow as this project uses it. Its methods raise TrackingError where MLflow fails, RunError on a full disk."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.client = connected(settings)

    @_explained
    def experiment(self, name: str) -> str:
        """The id of the experiment `recsys/<name>`, made where it is missing."""
        full = f"recsys/{name}"
        found = self.client.get_experiment_by_name(full)
        if found is None:
            # MLflow refuses its own default location under a SQLite URI, so ours is an absolute file URI.
            folder = self._settings.artifacts / name
            location = folder.as_uri() if self._settings.owns_tracking else None
            try:
                return str(self.client.create_experiment(full, artifact_location=location, tags=EXPERIMENT_TAGS))
            except MlflowException:
                found = self.client.get_experiment_by_name(full)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    @_explained
    def open_parent(
        self,
        name: str,
        run_key: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        fresh: bool = False,
        role: str = COMPARISON,
    ) -> ParentRun:
        """The parent run of this key, reopened where there is one; its half-finished children are deleted.

        fresh: begin a new one all the same. role: what the run is of. Runs of dead processes in this experiment are
        marked KILLED on the way.
        """
        experiment_id = self.experiment(name)
        found = None if fresh else self._parent(experiment_id, run_key, role)
        if found is not None:
            self._delete_strays(found)
        self._mark_dead(experiment_id)
        own = {"role": role, "run_key": run_key, "process": process_name(), **author_tags(), **tags}
        if found is None:
            run_name = name if role == COMPARISON else f"{name}-{role}"
            found = self.client.create_run(experiment_id, run_name=run_name, tags=own)
        else:
            self.client.update_run(found.info.run_id, status="RUNNING")
            self.client.log_batch(found.info.run_id, tags=[RunTag(key, value) for key, value in own.items()])
        run_id = found.info.run_id
        self._log_params(run_id, params, found.data.params)
        return ParentRun(run_id, experiment_id, *self._finished_children(experiment_id, run_id))

    @_explained
    def find(self, name: str, run_key: str) -> tuple[str, str] | None:
        """Id and status of the newest comparison of this key, or None."""
        experiment = self.client.get_experiment_by_name(f"recsys/{name}")
        found = None if experiment is None else self._parent(experiment.experiment_id, run_key, COMPARISON)
        return None if found is None else (str(found.info.run_id), str(found.info.status))

    @_explained
    def open_child(self, parent: ParentRun, label: str, seed: int, fold: int, settings: Mapping[str, Any]) -> str:
        """A new child run; its id."""
        name = f"{label}-s{seed}" + (f"-f{fold}" if fold else "")
        tags = {
            "mlflow.parentRunId": parent.run_id,
            "role": CANDIDATE,
            "label": label,
            "seed": str(seed),
            "fold": str(fold),
            **author_tags(),
        }
        run = self.client.create_run(parent.experiment_id, run_name=name, tags=tags)
        self._log_params(run.info.run_id, {"model": settings["name"], "seed": seed, "fold": fold} | dict(settings))
        return str(run.info.run_id)

    @_explained
    def log_trial(
        self,
        parent: ParentRun,
        label: str,
        number: int,
        state: str,
        settings: Mapping[str, Any],
        metrics: Mapping[str, float],
    ) -> str:
        """A trial of tuning as a child run, finished at once; its id. One that failed has the status FAILED."""
        tags = {
            "mlflow.parentRunId": parent.run_id,
            "role": TRIAL,
            "label": label,
            "trial": str(number),
            "state": state,
        }
        run_id = str(
            self.client.create_run(parent.experiment_id, run_name=f"{label}-trial-{number}", tags=tags).info.run_id
        )
        self._log_params(run_id, settings)
        self.log_metrics(run_id, metrics)
        self.close(run_id, "FAILED" if state == "failed" else "FINISHED")
        return run_id

    @_explained
    def log_inputs(self, run_id: str, inputs: Iterable[DataInput]) -> None:
        """Name the data that a run used."""
        self.client.log_inputs(
            run_id,
            [
                DatasetInput(
                    Dataset(each.name, each.digest[:32], "recsys", each.name, profile=each.profile),
                    [InputTag("mlflow.data.context", each.context)],
                )
                for each in inputs
            ],
        )

    @_explained
    def log_steps(self, run_id: str, steps: Iterable[tuple[int, Mapping[str, float]]], again: bool = False) -> None:
        """Log metrics of several epochs in one call. again: all at the time that the run began, so that those which it
        has already are not there twice. Raises ValueError where one is not finite.
        """
        now = self.client.get_run(run_id).info.start_time if again else int(time.time() * 1000)
        metrics = [
            Metric(key, _finite(key, value), now, step) for step, values in steps for key, value in values.items()
        ]
        for start in range(0, len(metrics), 1000):
            self.client.log_batch(run_id, metrics=metrics[start : start + 1000])

    @_explained
    def log_metrics(self, run_id: str, values: Mapping[str, float]) -> None:
        """Log final metrics in one call, but for those that the run has: a kill may have come after them."""
        self.log_steps(run_id, [(0, dict(values.items() - self.client.get_run(run_id).data.metrics.items()))])

    @_explained
    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.client.log_batch(run_id, tags=[RunTag(key, str(value)) for key, value in tags.items()])

    @_explained
    def log_files(self, run_id: str, folder: Path, artifact_path: str | None = None) -> None:
        """Copy a folder's files to the run's artifacts."""
        self.client.log_artifacts(run_id, str(folder), artifact_path)

    @_explained
    def log_text(self, run_id: str, name: str, text: str) -> None:
        """Write a text to the run's artifacts."""
        self.client.log_text(run_id, text, name)

    @_explained
    def log_model(self, parent: ParentRun, run_id: str, label: str, folder: Path, params: Mapping[str, Any]) -> str:
        """Register a stored model as the run's LoggedModel, its only one: what a kill or a lost answer left of another
        goes; its id."""
        name = "".join(letter if letter not in "/:.%\"' " else "-" for letter in label)
        model = self.client.create_logged_model(
            parent.experiment_id,
            name=name,
            source_run_id=run_id,
            params={key: short(value) for key, value in params.items()},
            model_type="recsys",
        )
        self._delete_models(parent.experiment_id, run_id, but=model.model_id)
        self.client.log_model_artifacts(model.model_id, str(folder))
        self.client.finalize_logged_model(model.model_id, "READY")
        self._name_output(run_id, str(model.model_id))
        return str(model.model_id)

    @_explained
    def close(self, run_id: str, status: str) -> None:
        """End a run as FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status)

    @_explained
    def close_parent(self, run_id: str, status: str) -> None:
        """End a parent run, and delete what requests have left of it whose answers were lost."""
        self._delete_strays(self.client.get_run(run_id))
        self.client.set_terminated(run_id, status)

    @_explained
    def delete(self, run_id: str) -> None:
        """Close an unfinished run as KILLED and delete it, with its LoggedModel."""
        self._delete_models(self.client.get_run(run_id).info.experiment_id, run_id)
        self.client.set_terminated(run_id, "KILLED")
        self.client.delete_run(run_id)

    def require_database(self) -> None:
        """Raise TrackingError where the home's database is gone: what is open of it would take records into the void,
        and what is opened anew would be an empty file."""
        if self._settings.owns_tracking and not self._settings.database.exists():
            raise TrackingError(f"MLflow ({self._settings.mlflow_place})", "its database is gone", "was it moved away?")

    def trouble(self, error: Exception) -> RunError:
        """An error of MLflow in words."""
        full = disk_full(self._settings.root) if self._settings.owns_tracking else None
        first = _reason(str(error).strip() or type(error).__name__)
        first = first.replace(self._settings.mlflow_uri, self._settings.mlflow_place)
        return full or TrackingError(f"MLflow ({self._settings.mlflow_place})", first, self._remedy(first))

    def _remedy(self, said: str) -> str:
        if not self._settings.owns_tracking:
            return "look at its server"
        if MALFORMED in said:
            return ANEW
        return "may you write to it?" if "readonly database" in said else "is something else writing to it?"

    def _name_output(self, run_id: str, model_id: str) -> None:
        """Let a run name its model. Said twice it is an error to MLflow, also where the first answer was lost."""
        try:
            self.client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])
        except MlflowException:
            outputs = self.client.get_run(run_id).outputs
            if outputs is None or model_id not in [output.model_id for output in outputs.model_outputs]:
                raise

    def _parent(self, experiment_id: str, run_key: str, role: str) -> Run | None:
        found = self.client.search_runs(
            [experiment_id],
            f"tags.run_key = '{run_key}' and tags.role = '{role}'",
            order_by=["attributes.start_time DESC"],
            max_results=10,
        )
        # One whose answer was lost began when the next one did, which we know of and gave its params.
        newest = [run for run in found if run.info.start_time == found[0].info.start_time]
        return max(newest, key=lambda run: len(run.data.params), default=None)

    def _finished_children(
        self, experiment_id: str, parent_id: str
    ) -> tuple[dict[tuple[str, int, int], str], dict[tuple[str, int], str]]:
        """The finished candidates and trials below a run; the others are deleted."""
        finished: dict[tuple[str, int, int], str] = {}
        trials: dict[tuple[str, int], str] = {}
        for run in self._children(experiment_id, parent_id):
            tags, run_id, done = run.data.tags, str(run.info.run_id), run.info.status == "FINISHED"
            if tags["role"] == TRIAL and done and (tags["label"], int(tags["trial"])) not in trials:
                trials[tags["label"], int(tags["trial"])] = run_id
            elif tags["role"] == CANDIDATE and done and _key_of(tags) not in finished:
                finished[_key_of(tags)] = run_id
            else:
                self.delete(run_id)
        return finished, trials

    def _children(self, experiment_id: str, parent_id: str) -> list[Run]:
        question = f"tags.`mlflow.parentRunId` = '{parent_id}'"
        found, token = list[Run](), None
        while True:
            page = self.client.search_runs([experiment_id], question, ViewType.ACTIVE_ONLY, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _mark_dead(self, experiment_id: str) -> None:
        """Close as KILLED the runs whose process was killed, and what is open below them."""
        running = self.client.search_runs(
            [experiment_id], f"{RUNNING} and tags.role != '{CANDIDATE}' and tags.role != '{TRIAL}'"
        )
        for parent in running:
            if not process_lives(parent.data.tags.get("process", "")):
                for run in [*self._children(experiment_id, parent.info.run_id), parent]:
                    if run.info.status == "RUNNING":
                        self.close(run.info.run_id, "KILLED")

    def _delete_strays(self, run: Run) -> None:
        """Delete runs that nobody knows of: open ones like this parent, by the same process, and open ones below it.

        A server may have made a run and its answer was lost: then MLflow's client asks for it again.
        """
        tags = run.data.tags
        alike = " and ".join(f"tags.{name} = '{tags.get(name, '')}'" for name in ("run_key", "role", "process"))
        for question in (alike, f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"):
            for other in self.client.search_runs([run.info.experiment_id], f"{RUNNING} and {question}"):
                if other.info.run_id != run.info.run_id:
                    self.delete(other.info.run_id)

    def _delete_models(self, experiment_id: str, run_id: str, but: str | None = None) -> None:
        for model in self.client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
            if model.model_id != but:
                try:
                    self.client.delete_logged_model(model.model_id)
                except MlflowException as error:
                    if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # the first answer to this was lost
                        raise

    def _log_params(self, run_id: str, params: Mapping[str, Any], known: Iterable[str] = ()) -> None:
        flat = [Param(key, short(value)) for key, value in flatten(params).items() if key not in known]
        for start in range(0, len(flat), 100):
            self.client.log_batch(run_id, params=flat[start : start + 100])


def _key_of(tags: Mapping[str, str]) -> tuple[str, int, int]:
    return tags["label"], int(tags["seed"]), int(tags["fold"])


def _reason(said: str) -> str:
    """The first line that says why; of a request that failed again and again the end of the chain.

    >>> _reason("API request to http://a failed with exception Pool: Max retries (Caused by New('Con: Refused'))")
    'Refused'
    >>> _reason("(raised as a result of Query-invoked autoflush)\\n(sqlite3.OperationalError) database is locked")
    '(sqlite3.OperationalError) database is locked'
    """
    lines = said.splitlines()
    first = next((line for line in lines if not line.startswith("(raised as a result of ")), lines[0])
    _, caused, cause = first.rpartition("(Caused by ")
    reason = cause.rpartition(": ")[2] if ": " in cause else cause.partition("(")[2]
    return reason.strip("()'\"") if caused else first


def _finite(key: str, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{key} is {value}, which MLflow would turn into another number")
    return float(value)
