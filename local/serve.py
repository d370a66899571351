"""The API of a local mall: the Chalice application behind local/gateway.py, served by waitress.

    python -m local.serve --port 8000 --clock .local/clock

Threads stand for Lambda's instances: each answers one request at a time.
"""

from __future__ import annotations

import argparse
import importlib
import uuid
from pathlib import Path
from typing import Any

import waitress
from chalice.app import Chalice
from chalice.local import LocalChalice
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.platform.web import problems
from chalicelib.platform.web.paths import OPERATORS
from local.calls import record_if_asked
from local.clock import LocalClock
from local.gateway import Gateway, Lambda, status_line
from local.processes import HOST, ROOM

_THREADS = 16
#: Up to here a body is read and then refused in the gateway's form; above it the connection is cut short.
_BODY_BYTES_MAX = 64 * 1024 * 1024


class _ProblemTask(ErrorTask):  # type: ignore[misc]  # waitress is untyped
    """What waitress refuses by itself (no HTTP, headers or bodies without end), in the form of all our errors."""

    def execute(self) -> None:
        code = {413: "too_large", 431: "too_large", 500: "internal"}.get(self.request.error.code, "malformed")
        error = MallError(code)
        body = problems.render(error, "zh", str(uuid.uuid4()), {})
        self.status = status_line(error.status)
        self.response_headers.append(("Content-Type", problems.CONTENT_TYPE))
        self.content_length = len(body)
        self.set_close_on_finish()
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    error_task_class = _ProblemTask


def gateway(app: Chalice, operators: Lambda | None = None) -> Gateway:
    """The WSGI application for a Chalice application, and for the operators' function where there is one.

    Chalice keeps the current request on the application; as in its own local server that becomes one per thread.
    """
    if not isinstance(app, LocalChalice):
        app.__class__ = type("LocalApp", (LocalChalice, type(app)), {})
    return Gateway(app, app.routes, dict.fromkeys(OPERATORS, operators) if operators else None)


def server(wsgi: Gateway, port: int) -> Any:
    """A waitress server for the application, listening; `run()` serves."""
    listening = waitress.create_server(
        wsgi, host=HOST, port=port, threads=_THREADS, ident=None, max_request_body_size=_BODY_BYTES_MAX, **ROOM
    )
    listening.channel_class = _Channel
    return listening


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="python -m local.serve", description="The API of a local mall.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clock", type=Path, required=True, help="file of the mall's clock")
    arguments = parser.parse_args()
    record_if_asked()
    clock.use(LocalClock(arguments.clock))
    mall = importlib.import_module("app")  # only now: it may read the clock as it is imported
    server(gateway(mall.app, mall.operators), arguments.port).run()


if __name__ == "__main__":
    main()
