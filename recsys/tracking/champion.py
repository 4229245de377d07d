"""Which bundle is to be served: the champion's, asked for again and again."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.errors import InputError
from recsys.settings import Settings
from recsys.tracking.database import require_server

if TYPE_CHECKING:
    from recsys.serving.bundle import Bundle
    from recsys.tracking.registry import Registry, Version


class Champion:
    """The champion of an experiment, by its name; calling it tells the version and the folder of its bundle."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name, self._settings = name, settings
        self._found: tuple[Version, Path] | None = None

    def __call__(self) -> tuple[str, Path]:
        """The number of the version that is champion now, and its bundle, brought here where it is elsewhere.

        Raises InputError where there is no champion, RunError where MLflow does not answer.
        """
        if self._settings.owns_tracking and not self._settings.database.exists():
            raise self._none()
        version = self._registry.alias(self.name, "champion")
        if version is None:
            raise self._none()
        if self._found is None or self._found[0].number != version.number:
            from recsys.tracking.pyfunc import bundle_of

            self._found = version, bundle_of(self._registry.folder(version))
        return str(version.number), self._found[1]

    def open(self, folder: Path) -> Bundle:
        """The bundle in the folder that was told last. Raises as `open_bundle` does, also where it is not the one that
        was registered."""
        from recsys.serving.bundle import open_bundle

        return open_bundle(folder, None if self._found is None else self._found[0].digest)

    @cached_property
    def _registry(self) -> Registry:
        from recsys.tracking.registry import Registry

        require_server(self._settings)
        return Registry(self._settings)

    def _none(self) -> InputError:
        message = f"there is none in the registry at {self._settings.mlflow_place}"
        return InputError(f"champion of {self.name}", message, "make one: recsys retrain SPEC")
