"""The operators' function: API Gateway knows one greedy resource, and here it becomes the declared endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chalice.app import Request

from chalicelib.core.errors import MallError
from chalicelib.platform.web import edge
from chalicelib.platform.web.endpoint import Endpoint
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
            return self._answer(edge.refusing(MallError("not_found"), OPERATORS[0]), request, {})
        template, values = found
        methods = self._methods[template]
        if request.method not in methods:
            return self._answer(edge.refusing_other(methods, OPERATORS[0]), request, {})
        return self._answer(methods[request.method], request, values or {})

    def _answer(self, endpoint: Endpoint, request: Request, path: dict[str, str]) -> dict[str, Any]:
        return edge.answer(endpoint, request, path, self._guard).to_dict([])

    @property
    def served(self) -> dict[str, dict[str, Endpoint]]:
        """What is served, by path and method."""
        return self._methods
