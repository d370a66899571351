"""Coupons. Table `coupons`.

| who asks | how | units |
|---|---|---|
| one coupon, for an order | BatchGet (member, "coupon#<coupon>") with the rest | 1 RRU |
| open coupons, for a quote; unused, expired, locked ones | Query by_end "<member>\\|open" | 0.5 RRU per 4 KB |
| used coupons | Query by_end "<member>\\|used" | 0.5 RRU per 4 KB |
| lock, use, free, give back | Update under its state, in the order's transaction | 2 WRU + 1 or 2 for the index |
"""

from __future__ import annotations

from datetime import timedelta

from pynamodb.attributes import TTLAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.core import clock
from chalicelib.coupons.rules import Coupon, Held
from chalicelib.store.base import Document, Table, TableMeta, name
from chalicelib.store.read import Key

COUPON = "coupon#"
#: A coupon's item is rubbish so long after its end: no order that had it can be refunded any more.
KEPT = timedelta(days=730)


class ByEnd(GlobalSecondaryIndex["Coupons"]):
    """The coupons of a member, open or used, by their end."""

    class Meta:
        index_name = "by_end"
        projection = AllProjection()

    shelf = UnicodeAttribute(hash_key=True)
    ends = UnicodeAttribute(range_key=True)


class Coupons(Table):
    """What a member has; which attributes are there follows from the part."""

    class Meta(TableMeta):
        table_name = name("coupons")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    # part "coupon#<coupon_id>"; what a condition looks at stands beside the document
    coupon = Document(Coupon, null=True)
    state = UnicodeAttribute(null=True)
    #: The order that has locked or used it.
    order_id = UnicodeAttribute(null=True)
    begins = UnicodeAttribute(null=True)
    ends = UnicodeAttribute(null=True)
    #: `shelf`: open while it is unused or locked.
    shelf = UnicodeAttribute(null=True)
    #: Rubbish collection, long after its end.
    expires = TTLAttribute(null=True)

    by_end = ByEnd()


def coupon_key(member_id: str, coupon_id: str) -> Key:
    """Where a member's coupon is; of another member's coupon, where nothing is."""
    return Coupons, (member_id, COUPON + coupon_id)


def held(item: Coupons) -> Held:
    """The coupon in an item of part "coupon#..."."""
    return Held(coupon=item.coupon, state=item.state, order_id=item.order_id or "")  # type: ignore[arg-type]


def open_shelf(member_id: str) -> str:
    """Where a member's unused and locked coupons stand."""
    return f"{member_id}|open"


def used_shelf(member_id: str) -> str:
    """Where a member's used coupons stand."""
    return f"{member_id}|used"


def coupon_item(coupon: Coupon) -> Coupons:
    """A coupon as it is stored when its member gets it: unused."""
    return Coupons(
        coupon.member_id,
        COUPON + coupon.coupon_id,
        coupon=coupon,
        state="unused",
        begins=clock.stamp(coupon.valid_from),
        ends=clock.stamp(coupon.valid_until),
        shelf=open_shelf(coupon.member_id),
        expires=coupon.valid_until + KEPT,
    )
