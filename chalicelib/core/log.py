"""Structured logs: one JSON object a line, with the request's id, and without anybody's secrets or a member's id."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import msgspec

from chalicelib.core import clock, ids

#: Id of the request, job or event being handled; goes into every line and every error answer.
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")

#: What the lines of this request are about, beside its id.
_about: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar("about", default=None)

#: Names whose values are never written, wherever they turn up.
_SECRET_NAMES = (
    "token", "secret", "password", "authorization", "session_key", "phone", "openid", "signature", "code",
    "paysign", "key", "name", "detail", "address",
)  # fmt: skip

#: A member's id (ids.py), wherever it stands: in the key of a job, in a path.
_MEMBER = re.compile(r"(?<![a-z0-9])m[a-z2-7]{24}(?![a-z0-9])")

_logger = logging.getLogger("yutang")


@contextlib.contextmanager
def request(number: str) -> Iterator[None]:
    """Give every line inside this id, and what `about` says."""
    marker, before = request_id.set(number), _about.set({})
    try:
        yield
    finally:
        request_id.reset(marker)
        _about.reset(before)


def about(**fields: str) -> None:
    """Say this too in the following lines of this request: ids; of operators the address."""
    known = _about.get()
    if known is not None:
        known.update(fields)


def without_members(text: str) -> str:
    """Put a digest in the place of each member's id: the one that the calls of that member have as their `caller`."""
    return _MEMBER.sub(lambda found: f"member:{ids.digest(found.group().encode())[:12]}", text)


def info(event: str, **fields: Any) -> None:
    """Log something worth knowing."""
    _write(logging.INFO, event, fields)


def warning(event: str, **fields: Any) -> None:
    """Log that something outside is wrong, and that the mall copes."""
    _write(logging.WARNING, event, fields)


def error(event: str, error: BaseException | None = None, **fields: Any) -> None:
    """Log something that needs a person. The traceback is written without the values of the exception's message."""
    if error is not None:
        fields["error_type"] = type(error).__name__
        fields["trace"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)][-8:]
    _write(logging.ERROR, event, fields)


def _write(level: int, event: str, fields: dict[str, Any]) -> None:
    line = {
        "at": clock.stamp(clock.now()),
        "level": logging.getLevelName(level).lower(),
        "event": event,
        "request_id": request_id.get(),
        **(_about.get() or {}),
    }
    line.update((name, "***" if name in _SECRET_NAMES else value) for name, value in fields.items())
    if not _logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(message)s"))
        _logger.addHandler(handler)
        _logger.setLevel(logging.INFO)
        _logger.propagate = False
    _logger.log(level, without_members(msgspec.json.encode(line).decode()))
