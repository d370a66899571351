"""Sends requests to WeChat: connections kept alive, time-outs always, no redirects, failures told apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import requests

from chalicelib.core.settings import settings
from chalicelib.core.trace import segment
from chalicelib.gateways import connections
from chalicelib.gateways.wechat.errors import WechatError

_PIECE_BYTES = 65536


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
            yield connections.session(base_url).send(request, timeout=limits, allow_redirects=False, stream=stream)
    except requests.RequestException as error:
        code, unknown = connections.failure(error)  # the library's texts carry the whole address, and so the AppSecret
        raise WechatError(code, retryable=True, outcome_unknown=unknown) from None
