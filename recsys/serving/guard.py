"""The outermost layer: who may ask, how much, how long; every answer with its headers, no failure with a trace."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recsys.serving.limits import Buckets
from recsys.serving.meters import Meters
from recsys.serving.settings import ServeSettings

log = logging.getLogger(__name__)

ROUTES = frozenset({"/", "/recommend", "/similar", "/health", "/metrics", "/version", "/openapi.json"})
OPEN = frozenset({"/health"})
LOCAL = ("localhost", "127.0.0.1", "[::1]")
# A page of ours may style itself and send its form here; it runs no script and loads nothing.
POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class RequestError(Exception):
    """A request that is answered with an error of status 4xx or 500. reason: for /metrics, short."""

    def __init__(
        self, status: int, place: str, message: str, remedy: str | None, *, reason: str = "", wait: float | None = None
    ) -> None:
        super().__init__(status, place, message)
        self.status, self.reason, self.wait = status, reason, wait
        self.body = error_body(place, message, remedy)


def error_body(place: str, message: str, remedy: str | None) -> bytes:
    """The JSON of an error, as the commands print it; half a letter, which is no UTF-8, as JSON escapes it."""
    error = {"place": place, "message": message, "remedy": remedy}
    return json.dumps({"error": error}, ensure_ascii=False).encode(errors="backslashreplace")


@dataclass
class _Course:
    """How far the answer to one request has come."""

    status: int = 0


class Guard:
    """Wraps the application.

    In this order: 421 for a host that is not ours, 401 without the key, 429 over the rate, 413 over the size, then the
    application; 408 where it is not done in time, 500 where it fails. A client that goes is counted, no more. Only
    /health answers without the key.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, meters: Meters) -> None:
        self.app, self.settings, self.meters = app, settings, meters
        self.buckets = Buckets(settings.rate, settings.burst)
        self.key = settings.secret
        self.hosts = {*LOCAL, *(host.strip().lower() for host in settings.hosts.split(",") if host.strip())}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        route = scope["path"] if scope["path"] in ROUTES else "other"
        course, began = _Course(), time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                course.status = message["status"]
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        self.meters.running.inc()
        try:
            await self._answered(scope, receive, answer, route, course)
        finally:
            self.meters.running.dec()
            self.meters.requests.labels(route, str(course.status)).inc()
            self.meters.seconds.labels(route).observe(time.perf_counter() - began)

    async def _answered(self, scope: Scope, receive: Receive, send: Send, route: str, course: _Course) -> None:
        try:
            headers = _single(scope)
            self._check_client(scope, headers, route)
            async with asyncio.timeout(self.settings.patience):
                await self.app(scope, self._bounded(receive, headers), send)
        except RequestError as refusal:
            self.meters.refused.labels(refusal.reason).inc()
            await _send(send, refusal, course)
        except TimeoutError:
            self.meters.refused.labels("slow").inc()
            message = f"took longer than {self.settings.patience:g} seconds"
            await _send(send, RequestError(408, "request", message, "send it in one go, or ask for less"), course)
        except ClientDisconnect:  # nobody is there to be answered, and the log is not for strangers to fill
            self.meters.refused.labels("gone").inc()
        except Exception:
            log.exception("a request to %s failed", route)
            await _send(send, RequestError(500, "server", "something failed here", "its log says what"), course)

    def _check_client(self, scope: Scope, headers: dict[bytes, bytes], route: str) -> None:
        if self.key is None:
            host = headers.get(b"host", b"").decode("latin-1").lower()
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            if name not in self.hosts:
                remedy = "ask for 127.0.0.1, or name the host in RECSYS_SERVE_HOSTS"
                raise RequestError(421, "Host", f"{host[:100]!r} is not served here", remedy, reason="host")
        if route not in OPEN and not brings(self.key, headers):
            remedy = "send the header Authorization: Bearer KEY"
            raise RequestError(401, "Authorization", "the key is missing or wrong", remedy, reason="key")
        client = scope["client"][0] if scope.get("client") else ""
        wait = self.buckets.wait(client)
        if wait and route not in OPEN:
            message = f"more than {self.settings.rate:g} requests a second from {client}"
            remedy = f"wait {wait:.2g} seconds; RECSYS_SERVE_RATE sets the limit"
            raise RequestError(429, "request", message, remedy, reason="rate", wait=wait)

    def _bounded(self, receive: Receive, headers: dict[bytes, bytes]) -> Receive:
        limit, seen = self.settings.body, 0
        too_large = RequestError(
            413, "body", f"is larger than {limit:,} bytes", "send a shorter history", reason="size"
        )
        if int(headers.get(b"content-length", b"0") or 0) > limit:
            raise too_large

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise too_large
            return message

        return bounded


def brings(key: bytes | None, headers: dict[bytes, bytes]) -> bool:
    """Whether a request brings the key, where there is one; found out in a time that tells nothing of the key."""
    if key is None:
        return True
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    return hmac.compare_digest(given.strip(), key) and scheme.lower() == b"bearer"


def _single(scope: Scope) -> dict[bytes, bytes]:
    """The headers by name. Raises RequestError where one that decides something comes twice, or two
    that exclude each other."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in found and name in (b"host", b"authorization", b"content-length", b"content-type"):
            raise RequestError(400, name.decode("latin-1"), "is there twice", "send it once", reason="header")
        found[name] = value
    if b"content-length" in found and b"transfer-encoding" in found:
        # Whoever stands in front may have read the one where we read the other: RFC 9112, section 6.1.
        message = "stands beside Transfer-Encoding"
        raise RequestError(400, "content-length", message, "send one of them", reason="header")
    return found


async def _send(send: Send, refusal: RequestError, course: _Course) -> None:
    if course.status:
        # The answer has begun: all that is left is to end the connection.
        raise ConnectionAbortedError
    headers: list[tuple[bytes, Any]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(refusal.body)).encode()),
    ]
    if refusal.status in (400, 408, 413):
        headers.append((b"connection", b"close"))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.wait is not None:
        headers.append((b"retry-after", str(max(1, round(refusal.wait))).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body})
