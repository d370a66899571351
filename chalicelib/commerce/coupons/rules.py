"""What a coupon is, who may have it, and when it can be used. Pure. What it takes off an order is in `pricing`.

unused --order placed--> locked --paid--> used
   ^                        |               |
   +------ order closed ----+---------------+  (refunded whole, where the template allows it)

Expired is a fact of the clock, written nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from chalicelib.commerce.catalogue.rules import Named
from chalicelib.customers.members.rules import LifeCycleRules, Profile, Segment, segment_of
from chalicelib.platform.web.types import Id, Label

Kind = Literal["amount_off", "percent_off", "free_shipping", "exchange"]
#: An order takes at most one coupon of each place: main, extra (beside a main one), and one for the freight.
Place = Literal["main", "extra", "freight"]
How = Literal["claim", "code", "grant", "purchase", "share", "journey"]
TemplateState = Literal["draft", "published", "paused"]
CouponState = Literal["unused", "locked", "used", "expired"]
#: Why a coupon cannot be used for an order: stable words.
Unusable = Literal["not_yet", "expired", "locked", "used", "scope", "threshold", "nothing_to_take_off", "combination"]

#: A segment of life cycle by its word, or one of the merchant's own by its id.
SegmentId = Annotated[
    str,
    Meta(
        pattern=r"^(new|first_order|repeat|loyal|silent|sg[a-z0-9]{1,62})$(?!\n)",
        description="A segment of life cycle (new, first_order, repeat, loyal, silent), or the id of one of your own",
    ),
]
_LIFE_CYCLE: frozenset[str] = frozenset(get_args(Segment))
#: Coupons that one order takes: one for each place.
COUPONS_MAX = 3
#: Coupons of a template, and how many of them one member may get.
TOTAL_MAX = 100_000_000
LIMIT_MAX = 1000
#: The years in which a coupon's time may begin and end.
YEAR_MIN, YEAR_MAX = 2000, 2999
#: How many pieces of a template's stock one shard is for, and how many shards there are at most.
PIECES_PER_SHARD = 500
SHARDS_MAX = 32
#: Wrong codes that a member may enter in an hour; and how many while all members together enter more than
#: GUESS_PRESSURE in ten minutes.
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

    def may_cover(self, product_id: str) -> bool:
        """Whether a product may be in it whose categories are not known."""
        if product_id in self.excluded_products:
            return False
        return bool(self.categories) or not self.products or product_id in self.products

    def named(self) -> Iterator[Named]:
        """Yield what it names of the catalogue, by the fields of a request that has it as `scope`."""
        for number, category_id in enumerate(self.categories):
            yield Named(f"scope.categories[{number}]", "category", category_id)
        for field in ("products", "excluded_products"):
            for number, product_id in enumerate(getattr(self, field)):
                yield Named(f"scope.{field}[{number}]", "product", product_id)


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a coupon is worth: copied from its template when it is got, and never changed.

    amount_off: `amount_fen` off. percent_off: `percent_off` percent off, at most `ceiling_fen`. free_shipping: the
    freight, at most `ceiling_fen`. exchange: one piece for `amount_fen`, taking at most
    `ceiling_fen` off. From `threshold_fen` of goods in scope on, by
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
        """Find the place that it takes in an order."""
        return "freight" if self.kind == "free_shipping" else self.stacking


class Validity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """From when until when a coupon is good: dates, or a number of days from receipt."""

    begins: Annotated[datetime, Meta(tz=True)] | None = msgspec.field(default=None, name="from")
    until: Annotated[datetime, Meta(tz=True)] | None = None
    days: Annotated[int, Meta(ge=1, le=3650)] | None = None

    def span(self, received_at: datetime) -> tuple[datetime, datetime]:
        """Find from when until when a coupon is good that was got then."""
        if self.days is not None:
            return received_at, received_at + timedelta(days=self.days)
        assert self.until is not None
        return self.begins or received_at, self.until


class Audience(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Members who may have it: in one of these segments, with one of these tags, who have bought nothing yet. What is
    not named does not matter; what is named must all hold."""

    segments: Annotated[list[SegmentId], Meta(max_length=20)] = []
    tags: Annotated[list[Label], Meta(max_length=50)] = []
    new_customers: bool = False

    def admits(self, profile: Profile, now: datetime, bounds: LifeCycleRules, within: Collection[str]) -> bool:
        """Whether this member, who is `within` so many custom segments, is one of them. Only completed orders count as
        bought; who returns is no new customer; who wants no offers by what they did is in no segment here."""
        if self.segments and not (profile.personalised and is_in(self.segments, profile, now, bounds, within)):
            return False
        if self.tags and not set(self.tags) & set(profile.tags):
            return False
        return not self.new_customers or is_new(profile)


