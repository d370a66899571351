"""What a coupon is, who may have it, and when it can be used. Pure. What it takes off an order is in `pricing`.

unused --order placed--> locked --paid--> used
   ^                        |               |
   +------ order closed ----+---------------+  (refunded whole, where the template allows it)

Expired is a fact of the clock, written nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.catalogue.rules import Named
from chalicelib.core.errors import FieldError, MallError
from chalicelib.members.rules import Profile, Segment, segment_of
from chalicelib.web.types import Fen, Id, Line, PriceFen

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
#: Coupons of a template, and how many of them one member may get.
TOTAL_MAX = 100_000_000
LIMIT_MAX = 1000
#: What a calendar of coupons needs.
YEAR_MIN, YEAR_MAX = 2000, 2999
#: A template's stock lies in one shard up to so many pieces, then in one more for each as many again.
PIECES_PER_SHARD = 500
SHARDS_MAX = 32
#: Wrong codes that a member may enter in an hour; and when in all more than GUESS_PRESSURE came in the last ten
#: minutes or the ten before.
GUESSES_MAX = 10
GUESSES_UNDER_PRESSURE = 3
GUESS_SECONDS = 3600
GUESS_PRESSURE = 1000
PRESSURE_SECONDS = 600


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

    def named(self) -> Iterator[Named]:
        """What it names of the catalogue, by the fields of who has it as `scope`."""
        for number, category_id in enumerate(self.categories):
            yield Named(f"scope.categories[{number}]", "category", category_id)
        for field in ("products", "excluded_products"):
            for number, product_id in enumerate(getattr(self, field)):
                yield Named(f"scope.{field}[{number}]", "product", product_id)


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

    def of(self, received_at: datetime) -> tuple[datetime, datetime]:
        """Of a coupon that was got then."""
        if self.days is not None:
            return received_at, received_at + timedelta(days=self.days)
        assert self.until is not None
        return self.begins or received_at, self.until


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
    received_at: datetime
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


class Template(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What coupons are made from. `total` pieces in all, however they are got; `shards` its stock lies in. By
    `share_limit` friends a member who shares it gets one more for each."""

    template_id: str
    name: str
    state: TemplateState
    terms: Terms
    total: int
    limit_per_member: int
    valid: Validity
    how: list[How]
    audience: Audience = Audience()
    share_limit: int = 0
    shards: int
    created_at: datetime

    def is_over(self, now: datetime) -> bool:
        """Whether a coupon that is got now would be over already."""
        return self.valid.until is not None and now >= self.valid.until

    def is_offered(self, now: datetime) -> bool:
        """Whether anybody may get one now."""
        return self.state == "published" and not self.is_over(now)


class TemplateChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template as an operator names it. `amount_fen` is off the price (exchange: the price of the piece);
    `ceiling_fen` the most that a percentage or the freight takes off; `threshold_fen` of goods in scope it needs;
    `share_limit` how many more a member may get for friends who claim through them."""

    name: Line
    kind: Kind
    amount_fen: PriceFen | None = None
    percent_off: int | None = None
    ceiling_fen: PriceFen | None = None
    threshold_fen: Fen = 0
    scope: Scope = Scope()
    total: Annotated[int, Meta(ge=1, le=TOTAL_MAX)]
    limit_per_member: Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
    valid: Validity
    how: Annotated[list[How], Meta(min_length=1, max_length=5)]
    audience: Audience = Audience()
    stacking: Literal["main", "extra"] = "main"
    returns: bool = True
    share_limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] | None = None


class TemplateInput(TemplateChange, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new template; published at once unless it says otherwise."""

    publish: bool = True


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a template's coupons: how many are with members, are left, were used; what those took off, and
    what was paid for the orders they were used in."""

    issued: int = 0
    left: int = 0
    used: int = 0
    off_fen: int = 0
    paid_fen: int = 0


def terms_of(asked: TemplateChange) -> Terms:
    """What its coupons are worth."""
    return Terms(
        kind=asked.kind, amount_fen=asked.amount_fen or 0, percent_off=asked.percent_off or 0,
        ceiling_fen=asked.ceiling_fen, threshold_fen=asked.threshold_fen, scope=asked.scope,
        stacking=asked.stacking, returns=asked.returns,
    )  # fmt: skip


def check(asked: TemplateChange) -> None:
    """Raises `invalid` naming every field that does not go with the others."""
    faults = (*_worth_faults(asked), *_validity_faults(asked.valid), *_way_faults(asked))
    if faults:
        raise MallError("invalid", errors=faults)


def _worth_faults(asked: TemplateChange) -> Iterator[FieldError]:
    priced = asked.kind in ("amount_off", "exchange")
    if priced and asked.amount_fen is None:
        yield FieldError("amount_fen", "needed for this kind")
    if not priced and asked.amount_fen is not None:
        yield FieldError("amount_fen", "not of this kind")
    if asked.kind == "amount_off" and asked.amount_fen == 0:
        yield FieldError("amount_fen", "at least 1")
    if asked.kind == "percent_off" and not 1 <= (asked.percent_off or 0) <= 99:
        yield FieldError("percent_off", "1 to 99")
    if asked.kind != "percent_off" and asked.percent_off is not None:
        yield FieldError("percent_off", "not of this kind")
    if priced and asked.ceiling_fen is not None:
        yield FieldError("ceiling_fen", "not of this kind")
    if asked.ceiling_fen == 0:
        yield FieldError("ceiling_fen", "at least 1")
    if asked.kind == "exchange" and not asked.scope.products:
        yield FieldError("scope.products", "name the products that it is exchanged for")
    if asked.kind == "free_shipping" and asked.stacking == "extra":
        yield FieldError("stacking", "a coupon for the freight goes with every other already")


def _validity_faults(valid: Validity) -> Iterator[FieldError]:
    for field, instant in (("from", valid.begins), ("until", valid.until)):
        if instant is not None and not YEAR_MIN <= instant.year <= YEAR_MAX:
            yield FieldError(f"valid.{field}", f"a year from {YEAR_MIN} to {YEAR_MAX}")
    dated = valid.begins is not None or valid.until is not None
    if dated == (valid.days is not None):
        yield FieldError("valid", "either from and until, or days")
    elif dated and valid.until is None:
        yield FieldError("valid.until", "needed with from")
    elif valid.begins is not None and valid.until is not None and valid.until <= valid.begins:
        yield FieldError("valid.until", "after from")


def _way_faults(asked: TemplateChange) -> Iterator[FieldError]:
    if len(set(asked.how)) != len(asked.how):
        yield FieldError("how", "named twice")
    shared = "share" in asked.how
    if shared != (asked.share_limit is not None):
        yield FieldError("share_limit", "needed where members share it" if shared else "nobody shares it")
    elif asked.share_limit is not None and asked.share_limit > asked.limit_per_member:
        yield FieldError("share_limit", "at most limit_per_member")


def shards_for(total: int) -> int:
    """Shards of a stock of so many: all who want one at once meet at one of them, and each takes some 100 a second."""
    return min(SHARDS_MAX, -(-total // PIECES_PER_SHARD))


def portions(frees: Sequence[int], pieces: int, first: int) -> dict[int, int]:
    """Which shards `pieces` are taken from: one that has them all if there is one, else going round from `first`.

    Fewer than `pieces` only when that is all there is.
    """
    order = [(first + step) % len(frees) for step in range(len(frees))]
    ample = next((shard for shard in order if frees[shard] >= pieces > 0), None)
    if ample is not None:
        return {ample: pieces}
    taken: dict[int, int] = {}
    for shard in order:
        portion = min(frees[shard], pieces - sum(taken.values()))
        if portion > 0:
            taken[shard] = portion
    return taken


class Guesses(msgspec.Struct, frozen=True):
    """Wrong codes of one member, counted until `window_ends` (Unix seconds)."""

    wrong_codes: int = 0
    window_ends: int = 0

    def at(self, now: int) -> Guesses:
        """What still counts."""
        return self if now < self.window_ends else Guesses()

    def one_more(self, now: int) -> Guesses:
        """With one more wrong code; the hour begins with the first."""
        current = self.at(now)
        return Guesses(current.wrong_codes + 1, current.window_ends or now + GUESS_SECONDS)

    def is_spent(self, under_pressure: bool) -> bool:
        """Whether no more codes are looked at."""
        return self.wrong_codes >= (GUESSES_UNDER_PRESSURE if under_pressure else GUESSES_MAX)
