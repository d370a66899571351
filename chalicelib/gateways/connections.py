"""Connections to other people's servers: kept alive, without what the machine says of proxies; and what it means where
no reply came."""

from __future__ import annotations

import requests
from urllib3.exceptions import NewConnectionError

from chalicelib.core import clock

#: Connections unused for longer are not trusted: a gateway on the way may have forgotten them while Lambda slept.
_IDLE_SECONDS = 50

_sessions: dict[str, tuple[requests.Session, int]] = {}


def session(base_url: str) -> requests.Session:
    """Give the session that is kept for the server at `base_url`."""
    now = clock.unix()
    kept, used_at = _sessions.get(base_url, (None, 0))
    if kept is None or now - used_at > _IDLE_SECONDS:
        kept = requests.Session()
        kept.trust_env = False  # neither proxies nor .netrc of the machine
    _sessions[base_url] = (kept, now)
    return kept


def failure(error: requests.RequestException) -> tuple[str, bool]:
    """Name why no reply came, and say whether the call may have been carried out: `connect_timeout` and
    `connect_failed` (nothing was sent), `read_timeout` and `connection_lost` (it may have been)."""
    if isinstance(error, requests.ConnectTimeout):
        return "connect_timeout", False
    if isinstance(getattr(next(iter(error.args), None), "reason", None), NewConnectionError):
        return "connect_failed", False
    return "read_timeout" if isinstance(error, requests.ReadTimeout) else "connection_lost", True
