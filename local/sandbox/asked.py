"""What the calls under /_control have alike: how their bodies are read, how they refuse, how rows are told."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import flask
import msgspec
from msgspec import Meta

_T = TypeVar("_T")

Name = Annotated[str, Meta(min_length=1, max_length=128)]


class Denied(Exception):
    """400 for bad input, 404 for a number that nothing has, 409 for what the world's state does not allow."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def denial(denied: Denied) -> tuple[dict[str, str], int]:
    """The reply that a refusal is."""
    return {"reason": denied.reason}, denied.status


def read(shape: type[_T]) -> _T:
    """The body of the request. Raises Denied."""
    try:
        return msgspec.json.decode(flask.request.get_data(), type=shape)
    except msgspec.MsgspecError as error:
        raise Denied(400, str(error)) from None


def shown(row: sqlite3.Row) -> dict[str, Any]:
    """A row as JSON has it: instants, which are named `*_at`, in UTC."""
    return {
        name: instant(row[name]) if name.endswith("_at") and row[name] is not None else row[name]
        for name in row.keys()  # noqa: SIM118 - a Row iterates over its values
    }


def instant(unix: float) -> str:
    """The instant in UTC, to the millisecond."""
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
