"""What the mall replaces in PynamoDB and botocore: how answers are read, and how models find their attributes.

Each is justified by its figure, and tests hold that the results are the libraries' own (tests/unit/test_models.py,
tests/integration/test_store.py). `base` imports this before there is a model.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pynamodb.attributes
import pynamodb.indexes
import pynamodb.models
from botocore.parsers import JSONParser, ResponseParserFactory


class _Answers(JSONParser):  # type: ignore[misc]  # botocore is untyped
    """Reads DynamoDB's answers as the JSON they are: each value says its own type.

    botocore walks over the shapes it expects, which takes a fifth of the CPU of a query of twenty items. Errors are
    left to it. What is binary comes as bytes: only an answer with something that looks so is walked over.
    """

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        if response["status_code"] >= 300:
            return super().parse(response, shape)  # type: ignore[no-any-return]
        body = response["body"]
        answer: dict[str, Any] = msgspec.json.decode(body)
        if b'"B":"' in body:
            answer = with_binaries(answer)
        answer["ResponseMetadata"] = {"HTTPStatusCode": response["status_code"], "HTTPHeaders": response["headers"]}
        return answer


def with_binaries(value: Any) -> Any:
    """The same with each `{"B": base64}` as bytes. An attribute that is called B has a dict there, never a text."""
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(text := value.get("B"), str):
            return {"B": base64.b64decode(text)}
        return {name: with_binaries(each) for name, each in value.items()}
    return [with_binaries(each) for each in value] if isinstance(value, list) else value


class _Parsers(ResponseParserFactory):  # type: ignore[misc]
    """Give botocore the parser above."""

    def create_parser(self, _protocol: str) -> _Answers:
        return ANSWERS


#: The one parser, which keeps nothing.
ANSWERS = _Answers()
#: For a botocore session, as its component "response_parser_factory".
PARSERS: ResponseParserFactory = _Parsers()


def _members(cls: type, wanted: Callable[[Any], bool]) -> list[tuple[str, Any]]:
    """Find what inspect.getmembers finds in a class and its bases, in a fraction of the time.

    PynamoDB's own bases have neither attributes nor indexes.
    """
    bases = (base for base in reversed(cls.__mro__) if not base.__module__.startswith(("pynamodb.", "builtins")))
    found = {name: value for base in bases for name, value in vars(base).items()}
    return sorted(((name, value) for name, value in found.items() if wanted(value)), key=lambda pair: pair[0])


for _module in (pynamodb.attributes, pynamodb.indexes, pynamodb.models):
    # PynamoDB asks each of 80 classes for all it has inherited: 8 ms of every cold start. Private, held by a test.
    setattr(_module, "getmembers", _members)  # noqa: B010 - it is not told to mypy
