"""An endpoint that only a test declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.platform.web.endpoint import BODY_MAX, PUBLIC, Endpoint


def endpoint_of(route: str, handler: Callable[..., Any]) -> Endpoint:
    """Everybody's endpoint of this route ("GET /path"), with nothing else said of it; ENDPOINTS does not know it."""
    method, path = route.split(" ")
    return Endpoint(
        method=method, path=path, audience=PUBLIC, permission="", handler=handler, status=200,
        idempotent=False, errors=(), cache_seconds=None, media="application/json", takes="application/json",
        body_max=BODY_MAX, per_minute=None, fields_of=__name__,
    )  # fmt: skip
