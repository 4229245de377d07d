"""Run the application: on loopback or with a key, with deadlines for every connection, until it is told to stop."""

from __future__ import annotations

import gc
import ipaddress
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from recsys.errors import InputError
from recsys.serving.app import create_app
from recsys.serving.settings import ServeSettings
from recsys.serving.state import Serving

log = logging.getLogger(__name__)

PORT = 8080
# Bytes of a request line and headers.
LARGEST_HEAD = 16_384
# Seconds that answers under way are waited for at the end.
GRACE = 10
# While a newer model is opened in its thread, a request gets the interpreter after this many seconds.
SWITCH = 0.0005


def serve(
    state: Serving,
    host: str = "127.0.0.1",
    port: int = PORT,
    *,
    settings: ServeSettings | None = None,
    page: Path | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Open what is current and serve it until TERM or INT; then finish the answers under way and return.

    port 0: any free one. ready: told the address once it is served. Raises InputError where the port is taken or the
    host is not this machine alone and no key is set; ExpectedError where nothing can be opened.
    """
    settings = settings or ServeSettings()
    check_host(host, settings)
    listener = listen(host, port)
    try:
        _one_thread_a_product()
        state.start()
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH)
        server = _Server(_config(create_app(state, settings, page=page), settings))
        if ready is not None:
            server.tell = partial(ready, _address(listener))
        server.run(sockets=[listener])
    finally:
        state.stop()
        listener.close()


def check_host(host: str, settings: ServeSettings) -> None:
    """Raises InputError where others could reach this host and no key is set, or it is no host at all."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise InputError(f"host '{host}'", "is not known", "name an address of this machine") from error
    if settings.key is None and not all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found):
        message = "others can reach it, and no key is set"
        raise InputError(f"host '{host}'", message, "set RECSYS_SERVE_KEY, or serve on 127.0.0.1")


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to this address. Raises InputError where the port is taken or may not be used."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise InputError(f"port {port}", f"cannot be used ({error.strerror})", "name another with --port") from error
    return listener


class Bounded(H11Protocol):
    """A connection that is ended where a request is not in, answered and taken in time, or where there are too many."""

    patience = 10.0
    idle = 15.0
    most = 1000

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._asking, self._since = True, self.loop.time()
        self._deadline = self.loop.call_later(self.patience, self._look)
        if len(self.connections) > self.most:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if not self._asking:
            self._asking, self._since = True, self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        self._asking, self._since = False, self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Abort where the time is over; uvicorn closes idle connections itself, unless nobody takes the last answer."""
        left = self._since + (self.patience if self._asking else self.idle + self.patience) - self.loop.time()
        if left <= 0:
            self.transport.abort()
        else:
            # A request may begin at any time, so look again no later than one would be over.
            self._deadline = self.loop.call_later(min(left, self.patience), self._look)


class _Server(uvicorn.Server):
    """Ends on TERM and INT by returning, where uvicorn would raise the signal once more."""

    tell: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.tell is not None and self.started:
            self.tell()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _config(app: Any, settings: ServeSettings) -> uvicorn.Config:
    # A second more than the application has, so that it can say what took too long.
    limits = {"patience": settings.patience + 1, "idle": settings.idle, "most": settings.connections}
    return uvicorn.Config(
        app,
        http=type("Bounded", (Bounded,), limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.forwarded),
        forwarded_allow_ips=settings.forwarded or None,
        timeout_keep_alive=int(settings.idle) or 1,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=LARGEST_HEAD,
    )


def _one_thread_a_product() -> None:
    """More threads for one request would take the cores from the others."""
    import faiss
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    faiss.omp_set_num_threads(1)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"
