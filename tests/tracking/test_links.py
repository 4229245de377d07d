"""The addresses of pages in MLflow's UI."""

import pytest

from recsys.settings import Settings
from recsys.tracking.links import flow_run_page, has_server, run_page

PAGE = "/#/experiments/7/runs/abc?workflowType=machine_learning"


@pytest.mark.parametrize(
    ("uri", "page"),
    [
        (None, f"http://127.0.0.1:5001{PAGE}"),
        ("sqlite:////elsewhere/mlflow.db", f"http://127.0.0.1:5001{PAGE}"),
        ("https://mlflow.example/", f"https://mlflow.example{PAGE}"),
    ],
)
def test_the_page_of_a_run(monkeypatch, uri, page):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("RECSYS_MLFLOW_PORT", "5001")
    if uri is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert run_page(Settings(), "7", "abc") == page
    assert has_server(Settings()) == page.startswith("https")


@pytest.mark.parametrize(
    ("api", "server"),
    [
        ("http://127.0.0.1:53211/api", "http://127.0.0.1:4201"),
        ("http://localhost:4201/api", "http://127.0.0.1:4201"),
        ("https://prefect.example/api/", "https://prefect.example"),
        ("https://me:secret@prefect.example/api", "https://prefect.example"),
    ],
)
def test_the_page_of_a_flow_run(monkeypatch, api, server):
    monkeypatch.setenv("RECSYS_PREFECT_PORT", "4201")
    assert flow_run_page(Settings(), api, "abc") == f"{server}/runs/flow-run/abc"
