"""The mall's doors without what is behind them: each handler only says that it ran."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from chalice.app import Chalice
from werkzeug.test import Client as WsgiClient

from chalicelib.core import clock
from chalicelib.mall.operators.access.guard import OperatorGuard
from chalicelib.platform.web import edge
from chalicelib.platform.web.endpoint import ENDPOINTS, Endpoint, Reply
from chalicelib.platform.web.operators_edge import OperatorsEdge
from chalicelib.platform.web.paths import is_operators
from local.serve import gateway


class SpiedMall:
    """The mall's routes, guard and edge, with handlers that only say that they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.operators: dict[str, str] = {}
        self.member = ""
        self._client: WsgiClient | None = None

    def open(self) -> None:
        """Serve every endpoint that there is."""

        app = Chalice(app_name="audiences", configure_logs=False)
        spied = [self.spy(endpoint) for endpoint in ENDPOINTS]
        edge.register(app, OperatorGuard, [endpoint for endpoint in spied if not is_operators(endpoint.path)])
        self._client = WsgiClient(gateway(app, OperatorsEdge(OperatorGuard, spied)))

    def spy(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint with another handler."""

        def handler(**_: Any) -> Reply:
            self.ran.append(f"{endpoint.method} {endpoint.path}")
            return Reply(b"{}")

        handler.__name__ = endpoint.handler.__name__  # by which calls are counted
        return msgspec.structs.replace(endpoint, handler=handler)

    def call(self, route: str, authorization: str | None) -> tuple[int, str, bool]:
        """Status, code (if refused), and whether the handler ran."""
        method, path = route.split(" ")
        while "{" in path:
            path = path.replace(path[path.index("{") : path.index("}") + 1], "x1")
        headers = {"Idempotency-Key": "k1"} | ({"Authorization": authorization} if authorization else {})
        self.ran.clear()
        assert self._client is not None
        answer = self._client.open(path, method=method, headers=headers)
        code = answer.get_json()["code"] if answer.status_code >= 400 else ""
        assert set(self.ran) <= {route}
        return answer.status_code, code, bool(self.ran)


def in_an_hour() -> datetime:
    """An hour from now."""
    return clock.now() + timedelta(hours=1)
