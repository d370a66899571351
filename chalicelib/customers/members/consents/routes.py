"""Members: what I take back."""

from __future__ import annotations

from chalicelib.customers.members.consents import service
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint


@endpoint("DELETE /v1/me/phone", MEMBER, errors=("conflict",))
def forget_phone(call: Call) -> None:
    """Take back my phone number. Orders keep the one of their receiver."""
    service.forget_phone(call.caller)
