"""Faults at the boundary: every call that leaves this process (to DynamoDB, to WeChat) can be made to go wrong.

Injected where the store's client and requests send, so that what the libraries themselves do about it is inside the
test.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Literal
from unittest.mock import patch

import botocore.endpoint
import requests
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from requests.adapters import HTTPAdapter

from chalicelib.core import clock
from chalicelib.platform.store.connections import Session

Mode = Literal[
    "crash_before", "crash_after", "answer_lost", "refused", "conflict", "broken",
    "throttled", "throttled_inside", "over_capacity", "left_over", "half_told",
]  # fmt: skip

#: At one call: the process dies before or after it, or it is done and its answer is lost.
POINTS: tuple[Mode, ...] = ("crash_before", "crash_after", "answer_lost")
#: At every second send, so that each call fails and its repetition succeeds: it never arrives; DynamoDB refuses it
#: because of another transaction, or throttles it.
WEATHER: tuple[Mode, ...] = ("refused", "conflict")

#: What a storm does: a lost answer, no connection, an internal error; a conflict with another transaction; a throttle
#: of the call, or of one item of a transaction; part of what was asked for; part of the reasons why not.
STORM: tuple[Mode, ...] = (
    "answer_lost", "refused", "broken", "conflict", "throttled", "throttled_inside", "over_capacity", "left_over",
    "half_told",
)  # fmt: skip

_READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan"})


def every_call(_: str) -> bool:
    """Count every call."""
    return True


def may_change(name: str) -> bool:
    """Count what may change something outside, and whatever WeChat is asked.

    A process that dies at a read of DynamoDB leaves what it left at the write before it; and a read whose answer is
    lost is sent again by the client, as one that never arrives, which WEATHER does to every one of them.
    """
    return name not in _READS


class Crash(BaseException):
    """The process is dead from here on."""


class Outside:
    """Counts the calls that leave, and spoils the k-th of them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._at: int | None = None
        self._mode: Mode | None = None
        self._counts: Callable[[str], bool] = every_call
        self._counted = 0
        self._dead = False
        self.struck = False
        self._storm: tuple[float, random.Random] | None = None
        #: How many calls a storm has spoilt.
        self.stormed = 0

    def storm(self, share: float, chance: random.Random) -> None:
        """Spoil that share of all calls to DynamoDB from now on, in whatever way comes up; WeChat has a good day."""
        self.disarm()
        self._storm, self.stormed = (share, chance), 0

    def arm(self, at: int | None, mode: Mode | None, counts: Callable[[str], bool] = every_call) -> None:
        """Spoil call number `at` (from 1) of those that count, or every second send in a mode of WEATHER; no mode:
        only count."""
        self.calls, self._at, self._mode, self._dead, self.struck = [], at, mode, False, False
        self._counts, self._counted, self._storm = counts, 0, None

    def _strikes(self, name: str) -> bool:
        if self._mode in WEATHER:
            # WeChat knows no such answer as "conflict".
            return len(self.calls) % 2 == 1 and not (self._mode == "conflict" and " " in name)
        if not self._counts(name):
            return False
        self._counted += 1
        return self._at == self._counted

    def disarm(self) -> None:
        """From here on nothing goes wrong, and a dead process is started again."""
        self.arm(None, None)

    def pass_through(self, name: str, send: Callable[[], Any], spoil: Callable[[Mode, Callable[[], Any]], Any]) -> Any:
        """One call that leaves."""
        if self._dead:
            raise Crash
        if self._storm is not None:
            share, chance = self._storm
            if " " in name or chance.random() >= share:
                return send()
            self.stormed += 1
            return spoil(chance.choice(STORM), send)
        self.calls.append(name)
        if self._mode is None or not self._strikes(name):
            return send()
        self.struck = True
        if self._mode == "crash_before":
            self._dead = True
            raise Crash
        if self._mode == "crash_after":
            send()
            self._dead = True
            raise Crash
        return spoil(self._mode, send)


