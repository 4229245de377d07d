"""Flows called as plain functions."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY

from flows.local import local_flow


@pytest.mark.stack
def test_a_called_flow_does_not_wait_for_its_heartbeat(prefect: None) -> None:
    @local_flow(name="probe")
    def probe() -> int | None:
        return PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value()

    assert probe() is None
    assert PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() is not None


def test_fits_begin_before_mlflow_is_imported() -> None:
    program = "import sys, flows.compare; print(sorted({'mlflow', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
