"""Pages of the UIs of MLflow and Prefect; nothing of either is imported for them."""

from __future__ import annotations

from urllib.parse import urlsplit

from recsys.settings import Settings, shown_address


def has_server(settings: Settings) -> bool:
    """Whether MLflow's records are behind a server, which has the UI too, rather than in a database."""
    return settings.mlflow_uri.startswith(("http://", "https://"))


def run_page(settings: Settings, experiment_id: str, run_id: str) -> str:
    """The page of a run, on its server or on the one that shows a database here.

    The UI has a part about models and one about agents, which is what it opens with unless it is asked.
    """
    server = settings.mlflow_place.rstrip("/") if has_server(settings) else f"http://127.0.0.1:{settings.mlflow_port}"
    return f"{server}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def flow_run_page(settings: Settings, api: str, flow_run: str) -> str:
    """The page of a flow run on the server of this API.

    A server on loopback may be that of one command, which ends with it: `recsys up` shows the flow run after that.
    """
    server = shown_address(api).rstrip("/").removesuffix("/api")
    if urlsplit(server).hostname in ("127.0.0.1", "localhost", "::1"):
        server = f"http://127.0.0.1:{settings.prefect_port}"
    return f"{server}/runs/flow-run/{flow_run}"
