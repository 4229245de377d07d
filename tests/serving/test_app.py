"""What the HTTP application answers: the lists of the bundle, and a clear error for everything else."""

from __future__ import annotations

import itertools
import json
import logging

import pytest
from kitchen import bundle_of, client_of
from prometheus_client.parser import text_string_to_metric_families

from recsys.serving import app as applications
from recsys.serving.answers import for_history, for_nobody, for_user
from recsys.serving.state import Serving


def error(response, status):
    """The error of an answer, which has this status and the three members."""
    assert response.status_code == status, response.text
    found = response.json()["error"]
    assert list(found) == ["place", "message", "remedy"]
    return found


def ids(answer, bundle):
    return [bundle.item_ids[item] for item in answer.items]


def test_a_known_user(client, bundle):
    found = client.get("/recommend", params={"user": "1007", "k": 5}).json()
    lines = found.pop("recommendations")
    assert found == {"name": "made", "version": "1", "user": 1007, "known": True, "source": "user"}
    assert [line["item"] for line in lines] == ids(for_user(bundle, 7, 5), bundle)
    assert [line["rank"] for line in lines] == [1, 2, 3, 4, 5]
    assert lines[0]["title"] == f"<script>alert({lines[0]['item']})</script>"
    assert all(a["score"] >= b["score"] for a, b in itertools.pairwise(lines))


def test_an_unknown_user_gets_the_fallback_and_is_told(client, bundle):
    found = client.get("/recommend", params={"user": "nobody"}).json()
    assert (found["user"], found["known"], found["source"]) == ("nobody", False, "fallback")
    assert [line["item"] for line in found["recommendations"]] == ids(for_nobody(bundle, 10), bundle)


def test_a_history(client, bundle):
    asked = [("history", "53"), ("history", "70"), ("k", "4")]
    found = client.get("/recommend", params=asked).json()
    assert found["source"] == "history"
    assert [line["item"] for line in found["recommendations"]] == ids(for_history(bundle, [3, 20], 4), bundle)
    for body in ({"history": ["53", "70"], "k": 4}, {"history": [53, 70], "k": 4}):
        assert client.post("/recommend", json=body).json() == found


def test_an_empty_history_is_nobody(client):
    assert client.post("/recommend", json={"history": []}).json()["source"] == "fallback"


def test_items_of_the_history_that_are_unknown(client):
    asked = [("history", "53"), ("history", "nothing"), ("history", "9999")]
    assert (
        "2 of 3 items are not in this model: 'nothing', '9999'"
        in error(client.get("/recommend", params=asked), 422)["message"]
    )
    found = client.get("/recommend", params=[*asked, ("skip_unknown", "true")]).json()
    assert (found["ignored"], found["source"]) == (["nothing", "9999"], "history")


def test_like_an_item(client, bundle):
    found = client.get("/similar", params={"item": "53", "k": 3}).json()
    assert (found["item"], found["source"], len(found["similar"])) == (53, "item", 3)
    assert 53 not in [line["item"] for line in found["similar"]]
    assert "no item '9'" in error(client.get("/similar", params={"item": "9"}), 404)["message"]


def test_like_an_item_by_vectors(vectors):
    state = Serving(lambda: ("1", vectors))
    state.start()
    bundle = state.live.bundle
    found = client_of(state).get("/similar", params={"item": "100", "k": 5}).json()["similar"]
    cosines = bundle.directions @ bundle.directions[99]
    cosines[99] = -2
    assert [line["item"] for line in found] == (cosines.argsort()[::-1][:5] + 1).tolist()
    assert found[0]["score"] <= 1
    state.stop()


def test_no_likeness_where_the_model_knows_none(tmp_path):
    folder = bundle_of(tmp_path, "popularity")
    state = Serving(lambda: ("1", folder))
    state.start()
    assert "knows no likeness" in error(client_of(state).get("/similar?item=53"), 404)["message"]
    state.stop()


