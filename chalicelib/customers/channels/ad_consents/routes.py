"""Channels: whether ad platforms may be told of me."""

from __future__ import annotations

from chalicelib.customers.channels.ad_consents import service
from chalicelib.customers.members.inputs import ConsentInput
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint


@endpoint("PUT /v1/me/consents/ads", MEMBER, errors=("conflict",), per_minute=30)
def agree(call: Call, body: ConsentInput) -> None:
    """Agree that the company whose advertisement I came by is told that I joined, and what my orders cost: nothing else
    of me. Without it, it is told nothing."""
    service.agree(call.caller, body.version)


@endpoint("DELETE /v1/me/consents/ads", MEMBER, errors=("conflict",), per_minute=30)
def take_back(call: Call) -> None:
    """Take that back: from now on nothing is told."""
    service.take_back(call.caller)
