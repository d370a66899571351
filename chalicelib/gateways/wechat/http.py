"""Sends requests to WeChat: connections kept alive, time-outs always, no redirects, failures told apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import requests
from urllib3.exceptions import NewConnectionError

from chalicelib.core import clock
from chalicelib.core.settings import settings
from chalicelib.core.trace import segment
from chalicelib.gateways.wechat.errors import WechatError

#: Connections unused for longer are not trusted: a gateway on the way may have forgotten them while Lambda slept.
_IDLE_SECONDS = 50
_PIECE_BYTES = 65536

_sessions: dict[str, tuple[requests.Session, int]] = {}


class Reply(NamedTuple):
    """Any reply, whatever its status; `headers` are read without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Stream(NamedTuple):
    """A reply whose body is still to come."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


def send(base_url: str, request: requests.PreparedRequest) -> Reply:
    """Send `request`, as it is, to the service at `base_url`; never again by itself.

    Raises WechatError when no reply came: `connect_failed` and `connect_timeout` (nothing was sent), or
    `read_timeout` and `connection_lost` (it may have been carried out).
    """
    with _sent(base_url, request, stream=False) as response:
        return Reply(response.status_code, response.headers, response.content)


@contextmanager
def stream(base_url: str, request: requests.PreparedRequest) -> Iterator[Stream]:
    """The same, for a reply that is read piece by piece inside; also a piece that does not come raises."""
    with _sent(base_url, request, stream=True) as response, response:
        yield Stream(response.status_code, response.headers, response.iter_content(_PIECE_BYTES))


@contextmanager
def _sent(base_url: str, request: requests.PreparedRequest, stream: bool) -> Iterator[requests.Response]:
    limits = (settings().wechat_connect_seconds, settings().wechat_read_seconds)
    try:
        with segment("WeChat"):  # without the path, in which a number of somebody's may stand
            yield _session(base_url).send(request, timeout=limits, allow_redirects=False, stream=stream)
    except requests.RequestException as error:
        raise _failure(error) from None  # the library's texts carry the whole address, and so the AppSecret


def _session(base_url: str) -> requests.Session:
    now = clock.unix()
    session, used_at = _sessions.get(base_url, (None, 0))
    if session is None or now - used_at > _IDLE_SECONDS:
        session = requests.Session()
        session.trust_env = False  # neither proxies nor .netrc of the machine
    _sessions[base_url] = (session, now)
    return session


def _failure(error: requests.RequestException) -> WechatError:
    if isinstance(error, requests.ConnectTimeout):
        return WechatError("connect_timeout", retryable=True)
    if isinstance(getattr(next(iter(error.args), None), "reason", None), NewConnectionError):
        return WechatError("connect_failed", retryable=True)
    code = "read_timeout" if isinstance(error, requests.ReadTimeout) else "connection_lost"
    return WechatError(code, retryable=True, outcome_unknown=True)