@pytest.mark.parametrize(
    ("query", "place", "message"),
    [
        ("", "request", "neither a user nor a history"),
        ("user=1007&history=53", "request", "both a user and a history"),
        ("user=1007&k=0", "k", "must be at least 1"),
        ("user=1007&k=-1", "k", "must be at least 1"),
        ("user=1007&k=201", "k", "201 is more than 200"),
        ("user=1007&k=ten", "k", "'ten': "),
        ("user=1007&k=1e9", "k", "'1e9': "),
        ("user=1007&k=" + "9" * 5000, "k", "'999"),
        ("user=", "user", "is empty"),
        ("user=" + "x" * 257, "user", "is longer than 256 characters"),
        ("history=" + "x" * 257, "history.0", "is longer than 256 characters"),
        ("user=1007&user=1008", "user", "is there twice"),
        ("user=1007&usr=1", "usr", "is not a name known here"),
        ("user=%ff", "query", "is not UTF-8"),
        ("history=53&history=%ed%a0%80", "query", "is not UTF-8"),
        ("%c3=1", "query", "is not UTF-8"),
        ("user=1007&skip_unknown=perhaps", "skip_unknown", "'perhaps': "),
        ("&".join(f"history={item}" for item in range(1001)), "history", "1,001 items are more than 1,000"),
    ],
)
def test_bad_queries(client, query, place, message):
    found = error(client.get(f"/recommend?{query}"), 422)
    assert found["place"] == place
    assert message in found["message"]
    assert len(json.dumps(found)) < 700


def test_an_unknown_name_is_told_the_nearest(client):
    assert "did you mean 'user'" in error(client.get("/recommend?usr=1"), 422)["remedy"]
    assert error(client.get("/similar?k=3"), 422) == {"place": "item", "message": "is missing", "remedy": None}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"history": "53"}',
        b'{"history": [["53"]]}',
        b'{"history": [true]}',
        b'{"history": [null]}',
        b'{"history": [5.5]}',
        b'{"history": {"a": 1}}',
        b'{"history": ["53"], "k": "5"}',
        b'{"history": ["53"], "k": 5.5}',
        b'{"history": ["53"], "k": NaN}',
        b'{"history": ["53"], "k": 1e400}',
        b'{"history": ["53"], "exec": 1}',
        b'{"user": {"$ne": 1}}',
        b'{"user": ["1007"]}',
        b'{"user": true}',
        b"{}",
    ],
)
def test_bad_bodies(client, body):
    error(client.post("/recommend", content=body, headers={"content-type": "application/json"}), 422)


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        (b'{"\\ud800": 1}', "\ud800", "is not a name known here"),
        (b'{"user": "\\ud800"}', "user", "'\\ud800': "),
        (b'{"history": ["53", "\\udfff"]}', "history.1", "'\\udfff': "),
        (b'{"user": "1007", "k": 5, "user": "1008"}', "body", "the key 'user' stands twice"),
        (b'{"user": {"a": 1, "a": 2}}', "body", "the key 'a' stands twice"),
    ],
)
def test_bodies_that_say_no_one_thing(client, body, place, message, caplog):
    found = error(client.post("/recommend", content=body, headers={"content-type": "application/json"}), 422)
    assert found["place"] == place
    assert found["message"].startswith(message)
    assert not caplog.records


def test_two_lengths_of_one_body(client):
    """What stands in front may end the request elsewhere than the server does (RFC 9112, section 6.1)."""
    headers = {"content-type": "application/json", "content-length": "4", "transfer-encoding": "chunked"}
    answer = client.post("/recommend", content=b"{}  ", headers=headers)
    assert error(answer, 400)["place"] == "content-length"
    assert answer.headers["connection"] == "close"


def test_likeness_of_what_is_no_text(client):
    assert error(client.get("/similar?item=%ff"), 422)["message"] == "is not UTF-8"


