"""What a merchant may set, with defaults and bounds."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

PayMinutes = Annotated[int, Meta(ge=1, le=120)]
ReceiveDays = Annotated[int, Meta(ge=1, le=60)]
RefundDays = Annotated[int, Meta(ge=0, le=90)]


class OrderRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The times of an order: to pay it, until its receipt is taken for granted, and to ask for a refund after that."""

    pay_minutes: PayMinutes = 15
    receive_days: ReceiveDays = 10
    refund_days: RefundDays = 7
