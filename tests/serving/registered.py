"""Versions of a registered model, made of bundles as a retraining makes them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient

from recsys.settings import Settings
from recsys.tracking.pyfunc import save_pyfunc
from recsys.tracking.registry import Registry


def register(settings: Settings, name: str, bundle: Path, champion: bool = True) -> int:
    """A new version of `recsys-<name>` with this bundle, by default the champion; its number."""
    client, registry = MlflowClient(settings.mlflow_uri), Registry(settings)
    found = client.get_experiment_by_name(name)
    place = (settings.artifacts / name).as_uri()
    experiment = found.experiment_id if found else client.create_experiment(name, artifact_location=place)
    run = client.create_run(experiment).info.run_id

    def log() -> str:
        logged = client.create_logged_model(experiment, name=name, source_run_id=run)
        with TemporaryDirectory() as folder:
            save_pyfunc(bundle, Path(folder))
            client.log_model_artifacts(logged.model_id, folder)
        return str(client.finalize_logged_model(logged.model_id, "READY").model_id)

    version = registry.register(name, run, run, log, {}).number
    if champion:
        before = registry.alias(name, "champion")
        registry.promote(name, version, before and before.number, {})
    return version
