"""MLflow's database appears complete or not at all, once, and can be asked without MLflow."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from recsys.errors import InputError, RunError
from recsys.settings import Settings
from recsys.tracking import database
from recsys.tracking.database import ensure_database, require_records, require_server, require_sound, run_status
from recsys.tracking.runs import Tracker

MAKER = (
    "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('made'); pathlib.Path(sys.argv[2]).open('a').write('.')"
)


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Makes a file of four letters for a database; a point in this file for every call."""
    path = tmp_path / "calls"
    path.touch()

    def maker(module, *args):
        assert module == "recsys.tracking.database"
        return [sys.executable, "-c", MAKER, *args, str(path)]

    monkeypatch.setattr(database, "python", maker)
    return path


def broken(module, *args):
    return [sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write('ha'); print('no'); sys.exit(3)", *args]


class TestMaking:
    def test_a_new_home_gets_one_that_mlflow_can_use(self, new_database):
        with sqlite3.connect(new_database) as connection:
            assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
            assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        beside = {path.name for path in new_database.parent.iterdir()}
        assert "mlflow.db" in beside
        assert not [name for name in beside if name.startswith(".mlflow.db") or name.endswith(("-wal", "-shm"))]

    def test_one_is_enough(self, calls):
        ensure_database(Settings())
        ensure_database(Settings())
        assert calls.read_text() == "."
        assert Settings().database.read_text() == "made"

    def test_once_for_many_who_ask_together(self, calls):
        settings = Settings()
        threads = [threading.Thread(target=ensure_database, args=(settings,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert calls.read_text() == "."
        assert settings.database.read_text() == "made"

    def test_what_a_kill_left_is_no_database(self, calls):
        settings = Settings()
        settings.root.mkdir()
        leftover = settings.root / ".mlflow.db.0a1b2c3d"
        leftover.write_text("half")
        ensure_database(settings)
        assert settings.database.read_text() == "made"
        assert not leftover.exists()

    def test_a_failure_leaves_none_and_says_where_to_look(self, monkeypatch, calls):
        settings = Settings()
        with monkeypatch.context() as patch:
            patch.setattr(database, "python", broken)
            with pytest.raises(RunError) as caught:
                ensure_database(settings)
        log = settings.logs / "mlflow-database.log"
        assert str(caught.value).startswith(f"{settings.database}: MLflow could not make its database; see {log}")
        assert log.read_text() == "no\n"
        assert [path for path in settings.root.iterdir() if path.is_file() and path.suffix != ".lock"] == []
        ensure_database(settings)
        assert settings.database.read_text() == "made"

    def test_no_process_and_no_record_of_it_is_left(self, calls):
        ensure_database(Settings())
        assert list(Settings().processes.glob("*.json")) == []

    def test_none_where_the_records_are_elsewhere(self, calls, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        ensure_database(Settings())
        assert calls.read_text() == ""
        assert not Settings().database.exists()

    def test_none_because_the_disk_is_full(self, monkeypatch, calls):
        monkeypatch.setattr(database, "python", broken)
        monkeypatch.setattr(database, "disk_full", lambda folder: RunError(str(folder), "its disk is full"))
        with pytest.raises(RunError, match="its disk is full"):
            ensure_database(Settings())


class TestServer:
    """Where the environment names one, it has to answer."""

    @pytest.fixture
    def server(self, monkeypatch):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(self.server.status)
                self.end_headers()

            def log_message(self, *args):
                """Nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
            threading.Thread(target=serving.serve_forever, daemon=True).start()
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{serving.server_port}/")
            yield serving
            serving.shutdown()

    @pytest.mark.parametrize("status", [200, 404, 500])
    def test_somebody_answers(self, server, status):
        server.status = status
        require_server(Settings())

    def test_with_a_name_and_a_password(self, server, monkeypatch):
        server.status = 200
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{server.server_port}")
        require_server(Settings())

    def test_nobody_does(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        with pytest.raises(RunError) as caught:
            require_server(Settings())
        assert caught.value.place == "MLFLOW_TRACKING_URI http://127.0.0.1:9"
        assert "no answer" in caught.value.message
        assert caught.value.remedy == "start that server, or unset it"

    def test_a_database_needs_none(self):
        require_server(Settings())


class TestStatus:
    @pytest.fixture
    def run_id(self, settings):
        tracker = Tracker(settings)
        run_id = tracker.open_parent("demo", "key", {}, {}, fresh=False).run_id
        tracker.close(run_id, "FINISHED")
        return run_id

    def test_of_a_run(self, settings, run_id):
        assert run_status(settings.database, run_id) == "FINISHED"
        Tracker(settings).open_parent("demo", "key", {}, {}, fresh=False)
        assert run_status(settings.database, run_id) == "RUNNING"

    def test_of_a_deleted_run(self, settings, run_id):
        Tracker(settings).client.delete_run(run_id)
        assert run_status(settings.database, run_id) is None

    def test_of_no_run(self, settings):
        assert run_status(settings.database, "0" * 32) is None

    def test_without_a_database(self, tmp_path):
        assert run_status(tmp_path / "mlflow.db", "0") is None
        (tmp_path / "mlflow.db").write_text("this is no database, and it is long enough to be seen as none")
        assert run_status(tmp_path / "mlflow.db", "0") is None
        assert not (tmp_path / "mlflow.db-journal").exists()

    def test_takes_neither_mlflow_nor_prefect(self, settings, run_id):
        program = (
            "import sys; from pathlib import Path; import recsys.tracking.finished; "
            "from recsys.tracking.database import run_status; "
            f"print(run_status(Path({str(settings.database)!r}), {run_id!r})); "
            "print(sorted({'mlflow', 'prefect', 'torch'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout == "FINISHED\n[]\n"


class TestDamage:
    @pytest.mark.parametrize(
        ("damage", "said"),
        [
            ("cut", "has lost its end: .* bytes are left of it; put a copy of it there, or move it away"),
            ("junk", "is no database of SQLite; put a copy"),
            ("short", "is no database of SQLite; put a copy"),
            ("emptied", "is empty, and had records in it; put a copy"),
            ("folder", "is no file, and should be a database; put a copy"),
        ],
    )
    def test_is_told_at_once(self, settings, damage, said):
        content = settings.database.read_bytes()
        settings.database.unlink()
        if damage == "folder":
            settings.database.mkdir()
        else:
            damaged = {"cut": content[: len(content) // 2], "junk": b"x" * 2000, "short": content[:50], "emptied": b""}
            settings.database.write_bytes(damaged[damage])
        for use in (require_records, Tracker):
            with pytest.raises(InputError, match=rf"mlflow\.db: {said}"):
                use(settings)

    def test_sound_ones(self, settings, tmp_path):
        require_records(settings)
        require_sound(tmp_path / "none.db", "")
        (tmp_path / "begun.db").touch()
        require_sound(tmp_path / "begun.db", "")

    def test_what_a_kill_left_is_mended_by_sqlite(self, settings):
        settings.database.write_bytes(settings.database.read_bytes()[:-4096])
        settings.database.with_name("mlflow.db-journal").write_bytes(b"")
        require_records(settings)

    @pytest.mark.parametrize(("how", "place"), [("moved", "elsewhere"), ("copied", "else#where 100%")])
    def test_a_home_that_was_elsewhere(self, settings, tmp_path, monkeypatch, how, place):
        Tracker(settings).experiment("made")
        require_records(settings)
        shutil.copytree(settings.root, tmp_path / place)
        if how == "moved":
            shutil.rmtree(settings.root)
        monkeypatch.setenv("RECSYS_HOME", str(tmp_path / place))
        moved = Settings()
        for use in (require_records, Tracker):
            with pytest.raises(InputError) as caught:
                use(moved)
            assert str(caught.value) == (
                f"{moved.root}: was {settings.root} when MLflow noted where its files are; move the home back, or make "
                f"{settings.root} a link to it"
            )
        shutil.rmtree(settings.root, ignore_errors=True)
        settings.root.symlink_to(moved.root)
        require_records(moved)
