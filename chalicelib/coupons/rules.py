"""What a coupon is, who may have it, and when it can be used. Pure. What it takes off an order is in `pricing`.

unused --order placed--> locked --paid--> used
   ^                        |               |
   +------ order closed ----+---------------+  (refunded whole, where the template allows it)

Expired is a fact of the clock, written nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.members.rules import Profile, Segment, segment_of
from chalicelib.web.types import Id, Line

Kind = Literal["amount_off", "percent_off", "free_shipping", "exchange"]
#: An order takes at most one coupon of each place: main, extra (beside a main one), and one for the freight.
Place = Literal["main", "extra", "freight"]
How = Literal["claim", "code", "grant", "purchase", "share"]
TemplateState = Literal["draft", "published", "paused"]
CouponState = Literal["unused", "locked", "used", "expired"]
#: Why a coupon cannot be used for an order: stable words.
Unusable = Literal["not_yet", "expired", "locked", "used", "scope", "threshold", "nothing_to_take_off", "combination"]

#: Coupons that one order takes: one for each place.
COUPONS_MAX = 3


class Scope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which products: those of these categories (with everything below them) and these, or all where neither is
    named; never the excluded ones."""

    categories: Annotated[list[Id], Meta(max_length=100)] = []
    products: Annotated[list[Id], Meta(max_length=200)] = []
    excluded_products: Annotated[list[Id], Meta(max_length=200)] = []

    def covers(self, product_id: str, categories: Iterable[str]) -> bool:
        """Whether a product is in it; `categories` are its category and those above."""
        if product_id in self.excluded_products:
            return False
        if not self.categories and not self.products:
            return True
        return product_id in self.products or any(category in self.categories for category in categories)


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a coupon is worth: copied from its template when it is got, and never changed.

    amount_off: `amount_fen` off. percent_off: `percent_off` percent off, at most `ceiling_fen`. free_shipping: the
    freight, at most `ceiling_fen`. exchange: one piece for `amount_fen`. From `threshold_fen` of goods in scope on, by
    their prices after promotions and before coupons.
    """

    kind: Kind
    amount_fen: int = 0
    percent_off: int = 0
    ceiling_fen: int | None = None
    threshold_fen: int = 0
    scope: Scope = Scope()
    stacking: Literal["main", "extra"] = "main"
    #: Whether it comes back when its order is refunded whole.
    returns: bool = True

    @property
    def place(self) -> Place:
        """The place that it takes in an order."""
        return "freight" if self.kind == "free_shipping" else self.stacking


class Validity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """From when until when: dates, or so many days from receipt."""

    begins: Annotated[datetime, Meta(tz=True)] | None = msgspec.field(default=None, name="from")
    until: Annotated[datetime, Meta(tz=True)] | None = None
    days: Annotated[int, Meta(ge=1, le=3650)] | None = None

    def of(self, got_at: datetime) -> tuple[datetime, datetime]:
        """Of a coupon that was got then."""
        if self.days is not None:
            return got_at, got_at + timedelta(days=self.days)
        assert self.until is not None
        return self.begins or got_at, self.until


class Audience(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who may have it: members in one of these segments, with one of these tags, who have bought nothing yet. What is
    not named does not matter; what is named must all hold."""

    segments: Annotated[list[Segment], Meta(max_length=5)] = []
    tags: Annotated[list[Line], Meta(max_length=50)] = []
    new_customers: bool = False

    def admits(self, profile: Profile, now: datetime) -> bool:
        """Whether this member is one of them. Who has bought is known from completed orders."""
        if self.segments and segment_of(profile, now) not in self.segments:
            return False
        if self.tags and not set(self.tags) & set(profile.tags):
            return False
        return not (self.new_customers and profile.orders_completed)


class Coupon(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A coupon that a member has; its state is kept beside it."""

    coupon_id: str
    template_id: str
    member_id: str
    name: str
    terms: Terms
    valid_from: datetime
    valid_until: datetime
    got_at: datetime
    how: How


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A coupon and where it is in its life; `order_id` while it is locked or used."""

    coupon: Coupon
    state: Literal["unused", "locked", "used"]
    order_id: str = ""

    def state_at(self, now: datetime) -> CouponState:
        """Its state as its member sees it."""
        return "expired" if self.state == "unused" and now >= self.coupon.valid_until else self.state

    def unusable(self, now: datetime) -> Unusable | None:
        """Why it cannot be used for any order now; None when it can."""
        state = self.state_at(now)
        if state != "unused":
            return state
        return "not_yet" if now < self.coupon.valid_from else None