def custom_segments(segment_ids: Collection[str]) -> list[str]:
    """List those of these segments that are the merchant's own, each once."""
    return sorted(set(segment_ids) - _LIFE_CYCLE)


def is_in(
    segment_ids: Collection[str], profile: Profile, now: datetime, bounds: LifeCycleRules, within: Collection[str]
) -> bool:
    """Tell whether the member is in one of these segments: by life cycle, or `within` a custom one."""
    return any(one in within for one in segment_ids) or segment_of(profile, now, bounds) in segment_ids


def is_new(profile: Profile) -> bool:
    """Whether the member is a new customer: no order of theirs is completed, and they were not here before."""
    return not profile.orders_completed and not profile.returned


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
        """Find its state as its member sees it."""
        return "expired" if self.state == "unused" and now >= self.coupon.valid_until else self.state

    def unusable(self, now: datetime) -> Unusable | None:
        """Say why it cannot be used for any order now; None when it can."""
        state = self.state_at(now)
        if state != "unused":
            return state
        return "not_yet" if now < self.coupon.valid_from else None


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's decision to let out a template's coupons, worth so much in fen; `alone`: one was enough."""

    by: str
    at: datetime
    worth_fen: int
    alone: bool = False


class Template(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What coupons are made from: `total` pieces in all, however they are got, in a stock of `shards` shards. A member
    who shares it gets one more for each friend who claims, up to `share_limit`."""

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
    #: The operators who decided to let them out, where that is asked for (agreement/rules.py).
    agreed: list[Approval] = []

    def is_over(self, now: datetime) -> bool:
        """Whether a coupon that is got now would be over already."""
        return self.valid.until is not None and now >= self.valid.until

    def is_offered(self, now: datetime) -> bool:
        """Whether anybody may get one now."""
        return self.state == "published" and not self.is_over(now)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a template's coupons: how many are with members, are left, were used; what those took off, and
    what was paid for the orders they were used in."""

    issued: int = 0
    left: int = 0
    used: int = 0
    off_fen: int = 0
    paid_fen: int = 0


def shards_for(total: int) -> int:
    """Count the shards for a stock of `total` pieces. Each takes some 100 claims a second."""
    return min(SHARDS_MAX, -(-total // PIECES_PER_SHARD))


def portions(frees: Sequence[int], pieces: int, first: int) -> dict[int, int]:
    """Choose the shards that `pieces` are taken from: one that has them all if there is one, else round from `first`.

    They are fewer than `pieces` only when there are no more.
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
        """Drop those whose hour is over."""
        return self if now < self.window_ends else Guesses()

    def one_more(self, now: int) -> Guesses:
        """Count one more wrong code; the hour begins with the first."""
        current = self.at(now)
        return Guesses(current.wrong_codes + 1, current.window_ends or now + GUESS_SECONDS)

    def outweighs(self, other: Guesses, now: int) -> bool:
        """Whether these hinder more than the other ones: there are more of them, or as many for longer."""
        mine, others = self.at(now), other.at(now)
        return (mine.wrong_codes, mine.window_ends) > (others.wrong_codes, others.window_ends)

    def is_spent(self, under_pressure: bool) -> bool:
        """Whether no more codes are looked at."""
        return self.wrong_codes >= (GUESSES_UNDER_PRESSURE if under_pressure else GUESSES_MAX)


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Codes 0 to `count` - 1 of a batch; none of them is stored before it is redeemed."""

    number: int
    template_id: str
    count: int
    secret: str
    made_at: datetime


class Grant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operator grants to many: to a list, which has `total` members at first and can be added to, to that of an
    audience (`audience_id`), which stays as it is, or to everybody in `audience` (or at all) who had joined by `at`."""

    grant_id: str
    template_id: str
    digest: str
    at: datetime
    total: int | None = None
    audience: Audience | None = None
    audience_id: str = ""

    @property
    def has_own_list(self) -> bool:
        """Whether it is to a list of its own."""
        return self.total is not None and not self.audience_id

    @property
    def names(self) -> frozenset[str]:
        """The segments and tags that it looks at, beside those of its template."""
        return frozenset() if self.audience is None else frozenset({*self.audience.segments, *self.audience.tags})

    @property
    def has_list(self) -> bool:
        """Whether it is to a list, its own or an audience's, and so has one part."""
        return self.total is not None


class ListedMembers(msgspec.Struct, frozen=True):
    """Some members of a grant's list, in its order."""

    members: list[str]


#: How many codes a batch has at most.
BATCH_MAX = 100_000
