"""A Prefect server that ends with its parent: `python -m flows.server DESCRIPTOR` serves on an open socket.

Private to one run unless RECSYS_SERVER_FULL is set: then with all services, schedules among them, and the UI.
"""

from __future__ import annotations

import gc
import os
import socket
import sys

from recsys.processes import end_with_parent


def main() -> None:
    """Serve Prefect's API on the inherited socket until the parent's pipe closes or TERM comes."""
    end_with_parent()
    gc.disable()  # imports make a million objects that stay: looking through them costs a second
    import uvicorn
    from prefect.server.api import collections
    from prefect.server.api.server import create_app

    # Its own copy of these lists serves as well, and a server on loopback asks nobody else.
    collections.KNOWN_VIEWS.update(dict.fromkeys(collections.KNOWN_VIEWS, "http://127.0.0.1:9/"))
    listener = socket.socket(fileno=int(sys.argv[1]))
    app = create_app(ephemeral="RECSYS_SERVER_FULL" not in os.environ, final=True)
    gc.freeze()
    gc.enable()
    config = uvicorn.Config(app, log_level="warning", lifespan="on", access_log=False, timeout_graceful_shutdown=3)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
