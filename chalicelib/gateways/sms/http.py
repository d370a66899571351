"""Posts to the server of a vendor of SMS: the connection kept alive, time-outs always, no redirects, failures told
apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import requests
from urllib3.exceptions import NewConnectionError

from chalicelib.core import clock
from chalicelib.core.settings import settings
from chalicelib.core.trace import segment
from chalicelib.gateways.sms.errors import SmsError

#: A connection unused for longer is not trusted: a gateway on the way may have forgotten it while Lambda slept.
_IDLE_SECONDS = 50

_sessions: dict[str, tuple[requests.Session, int]] = {}


class Reply(NamedTuple):
    """A reply that says what became of the call."""

    status: int
    body: bytes


def post(base_url: str, query: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """Post once to the server at `base_url`; `query` as it goes over the wire, "" none.

    Raises SmsError when no reply came, or one of a server that is broken: `outcome_unknown` unless nothing was sent.
    """
    url = f"{base_url}/?{query}" if query else f"{base_url}/"
    limits = (settings().sms_connect_seconds, settings().sms_read_seconds)
    try:
        with segment("SMS"):  # without the address, in which a phone stands
            request = requests.Request("POST", url, data=body, headers={"User-Agent": "yutang", **headers}).prepare()
            response = _session(base_url).send(request, timeout=limits, allow_redirects=False)
    except requests.RequestException as error:
        raise _failure(error) from None  # the library's texts carry the whole address
    if response.status_code >= 500:
        raise SmsError(f"http_{response.status_code}", http=response.status_code, outcome_unknown=True)
    return Reply(response.status_code, response.content)


def _session(base_url: str) -> requests.Session:
    now = clock.unix()
    session, used_at = _sessions.get(base_url, (None, 0))
    if session is None or now - used_at > _IDLE_SECONDS:
        session = requests.Session()
        session.trust_env = False  # neither proxies nor .netrc of the machine
    _sessions[base_url] = (session, now)
    return session


def _failure(error: requests.RequestException) -> SmsError:
    if isinstance(error, requests.ConnectTimeout):
        return SmsError("connect_timeout", retryable=True)
    if isinstance(getattr(next(iter(error.args), None), "reason", None), NewConnectionError):
        return SmsError("connect_failed", retryable=True)
    return SmsError(
        "read_timeout" if isinstance(error, requests.ReadTimeout) else "connection_lost", outcome_unknown=True
    )
