"""What takes long to make and serves many tests: databases, a Prefect server, a comparison that nothing disturbed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.harness import SPEC, Workplace, environment, result_of
from faults.law import kept_by_mlflow
from filelock import FileLock

MAKE_DATABASES = """
from flows.engine import Engine
from recsys.settings import Settings
from recsys.tracking.database import ensure_database
engine = Engine(Settings()).start()
ensure_database(Settings())
engine.wait()
engine.stop()
"""

SERVE = """
import sys
from flows.engine import Engine
from recsys.settings import Settings
engine = Engine(Settings()).start()
engine.wait()
print(engine.url, flush=True)
sys.stdin.read()
engine.stop()
"""


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def databases(shared: Path) -> Path:
    """A home with empty databases of Prefect and MLflow, to begin others with."""
    home = shared / "databases"
    with FileLock(shared / "databases.lock"):
        if not (home / "made").exists():
            command = [sys.executable, "-c", MAKE_DATABASES]
            subprocess.run(command, env=environment(home), check=True, timeout=300)
            (home / "made").touch()
    return home


@contextlib.contextmanager
def prefect_server(place: Workplace) -> Iterator[str]:
    """A Prefect server with the home of this place; its API."""
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(
        command, env=environment(place.home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1"), "the Prefect server did not start"
        yield url


@pytest.fixture(scope="session")
def server(databases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a Prefect server that runs as long as the tests of this worker."""
    with prefect_server(Workplace(tmp_path_factory.mktemp("server")).seed(databases)) as url:
        yield url


@pytest.fixture
def prefect(server: str, home: Path, databases: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Flows of this process run against the session's server, in a home of the test's own."""
    monkeypatch.setenv("PREFECT_API_URL", server)
    Workplace(home.parent / "place", home=home).seed(databases)
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.engine import send_logs

    with temporary_settings({PREFECT_API_URL: server}):
        yield
    send_logs()


@pytest.fixture(scope="session")
def undisturbed(shared: Path, databases: Path) -> dict:
    """The result of the comparison of SPEC that nothing disturbed."""
    place = Workplace(shared / "undisturbed", SPEC)
    with FileLock(shared / "undisturbed.lock"):
        if not place.out.exists():
            ended = place.seed(databases).run()
            assert ended.status == 0, ended.said
            place.assert_kept_here()
    return result_of(place.out)


@pytest.fixture(scope="session")
def records(undisturbed: dict, shared: Path) -> dict[str, Any]:
    """What MLflow holds of the comparison that nothing disturbed."""
    return kept_by_mlflow(shared / "undisturbed/home")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """A workplace with the comparison of SPEC and an empty home; nothing of it is left running, or talked to others."""
    place = Workplace(tmp_path / "place")
    yield place
    for process in place.processes():
        process.kill()
    place.assert_kept_here()
