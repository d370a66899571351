"""What coupons ask of the wing above, and what they tell it (segments): which members have a coupon that a rule looks
at.

The port is implemented by its wing and registered in app.py. What an implementation adds goes into the transaction that
it is given, so that a coupon and what is known of its member never disagree.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from chalicelib.platform.store.transaction import Transaction


class CouponObserver(Protocol):
    """What the wing above keeps of the coupons that members have unused."""

    def follows(self, template_id: str) -> bool:
        """Tell, from memory, whether it wants to know of the coupons of this template."""

    def changed(
        self, tx: Transaction, member_id: str, template_id: str, coupon_id: str, ends_at: datetime | None
    ) -> None:
        """The member has this coupon unused, good until then, or (None) no more: add to `tx` what follows,
        OBSERVED_MAX actions a member at most. It may be called again, as what decides may."""


#: How many actions an observer adds for a member to the transaction of a coupon at most.
OBSERVED_MAX = 3

_observer: CouponObserver | None = None


def register_observer(observer: CouponObserver) -> None:
    """Tell this observer from now on."""
    global _observer
    _observer = observer


def observer() -> CouponObserver:
    """The registered observer."""
    if _observer is None:
        raise RuntimeError("no wing has registered its observer of coupons")
    return _observer
