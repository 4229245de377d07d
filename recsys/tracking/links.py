"""Pages of MLflow's UI; nothing of MLflow is imported for them."""

from __future__ import annotations

from recsys.settings import Settings


def has_server(settings: Settings) -> bool:
    """Whether MLflow's records are behind a server, which has the UI too, rather than in a database."""
    return settings.mlflow_uri.startswith(("http://", "https://"))


def run_page(settings: Settings, experiment_id: str, run_id: str) -> str:
    """The page of a run, on its server or on the one that shows a database here.

    The UI has a part about models and one about agents, which is what it opens with unless it is asked.
    """
    server = settings.mlflow_uri.rstrip("/") if has_server(settings) else f"http://127.0.0.1:{settings.mlflow_port}"
    return f"{server}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
