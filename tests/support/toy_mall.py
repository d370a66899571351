"""A mall of a few lines of WSGI: it spends two milliseconds of CPU on a call, and looks at its stock or does not.

python -m tests.support.toy_mall PORT careful|careless
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import waitress

from local.processes import HOST, ROOM

BUSY_MS = 2
#: So many more than there are does the careless one sell before it breaks.
BEYOND = 5

_lock = threading.Lock()
_stock: dict[str, int] = {}


def mall(careful: bool) -> Callable[..., Iterable[bytes]]:
    """GET /list, /product/NAME, /cart/NAME, /buy/NAME; PUT /stock/NAME?PIECES."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        end = time.thread_time() + BUSY_MS / 1000
        while time.thread_time() < end:
            pass
        what, _, name = environ["PATH_INFO"].strip("/").partition("/")
        status = "200 OK"
        if what == "stock":
            _stock[name] = int(environ["QUERY_STRING"])
        elif what == "buy":
            status = _buy(name, careful)
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]

    return serve


def _buy(name: str, careful: bool) -> str:
    with _lock:
        if careful and _stock[name] == 0:
            return "409 Conflict"
        if _stock[name] == -BEYOND:
            return "500 Internal Server Error"
        _stock[name] -= 1
    return "200 OK"


if __name__ == "__main__":
    waitress.serve(mall(sys.argv[2] == "careful"), host=HOST, port=int(sys.argv[1]), threads=16, ident=None, **ROOM)
