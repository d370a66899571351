"""Which resource a path is, as API Gateway finds it, and which paths are the operators'.

A path's segments are compared as they were sent; a parameter's value is percent-decoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

#: Everything of the operators' is below it. API Gateway knows one resource there, and their function the endpoints.
_OPERATORS = "/v1/admin/"
#: The resources behind which the operators' function stands; the last two tell of its endpoints.
OPERATORS = (f"{_OPERATORS}{{proxy+}}", "/openapi.json", "/docs")


def is_operators(path: str) -> bool:
    """Tell whether an endpoint of this path is served by the operators' function."""
    return path.startswith(_OPERATORS) or path in OPERATORS


class Router:
    """Finds the resource of a path. Literal segments win over parameters, these over a greedy one (`{proxy+}`)."""

    def __init__(self, templates: Iterable[str]) -> None:
        """Take the paths of the resources, in any order."""
        self._literal: dict[str, str] = {}
        self._tree: dict[str, Any] = {}
        for template in templates:
            if "{" not in template:
                self._literal[template] = template
            node = self._tree
            for segment in template.split("/")[1:]:
                node = node.setdefault(_kind(segment), {})
            node[""] = (template, [name[1:-1].rstrip("+") for name in template.split("/") if name.startswith("{")])

    def find(self, path: str) -> tuple[str, dict[str, str] | None] | None:
        """Give the template of the resource and its path parameters, percent-decoded; None when there is none."""
        if len(path) > 1 and path.endswith("/"):
            path = path[:-1]
        if path in self._literal:
            return self._literal[path], None
        values: list[str] = []
        leaf = _descend(self._tree, path.split("/")[1:], 0, values)
        if leaf is None:
            return None
        template, names = leaf
        return template, dict(zip(names, map(unquote, values), strict=True)) or None


def _kind(segment: str) -> str:
    if not segment.startswith("{"):
        return segment
    return "{+}" if segment.endswith("+}") else "{}"


def _descend(node: dict[str, Any], segments: list[str], depth: int, values: list[str]) -> tuple[str, list[str]] | None:
    if depth == len(segments):
        return node.get("")
    if segments[depth] and (found := _one_by_one(node, segments, depth, values)):
        return found
    if "{+}" not in node:
        return None
    values.append("/".join(segments[depth:]))
    leaf: tuple[str, list[str]] = node["{+}"][""]
    return leaf


def _one_by_one(
    node: dict[str, Any], segments: list[str], depth: int, values: list[str]
) -> tuple[str, list[str]] | None:
    segment = segments[depth]
    literal = node.get(segment) if segment not in ("{}", "{+}") else None
    if literal is not None and (leaf := _descend(literal, segments, depth + 1, values)):
        return leaf
    if "{}" not in node:
        return None
    values.append(segment)
    leaf = _descend(node["{}"], segments, depth + 1, values)
    if leaf is None:
        values.pop()
    return leaf
