"""What coupons ask of the wings above, and what they tell them: in which segments a member is, who is on an audience's
list; and which members have a coupon that a rule looks at, or get one that somebody hears of.

Each port is implemented by its wing and registered in app.py. What an observer adds goes into the transaction that it
is given, so that a coupon and what is known of its member never disagree.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from chalicelib.commerce.coupons.rules import Coupon
from chalicelib.platform.store.read import Key, ReadSet
from chalicelib.platform.store.transaction import Transaction


class CouponObserver(Protocol):
    """What a wing above makes of the coupons that members have unused."""

    def follows(self, template_id: str) -> bool:
        """Tell, from memory, whether it wants to know of the coupons of this template."""

    def got(self, tx: Transaction, coupon: Coupon) -> None:
        """The member gets this coupon, which they have never had before: add to `tx` what follows beside what `changed`
        adds, which is told of it too. It may be called again, as what decides may."""

    def changed(
        self, tx: Transaction, member_id: str, template_id: str, coupon_id: str, ends_at: datetime | None
    ) -> None:
        """The member has this coupon unused, good until then, or (None) no more: add to `tx` what follows. It may be
        called again, as what decides may."""


#: How many actions all observers together add for a member to the transaction of a coupon at most: what is known of
#: them with the jobs that follow from it, and for a coupon that is new a job of each of those who send and act.
OBSERVED_MAX = 6

_observers: tuple[CouponObserver, ...] | None = None


def register_observers(*observers: CouponObserver) -> None:
    """Tell these observers from now on, in this order, and no others."""
    global _observers
    _observers = observers


def observers() -> tuple[CouponObserver, ...]:
    """The registered observers. Raises RuntimeError when none were registered."""
    if _observers is None:
        raise RuntimeError("no wing has registered its observers of coupons")
    return _observers


def following(template_id: str) -> list[CouponObserver]:
    """The observers who want to know of the coupons of this template."""
    return [each for each in observers() if each.follows(template_id)]


class Segments(Protocol):
    """What the wing above knows of the merchant's own segments, by their ids."""

    def keys(self, member_id: str, segment_ids: Collection[str]) -> list[Key]:
        """List what must be read to know in which of these segments the member is; nothing for none."""

    def within(self, member_id: str, segment_ids: Collection[str], found: ReadSet, now: datetime) -> frozenset[str]:
        """Say in which of these segments the member is now, from what was found at `keys`."""

    def check(self, segment_ids: Collection[str], field: str) -> None:
        """Raise `invalid`, naming the field, for segments that there are not, and for those into which what a client
        says may lead alone: they give nothing."""

    def check_tags(self, tags: Collection[str], field: str) -> None:
        """Raise `invalid`, naming the field, for tags that a rule gives to which what a client says may lead alone."""


_segments: Segments | None = None


def register_segments(segments: Segments) -> None:
    """Let these segments answer from now on."""
    global _segments
    _segments = segments


def segments() -> Segments:
    """The registered segments."""
    if _segments is None:
        raise RuntimeError("no wing has registered its segments")
    return _segments


class AudienceLists(Protocol):
    """What the wing above knows of audiences: lists of members, as they were when the audience was made."""

    def check(self, audience_id: str, field: str) -> int:
        """Count the members on the list. Raises `invalid`, naming the field, where there is no such audience."""

    def page(self, audience_id: str, position: str, limit: int) -> tuple[list[str], str | None]:
        """List the next members behind a position ("" at first), and where to go on (None: no more). Who was erased
        may still be among them."""


_audience_lists: AudienceLists | None = None


def register_audience_lists(audience_lists: AudienceLists) -> None:
    """Let these lists answer from now on."""
    global _audience_lists
    _audience_lists = audience_lists


def audience_lists() -> AudienceLists:
    """The registered lists."""
    if _audience_lists is None:
        raise RuntimeError("no wing has registered its lists of audiences")
    return _audience_lists
