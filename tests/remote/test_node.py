"""What a machine does with a request, asked without Ray: a plain generator of JSON."""

from __future__ import annotations

import contextlib
import json
import socket
from datetime import timedelta

import numpy as np
import pytest
from filelock import FileLock
from remote.test_cluster import Asked

from recsys.errors import RunError
from recsys.experiment.job import Peer, as_failure, from_failure
from recsys.experiment.remote_files import Shared
from recsys.experiment.remote_node import Request, fit_on_node, home
from recsys.training import peers
from recsys.training.peers import PartedError


@pytest.fixture
def asked(tmp_path):
    return Asked(tmp_path, {"name": "popularity"})


def request(asked, shared=None, **changes) -> Request:
    folder = asked.folder / "result"
    folder.mkdir(exist_ok=True)
    told = Request(
        job=asked.job,
        dataset=asked.dataset,
        split=asked.split,
        key=asked.key,
        name=f"fits/me/{asked.key}",
        shared=shared,
        label="mine",
        folder=folder,
        checkpoint=asked.folder / "checkpoint",
        log=asked.folder / "log",
        seconds=None,
        n_bytes=None,
    )
    return told.model_copy(update=changes)


def said(asked_for: Request) -> list[dict]:
    return [json.loads(text) for text in fit_on_node(asked_for.model_dump_json()) if text]


def offered(asked, tmp_path) -> Shared:
    shared = Shared(f"file://{tmp_path}/shared")
    shared.offer(asked.dataset)
    shared.offer(asked.split)
    return shared


class TestInPlace:
    def test_what_a_lost_machine_left_is_in_nobodys_way(self, asked, tmp_path):
        wanted = request(asked)
        (wanted.folder / "model").mkdir()
        (wanted.folder / "items.npy").write_text("half of it")
        assert said(wanted) == [{"result": {}}]
        assert np.load(wanted.folder / "items.npy").shape == (len(np.load(wanted.folder / "users.npy")), 50)

    def test_a_store_it_does_not_see(self, asked, tmp_path):
        far = asked.job.model_copy(update={"dataset": tmp_path / "elsewhere"})
        (told,) = said(request(asked, job=far))
        assert told["failure"]["status"] == 1
        assert told["failure"]["message"].startswith(f"does not see {tmp_path}/elsewhere")
        assert "RECSYS_SHARED" in told["failure"]["remedy"]

    def test_another_version_of_the_code_fits_nothing(self, asked):
        (told,) = said(request(asked, key="of other code"))
        assert "has another version of this code" in told["failure"]["message"]
        assert list((asked.folder / "result").iterdir()) == []

    def test_a_model_it_does_not_know(self, asked):
        job = asked.job.model_copy(update={"settings": {"name": "theirs"}})
        (told,) = said(request(asked, job=job))
        assert "has another version of this code" in told["failure"]["message"]


class TestCopied:
    def test_leaves_the_result_in_the_shared_place_and_nothing_here(self, asked, tmp_path):
        shared = offered(asked, tmp_path)
        log, told = said(request(asked, shared.uri))
        assert set(log) == {"log"}
        assert shared.pull(f"fits/me/{asked.key}/result", tmp_path / "came") == told["result"]
        assert {"items.npy", "model/model.json", "measured.json"} <= set(told["result"])
        assert [path for path in (home() / "remote").iterdir() if path.is_dir()] == []

    def test_what_is_there_already_is_not_fetched(self, asked, tmp_path):
        shared = offered(asked, tmp_path)
        said(request(asked, shared.uri))
        shared.remove("inputs")
        assert "result" in said(request(asked, shared.uri))[-1]

    def test_inputs_that_are_damaged(self, asked, tmp_path):
        shared = offered(asked, tmp_path)
        (damaged,) = (tmp_path / "shared").glob("inputs/dataset/*/item.npy")
        damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
        (told,) = said(request(asked, shared.uri))
        assert "the dataset there has digest" in told["failure"]["message"]

    def test_a_fit_whose_driver_goes_away_is_gone_on_with(self, tmp_path):
        """Closed at its first epoch: its checkpoint is in the shared place, and from there in the next try's folder."""
        asked = Asked(tmp_path, {"name": "lightfm-warp", "epochs": 3})
        wanted = request(asked, offered(asked, tmp_path).uri)
        scratch = home() / "remote" / f"fits-me-{asked.key}-result"
        state = scratch / "checkpoint" / "fit" / "checkpoint.safetensors"
        going = fit_on_node(wanted.model_dump_json())
        while not next(going):
            pass
        state.write_text("the state")
        going.close()
        assert not scratch.exists()
        going = fit_on_node(wanted.model_dump_json())
        next(going)
        assert state.read_text() == "the state"
        going.close()

    @pytest.mark.parametrize("at_work", [True, False])
    def test_what_killed_fits_left_goes_with_the_next_one(self, asked, tmp_path, at_work):
        left = home() / "remote" / "fits-of-others"
        (left / "checkpoint").mkdir(parents=True)
        with FileLock(f"{left}.lock") if at_work else contextlib.nullcontext():
            said(request(asked, offered(asked, tmp_path).uri))
        assert left.exists() == at_work


class TestSeveral:
    """The first of several processes that fit a model together, and another one."""

    def test_the_first_one_listens_on_its_own_address_before_anything_else(self, tmp_path):
        asked = Asked(tmp_path, {"name": "mf"}, runner={"kind": "ray", "processes": 2})
        job = asked.job.model_copy(update={"peer": Peer(rank=0, own="127.0.0.1")})
        going = fit_on_node(request(asked, job=job).model_dump_json())
        host, port = json.loads(next(going))["meet"].split(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), 5).close()
        going.close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, int(port)), 5)

    def test_another_one_that_finds_nobody_says_so(self, tmp_path, monkeypatch):
        """It asks at an address where nobody listens any more, for no longer than its patience."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        monkeypatch.setattr(peers, "PATIENCE", timedelta(seconds=1))
        with pytest.raises(PartedError, match="process 1 of 2 lost another one"):
            peers.Peers(1, 2, f"127.0.0.1:{port}", "127.0.0.1")

    def test_whoever_was_parted_is_told_from_whoever_failed(self):
        parted, failed = (as_failure(kind("mine", "no way")) for kind in (PartedError, RunError))
        assert (type(from_failure(parted, "")), type(from_failure(failed, ""))) == (PartedError, RunError)
