"""Posts to the server of a vendor of SMS: the connection kept alive, time-outs always, no redirects, failures told
apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import requests

from chalicelib.core.settings import settings
from chalicelib.core.trace import segment
from chalicelib.gateways import connections
from chalicelib.gateways.sms.errors import SmsError


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
            response = connections.session(base_url).send(request, timeout=limits, allow_redirects=False)
    except requests.RequestException as error:
        code, unknown = connections.failure(error)  # the library's texts carry the whole address
        raise SmsError(code, retryable=not unknown, outcome_unknown=unknown) from None
    if response.status_code >= 500:
        raise SmsError(f"http_{response.status_code}", http=response.status_code, outcome_unknown=True)
    return Reply(response.status_code, response.content)
