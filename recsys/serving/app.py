"""The HTTP application: lists for users and histories, items like an item, and how the service is."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from recsys.config import IntArray
from recsys.errors import ExpectedError
from recsys.serving import answers
from recsys.serving.answers import Answer
from recsys.serving.guard import Guard, RequestError, brings, error_body
from recsys.serving.meters import Meters
from recsys.serving.page import Page
from recsys.serving.questions import Likeness, Question, likeness_of, pairs_of, parameters, question_in, question_of
from recsys.serving.settings import ServeSettings
from recsys.serving.state import Live, Serving

# A list that takes longer, in seconds, is made in a thread, so that other requests go on meanwhile.
LONG = 0.003
AT_ONCE = 2
# With so many items the likeness of all of them to one takes long.
MANY = 50_000


def create_app(state: Serving, settings: ServeSettings | None = None, *, page: Path | None = None) -> FastAPI:
    """The application over a started state. page: an HTML file for /, in place of a small one.

    Errors are {"error": {"place", "message", "remedy"}} with a status of 4xx, or 500 with nothing of the inside.
    """
    settings = settings or ServeSettings()
    service = Service(state, settings, Page(state, page))
    app = FastAPI(title="recsys", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    add = partial(app.add_api_route, response_model=None)
    add("/recommend", service.recommend, methods=["GET"], openapi_extra={"parameters": parameters(Question)})
    add("/recommend", service.recommend_posted, methods=["POST"], openapi_extra={"requestBody": BODY})
    add("/similar", service.similar, methods=["GET"], openapi_extra={"parameters": parameters(Likeness)})
    add("/version", service.version, methods=["GET"])
    add("/health", service.health, methods=["GET"])
    add("/health", service.health, methods=["HEAD"], include_in_schema=False)
    add("/metrics", service.metrics, methods=["GET"])
    add("/", service.page, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(HTTPException, _not_here)
    app.add_middleware(Guard, settings=settings, meters=service.meters)
    return app


class Service:
    """The routes. Each request takes the live reference once, and is answered from it to its end."""

    def __init__(self, state: Serving, settings: ServeSettings, page: Page) -> None:
        self.state, self.settings, self._page = state, settings, page
        self.meters = Meters(state)
        self._threads = CapacityLimiter(AT_ONCE)

    async def recommend(self, request: Request) -> Response:
        """A list for ?user=ID, or for a new user with ?history=ITEM&history=ITEM, oldest first."""
        return await self._recommended(question_of(pairs_of(request.scope["query_string"])))

    async def recommend_posted(self, request: Request) -> Response:
        """As GET, with a body such as {"history": ["50", "172"], "k": 10}."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise RequestError(415, "Content-Type", f"is {kind[:100]!r}", "send application/json")
        if request.query_params:
            raise RequestError(422, "query", "is not read beside a body", "put everything into the body")
        return await self._recommended(question_in(await request.body()))

    async def similar(self, request: Request) -> Response:
        """The items most like ?item=ID."""
        live, asked = self.state.live, likeness_of(pairs_of(request.scope["query_string"]))
        self._check_length(asked)
        item = live.bundle.find_item(asked.item)
        if item < 0:
            raise RequestError(
                404, "item", f"no item {asked.item!r} in this model", "ask for one that it was trained on"
            )
        try:
            long = len(live.bundle.items) > MANY or live.bundle.pace > LONG
            answer = await self._made(long, lambda: answers.like(live.bundle, item, asked.k, live.allowed))
        except ExpectedError as error:
            raise RequestError(404, error.place, error.message, error.remedy) from error
        return self._told(live, answer, {"item": live.bundle.item_ids[item]}, "similar")

    async def health(self, request: Request) -> Response:
        """200 where lists are served, 503 before; troubles that keep something newer from being served."""
        state = self.state
        found: dict[str, Any] = {"live": True, "ready": state.ready}
        if state.ready:
            found["version"] = state.live.version
        found["troubles"] = sorted(state.troubles)
        if brings(self.settings.secret, dict(request.scope["headers"])):
            found["troubles"] = [
                {"what": t.what, "version": t.version, "since": t.since, **t.error} for t in state.troubles.values()
            ]
        return _json(found, 200 if state.ready else 503)

    async def version(self) -> Response:
        """What is served: version, facts, family, counts, and how good the index is."""
        live = self.state.live
        found = {
            "version": live.version,
            "since": live.since,
            "digest": live.bundle.digest,
            **live.bundle.about.shown(),
            "quality": [one.as_json() for one in live.bundle.index.quality] if live.bundle.index else None,
            "allowed": None if live.allowed is None else len(live.allowed.positions),
        }
        return _json(found)

    async def metrics(self) -> Response:
        """For Prometheus."""
        return Response(self.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def page(self) -> Response:
        """For people."""
        return HTMLResponse(self._page.html())

    async def _recommended(self, asked: Question) -> Response:
        live = self.state.live
        self._check_length(asked)
        if (asked.user is None) == (asked.history is None):
            message = "neither a user nor a history" if asked.user is None else "both a user and a history"
            raise RequestError(
                422, "request", message, "ask for one: user=ID, or history=ITEM as often as there are items"
            )
        bundle, k, allowed = live.bundle, asked.k, live.allowed
        long = bundle.index is None and bundle.pace > LONG
        if asked.history is not None:
            known, unknown = self._history(live, asked)
            answer = await self._made(long, lambda: answers.for_history(bundle, known, k, allowed))
            return self._told(live, answer, {"ignored": unknown} if asked.skip_unknown else {})
        assert asked.user is not None
        user = bundle.find_user(asked.user)
        if user < 0:
            return self._told(live, answers.for_nobody(bundle, k, allowed), {"user": asked.user, "known": False})
        answer = await self._made(long, lambda: answers.for_user(bundle, user, k, allowed))
        return self._told(live, answer, {"user": _plain(bundle.users.ids[user]), "known": True})

    def _history(self, live: Live, asked: Question) -> tuple[IntArray, list[str]]:
        history = asked.history or ()
        if len(history) > self.settings.longest:
            message = f"{len(history):,} items are more than {self.settings.longest:,}"
            raise RequestError(422, "history", message, "send the newest ones")
        found = [live.bundle.find_item(item) for item in history]
        unknown = [item for item, place in zip(history, found, strict=True) if place < 0]
        if unknown and not asked.skip_unknown:
            named = ", ".join(repr(item) for item in unknown[:5]) + (" …" if len(unknown) > 5 else "")
            message = f"{len(unknown)} of {len(history)} items are not in this model: {named[:500]}"
            raise RequestError(422, "history", message, "leave them out, or send skip_unknown=true")
        return np.array([place for place in found if place >= 0], dtype=np.int64), unknown

    def _check_length(self, asked: Question | Likeness) -> None:
        if asked.k > self.settings.most:
            raise RequestError(
                422, "k", f"{asked.k} is more than {self.settings.most}", f"ask for {self.settings.most}"
            )

    async def _made(self, long: bool, make: Callable[[], Answer]) -> Answer:
        """Short work is done at once, which is soonest; long work in a thread."""
        return await to_thread.run_sync(make, limiter=self._threads) if long else make()

    def _told(self, live: Live, answer: Answer, more: dict[str, Any], name: str = "recommendations") -> Response:
        self.meters.lists.labels(answer.source).inc()
        about = {"name": live.bundle.facts.name, "version": live.version, **more, "source": answer.source}
        return _json({**about, name: answer.lines(live.bundle)})


BODY = {"required": True, "content": {"application/json": {"schema": Question.model_json_schema()}}}


def _json(found: dict[str, Any], status: int = 200) -> Response:
    text = json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), status, media_type="application/json")


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    headers = {"connection": "close"} if error.status == 413 else None
    return Response(error.body, error.status, headers, media_type="application/json")


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    place = f"{request.method} {request.url.path[:100]}"
    remedy = "GET /openapi.json tells what there is"
    body = error_body(place, HTTPStatus(error.status_code).phrase.lower(), remedy)
    return Response(body, error.status_code, error.headers, media_type="application/json")