def test_a_body_of_another_kind(client):
    assert error(client.post("/recommend", content=b"<x/>", headers={"content-type": "text/xml"}), 415)
    assert error(client.post("/recommend?user=1007", json={"user": "1007"}), 422)["place"] == "query"


@pytest.mark.parametrize(
    "text", ["' OR 1=1 --", "<script>", "../../etc/passwd", "%00", "\u202e", "😀", "1007 ", "01007", "+1007", "{{7*7}}"]
)
def test_ids_are_data(client, text):
    found = client.get("/recommend", params={"user": text})
    assert found.headers["content-type"] == "application/json"
    assert (found.json()["user"], found.json()["known"]) == (text, False)


def test_what_is_not_here(client):
    assert error(client.get("/nowhere"), 404)["place"] == "GET /nowhere"
    assert error(client.delete("/recommend"), 405)["place"] == "DELETE /recommend"
    assert error(client.get("/docs"), 404)
    assert error(client.get("/recommend/../../etc/passwd"), 404)


def test_every_answer_has_the_headers(client):
    for response in (client.get("/"), client.get("/recommend"), client.get("/nowhere"), client.get("/metrics")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "access-control-allow-origin" not in response.headers


def test_no_cors(client):
    response = client.options(
        "/recommend", headers={"origin": "https://evil.example", "access-control-request-method": "GET"}
    )
    assert response.status_code == 405
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_a_failure_inside_says_nothing_of_the_inside(client, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("secret of the inside")

    monkeypatch.setattr(applications.answers, "for_user", broken)
    with caplog.at_level(logging.ERROR):
        found = client.get("/recommend?user=1007")
    assert error(found, 500) == {"place": "server", "message": "something failed here", "remedy": "its log says what"}
    assert "Traceback" not in found.text
    assert "secret of the inside" in caplog.text
    assert found.headers["x-content-type-options"] == "nosniff"


def test_health_and_version(client, pointer, state):
    assert client.get("/health").json() == {"live": True, "ready": True, "version": "1", "troubles": []}
    assert client.head("/health").status_code == 200
    about = client.get("/version").json()
    assert (about["version"], about["family"], about["users"], about["items"]) == ("1", "ease", 120, 40)
    assert about["facts"]["passport"] == "abc"
    pointer.version, pointer.folder = "2", pointer.folder / "nowhere"
    state.look()
    [trouble] = client.get("/health").json()["troubles"]
    assert (trouble["what"], trouble["version"], trouble["message"]) == ("model", "2", "there is no such folder")
    assert client.get("/recommend?user=1007").json()["version"] == "1"


def test_not_ready(pointer):
    client = client_of(Serving(pointer))
    assert client.get("/health").status_code == 503
    assert client.get("/health").json()["ready"] is False
    assert client.get("/metrics").status_code == 200


def metrics(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(one.name, *sorted(one.labels.values())): one.value for family in families for one in family.samples}


def test_metrics(client, state):
    before = metrics(client)
    for path in ("/recommend?user=1007", "/recommend?user=nobody", "/recommend?k=x", "/" + "x" * 500):
        client.get(path)
    found = metrics(client)
    assert found["recsys_requests_total", "/recommend", "200"] == 2
    assert found["recsys_requests_total", "/recommend", "422"] == 1
    assert found["recsys_requests_total", "404", "other"] == 1
    assert found["recsys_lists_total", "user"] == found["recsys_lists_total", "fallback"] == 1
    assert found["recsys_request_seconds_count", "/recommend"] == 3
    assert found["recsys_ready",] == 1
    assert found["recsys_trouble", "model"] == 0
    assert ("recsys_model", *sorted(["made", "1", "ease", state.live.bundle.digest[:12]])) in found
    assert not any("x" * 100 in str(key) for key in found)
    assert len(before) < len(found) < 100


def test_the_small_page_escapes(pointer, tmp_path):
    folder = bundle_of(
        tmp_path, "popularity", facts={"name": "<b>bold</b>", "notes": {"<i>": "<script>alert(1)</script>"}}
    )
    pointer.folder = folder
    state = Serving(pointer)
    state.start()
    text = client_of(state).get("/").text
    assert "<b>bold" not in text
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    state.stop()


def test_a_page_of_ones_own_is_read_again(state, tmp_path):
    page = tmp_path / "page.html"
    client = client_of(state, page=page)
    assert "served since" in client.get("/").text.lower()
    page.write_text("<p>one")
    assert client.get("/").text == "<p>one"
    page.write_text("<p>another")
    assert client.get("/").text == "<p>another"


def test_the_interface_is_described(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/recommend", "/similar", "/version", "/health", "/metrics"}
    assert {one["name"] for one in paths["/recommend"]["get"]["parameters"]} == {"user", "history", "k", "skip_unknown"}


def test_long_work_is_done_in_a_thread(client, state, monkeypatch):
    import threading

    where = []

    def note(*arguments):
        where.append(threading.current_thread().name)
        return for_user(*arguments)

    monkeypatch.setattr(applications.answers, "for_user", note)
    client.get("/recommend?user=1007")
    state.live.bundle.pace = 1.0
    client.get("/recommend?user=1007")
    assert where[0] != where[1]


class TestLimits:
    KEY = "a-key-of-sixteen-or-more"

    def test_the_key(self, state):
        client = client_of(state, key=self.KEY)
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": self.KEY},
            {"authorization": f"Basic {self.KEY}"},
        ):
            response = client.get("/recommend?user=1007", headers=headers)
            assert error(response, 401)["place"] == "Authorization"
            assert response.headers["www-authenticate"] == "Bearer"
        for path in ("/recommend?user=1007", "/version", "/metrics", "/", "/similar?item=53"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"authorization": f"Bearer {self.KEY}"}).status_code == 200

    def test_health_tells_strangers_little(self, state, pointer):
        client = client_of(state, key=self.KEY)
        pointer.version, pointer.folder = "2", pointer.folder / "secret place"
        state.look()
        assert client.get("/health").json()["troubles"] == ["model"]
        assert "secret place" in client.get("/health", headers={"authorization": f"Bearer {self.KEY}"}).text

    def test_the_key_is_shown_nowhere(self, state):
        from recsys.serving.settings import ServeSettings

        assert self.KEY not in repr(ServeSettings(key=self.KEY))
        assert self.KEY not in client_of(state, key=self.KEY).get("/recommend").text

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example"])
    def test_another_host(self, client, host):
        assert error(client.get("/recommend?user=1007", headers={"host": host}), 421)["place"] == "Host"

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:1"])
    def test_this_machine(self, client, host):
        assert client.get("/health", headers={"host": host}).status_code == 200

    def test_a_named_host(self, state):
        client = client_of(state, hosts="a.example, recs.example")
        assert client.get("/health", headers={"host": "recs.example"}).status_code == 200

    def test_the_rate(self, state):
        client = client_of(state, rate=0.001, burst=3)
        assert [client.get("/version").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        response = client.get("/version")
        assert error(response, 429)["place"] == "request"
        assert int(response.headers["retry-after"]) > 900
        assert client.get("/health").status_code == 200

    def test_the_size(self, client):
        response = client.post("/recommend", content=b"x" * 65_537, headers={"content-type": "application/json"})
        assert error(response, 413)["message"] == "is larger than 65,536 bytes"
        assert response.headers["connection"] == "close"

    def test_the_size_of_a_body_in_pieces(self, client):
        pieces = (b"x" * 10_000 for _ in range(1000))
        response = client.post("/recommend", content=pieces, headers={"content-type": "application/json"})
        assert error(response, 413)

    def test_too_slow(self, state, monkeypatch):
        import anyio

        client = client_of(state, patience=0.05)

        async def slow(*_):
            await anyio.sleep(5)

        monkeypatch.setattr(applications.Service, "_made", slow)
        assert error(client.get("/recommend?user=1007"), 408)["message"] == "took longer than 0.05 seconds"
