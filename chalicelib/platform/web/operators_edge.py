"""The operators' function: API Gateway knows one greedy resource, and here it becomes the declared endpoint."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from chalice.app import Request

from chalicelib.core.errors import MallError
from chalicelib.platform.web import edge, problems
from chalicelib.platform.web.endpoint import CALLBACK, Call, Endpoint, Reply
from chalicelib.platform.web.paths import OPERATORS, Router, is_operators


class OperatorsEdge:
    """Answers what API Gateway hands on of the operators' resources, whatever the method."""

    def __init__(self, guard: edge.GuardFactory, endpoints: Iterable[Endpoint]) -> None:
        """Serve those of these endpoints that are the operators'. Raises ValueError for one that is declared twice."""
        self._guard = guard
        self._methods = edge.by_path(endpoint for endpoint in endpoints if is_operators(endpoint.path))
        self._router = Router(self._methods)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer one request. An unknown path is `not_found`, another method `method_not_allowed`, before all else."""
        found = self._router.find(event["path"])
        request = Request(event, context)
        if found is None:
            return self._answer(_refusing(MallError("not_found")), request, {})
        template, values = found
        methods = self._methods[template]
        if request.method not in methods:
            refusing = _refusing(MallError("method_not_allowed"), Allow=", ".join(sorted(methods)))
            return self._answer(refusing, request, {})
        return self._answer(methods[request.method], request, values or {})

    def _answer(self, endpoint: Endpoint, request: Request, path: dict[str, str]) -> dict[str, Any]:
        return edge.answer(endpoint, request, path, self._guard).to_dict([])

    @property
    def served(self) -> dict[str, dict[str, Endpoint]]:
        """What is served, by path and method."""
        return self._methods


def _refusing(error: MallError, **headers: str) -> Endpoint:
    """An endpoint that answers this refusal to everybody, so that it has the log, the id and the headers of all.

    As for a callback, nobody here knows what the query should hold.
    """

    def refuse(call: Call) -> Reply:
        body = problems.render(error, call.language, call.request_id, {})
        return Reply(body, status=error.status, content_type=problems.CONTENT_TYPE, headers=headers)

    return Endpoint(
        method="ANY", path=OPERATORS[0], audience=CALLBACK, permission="", handler=refuse, status=error.status,
        idempotent=False, errors=(), cache_seconds=None, media=problems.CONTENT_TYPE, takes="", body_max=sys.maxsize,
        per_minute=None, fields_of=__name__,
    )  # fmt: skip
