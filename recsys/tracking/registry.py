"""The registered model of an experiment: its versions, and which of them is champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from filelock import FileLock
from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from recsys.errors import InputError, RunError
from recsys.settings import Settings
from recsys.tracking.database import connected
from recsys.tracking.uninterrupted import uninterrupted

if TYPE_CHECKING:
    from recsys.serving.bundle import Bundle

DIGEST = "bundle"
"""The tag with the digest of a version's bundle."""
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous_champion"


class OvertakenError(RunError):
    """Another promotion came between a decision and its own."""


@dataclass(frozen=True)
class Version:
    """A version of a registered model. source: where its files are. tags: what was written to it, plain text."""

    name: str
    number: int
    run_id: str
    source: str
    tags: dict[str, str]

    @property
    def digest(self) -> str | None:
        """Of its bundle; None where a version of this project registered it that wrote none."""
        return self.tags.get(DIGEST)


class Registry:
    """The versions of `recsys-<name>`. Its methods raise RunError where MLflow fails."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.client = connected(settings)

    def alias(self, name: str, alias: str) -> Version | None:
        """The version that an alias names, or None."""
        try:
            return _version(name, self.client.get_model_version_by_alias(_model(name), alias))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise self._trouble(error) from error

    def version(self, name: str, number: int) -> Version:
        """A version by its number. Raises InputError where there is none."""
        found = {version.number: version for version in self.versions(name)}
        if number not in found:
            known = ", ".join(map(str, found)) or "none"
            raise InputError(f"version {number} of {name}", "there is no such version", f"there are: {known}")
        return found[number]

    def versions(self, name: str) -> list[Version]:
        """All versions, oldest first."""
        try:
            found = self.client.search_model_versions(f"name = '{_model(name)}'")
        except MlflowException as error:
            raise self._trouble(error) from error
        return sorted((_version(name, each) for each in found), key=lambda version: version.number)

    def names(self) -> list[str]:
        """The experiments that have a registered model."""
        try:
            found = self.client.search_registered_models(f"name LIKE '{_model('%')}'")
        except MlflowException as error:
            raise self._trouble(error) from error
        return sorted(str(model.name).removeprefix(_model("")) for model in found)

    def made(self, name: str, run_key: str) -> Version | None:
        """The version that the run of this key has made before, or None."""
        return next((version for version in self.versions(name) if version.tags.get("run_key") == run_key), None)

    @uninterrupted
    def register(
        self, name: str, run_key: str, run_id: str, log: Callable[[], str], tags: Mapping[str, str]
    ) -> Version:
        """The version of the run of this key, named challenger: a new one, or the one that it has made before.

        log: logs the model and gives its id; called for a new version alone.
        """
        found = self.made(name, run_key)
        try:
            if found is None:
                self._ensure(name)
                about, model_id = {"run_key": run_key, **tags}, log()
                # By its place: a `models:/` address is looked up in the environment's MLflow, which may be another.
                place = self.client.get_logged_model(model_id).artifact_location
                self.client.create_model_version(_model(name), place, run_id, about, model_id=model_id)
            found = self._only(name, run_key)
            self.client.set_registered_model_alias(_model(name), CHALLENGER, str(found.number))
        except MlflowException as error:
            raise self._trouble(error) from error
        return found

    @uninterrupted
    def promote(self, name: str, version: int, expected: int | None, tags: Mapping[str, str]) -> None:
        """Make a version champion in one call, and then say so in aliases and tags.

        expected: the champion that the decision was about. Doing it twice does nothing the second time. Raises
        OvertakenError where another promotion has come between.
        """
        with self.lock(name):
            champion = self.alias(name, CHAMPION)
            number = champion.number if champion else None
            if number not in (expected, version):
                raise OvertakenError(
                    f"champion of {name}",
                    f"another promotion came first: version {number} is champion, the decision was about {expected}",
                    "decide again: recsys retrain",
                )
            try:
                if number != version:
                    self.client.set_registered_model_alias(_model(name), CHAMPION, str(version))
                if expected is not None and expected != version:
                    self.client.set_registered_model_alias(_model(name), PREVIOUS, str(expected))
                challenger = self.alias(name, CHALLENGER)
                if challenger is not None and challenger.number == version:
                    self.client.delete_registered_model_alias(_model(name), CHALLENGER)
            except MlflowException as error:
                raise self._trouble(error) from error
            self.tag(name, version, tags)

    @uninterrupted
    def tag(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        """Write tags to a version."""
        try:
            for key, value in tags.items():
                self.client.set_model_version_tag(_model(name), str(version), key, value)
        except MlflowException as error:
            raise self._trouble(error) from error

    def folder(self, version: Version) -> Path:
        """The files of a version: where they are if they are on this machine, else a download.

        Raises InputError where MLflow's artifact store has none of them.
        """
        parsed = urlparse(version.source)
        if parsed.scheme in ("", "file"):
            return Path(unquote(parsed.path))
        target = self._settings.cache / "models" / f"{_model(version.name)}-{version.number}"
        try:
            target.mkdir(parents=True, exist_ok=True)
            uri = self._settings.mlflow_uri
            return Path(download_artifacts(artifact_uri=version.source, dst_path=str(target), tracking_uri=uri))
        except (MlflowException, OSError) as error:
            if self._has_files(version):
                raise self._trouble(error) from error
            remedy = f"go back (recsys champion rollback {version.name}), or make another: recsys retrain SPEC"
            raise InputError(f"version {version.number}", f"MLflow has no files at {version.source}", remedy) from error

    def open(self, version: Version) -> Bundle:
        """The bundle of a version, as it was registered. Raises as `open_bundle` does."""
        from recsys.serving.bundle import open_bundle
        from recsys.tracking.pyfunc import bundle_of

        return open_bundle(bundle_of(self.folder(version)), version.digest)

    def _has_files(self, version: Version) -> bool:
        try:
            return bool(list_artifacts(artifact_uri=version.source, tracking_uri=self._settings.mlflow_uri))
        except (MlflowException, OSError) as error:
            raise self._trouble(error) from error

    def lock(self, name: str) -> FileLock:
        """Held while aliases change: of two promotions at once on this home one waits for the other."""
        locks = self._settings.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        return FileLock(locks / f"champion-{name}.lock")

    def _only(self, name: str, run_key: str) -> Version:
        """The version of the run of this key: the first. Later ones of any run are deleted: requests have left them
        whose answers were lost, and which MLflow's client sent again."""
        first: dict[str, Version] = {}
        for version in self.versions(name):
            if first.setdefault(version.tags.get("run_key", str(version.number)), version) is not version:
                self._delete(version)
        return first[run_key]

    def _delete(self, version: Version) -> None:
        """Delete a version, unless it has a name: that would go with it."""
        named = (self.alias(version.name, alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS))
        if version.number in [each.number for each in named if each is not None]:
            return
        try:
            self.client.delete_model_version(_model(version.name), str(version.number))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # the first answer to this was lost
                raise

    def _ensure(self, name: str) -> None:
        try:
            self.client.create_registered_model(_model(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _trouble(self, error: Exception) -> RunError:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        said = said.replace(self._settings.mlflow_uri, self._settings.mlflow_place)
        return RunError(f"MLflow's registry at {self._settings.mlflow_place}", said, "is it there?")


def _model(name: str) -> str:
    return f"recsys-{name}"


def _version(name: str, found: ModelVersion) -> Version:
    tags: dict[str, Any] = found.tags
    return Version(name, int(found.version), str(found.run_id), str(found.source), dict(tags))