def _spoil_dynamodb(request: Any) -> Callable[[Mode, Callable[[], Any]], Any]:
    def spoil(mode: Mode, send: Callable[[], Any]) -> Any:
        if mode == "answer_lost":
            send()
            raise ReadTimeoutError(endpoint_url=request.url)
        if mode == "refused":
            raise ConnectionClosedError(endpoint_url=request.url)
        if mode == "broken":
            return _response(request.url, 500, _error("InternalServerError"))
        operation = _operation(request)
        asked = json.loads(request.body)
        if operation == "BatchGetItem" and mode == "left_over":
            return _response(request.url, 200, _left_over(asked["RequestItems"], json.loads(send().content)))
        if operation == "TransactWriteItems" and mode == "half_told":
            return _half_told(request.url, send())
        if operation == "TransactWriteItems" and mode in _REASONS:
            codes = ["None"] * (len(asked["TransactItems"]) - 1) + [_REASONS[mode]]
            reasons = {"CancellationReasons": [{"Code": code} for code in codes]}
            return _response(request.url, 400, _error("TransactionCanceledException") | reasons)
        code = "ProvisionedThroughputExceededException" if mode == "over_capacity" else "ThrottlingException"
        return _response(request.url, 400, _error(code))

    return spoil


#: Why DynamoDB cancels a transaction although all conditions hold. Source: its API reference, TransactWriteItems.
_REASONS: dict[Mode, str] = {
    "conflict": "TransactionConflict",
    "throttled_inside": "ThrottlingError",
    "over_capacity": "ProvisionedThroughputExceeded",
}


def _left_over(asked: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without every other key of each table, which is left over."""
    for table, part in asked.items():
        left = part["Keys"][::2]
        answer["UnprocessedKeys"][table] = part | {"Keys": left}
        answer["Responses"][table] = [
            item for item in answer["Responses"].get(table, []) if not any(key.items() <= item.items() for key in left)
        ]
    return answer


def _half_told(url: str, told: Any) -> Any:
    """The answer as it is; but of several conditions that did not hold the first was not looked at: a conflict."""
    answer = json.loads(told.content)
    reasons = answer.get("CancellationReasons", [])
    failed = [reason for reason in reasons if reason["Code"] == "ConditionalCheckFailed"]
    if len(failed) < 2:
        return told
    failed[0]["Code"] = "TransactionConflict"
    return _response(url, told.status_code, answer)


def _error(code: str) -> dict[str, Any]:
    return {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "injected"}


def _response(url: str, status: int, body: dict[str, Any]) -> AWSResponse:
    class Raw:
        def stream(self, *_: object, **__: object) -> Iterator[bytes]:
            yield json.dumps(body).encode()

    return AWSResponse(url, status, {"content-type": "application/x-amz-json-1.0"}, Raw())


def _spoil_http(mode: Mode, send: Callable[[], Any]) -> Any:
    if mode == "answer_lost":
        send()
        raise requests.ReadTimeout("injected")
    raise requests.ConnectionError("injected")


def _operation(request: Any) -> str:
    """What DynamoDB is asked to do, by this request of the store's own or of botocore's."""
    target = HeadersDict(request.headers)["X-Amz-Target"]
    return (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]


@contextlib.contextmanager
def boundary(ignore: Callable[[str], bool] = lambda _: False) -> Iterator[Outside]:
    """Every call of this process goes through an Outside, except those to addresses that `ignore` names.

    Each time that DynamoDB is sent something counts, whoever sends it again.
    """
    outside = Outside()
    aws_send, http_send = Session.send, HTTPAdapter.send

    def send_aws(self: Any, request: Any) -> Any:
        return outside.pass_through(_operation(request), lambda: aws_send(self, request), _spoil_dynamodb(request))

    def send_http(self: Any, request: Any, **options: Any) -> Any:
        if ignore(request.url):
            return http_send(self, request, **options)
        name = f"{request.method} {request.path_url.partition('?')[0]}"
        return outside.pass_through(name, lambda: http_send(self, request, **options), _spoil_http)

    with (
        patch.object(Session, "send", send_aws),
        patch.object(HTTPAdapter, "send", send_http),
        # What is waited before a repetition is not what is tested here, and would be most of the sweep's time.
        patch.object(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None)),
        patch.object(clock, "sleep", lambda _: None),
    ):
        yield outside
