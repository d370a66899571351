"""What a merchant may set of distribution, who earns a commission of what, and what a refund leaves of it. Pure.

The law (Regulation on the Prohibition of Pyramid Selling, art. 7; WeChat's mini-program rules, 5.9): two paid levels at
most, no entry fee, nothing for recruiting alone. So a commission is a share of what was paid for goods, binding earns
nothing, and customers count for a tier only once they have bought and kept it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.commerce.orders.accounting.rules import paid_for
from chalicelib.commerce.orders.rules import Order, OrderLine
from chalicelib.commerce.pricing.freight.rules import Region, covers
from chalicelib.core.errors import invalid
from chalicelib.core.money import split_fen
from chalicelib.growth.distribution.refusals import RATE_FOR_EACH_LEVEL, TIER_ID
from chalicelib.platform.web.types import Count, Fen, Label, PriceFen

#: The law's ceiling; a setting above it is refused when it is loaded.
LEVELS_MAX = 2
#: How long an invitation can bind its member to a distributor by an order, in days.
INVITE_DAYS = 15
_WHOLE_BP = 10_000

BasisPoints = Annotated[int, Meta(ge=0, le=_WHOLE_BP)]
Rates = Annotated[list[BasisPoints], Meta(max_length=LEVELS_MAX)]
TierId = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}$(?!\n)")]
Rights = Annotated[str, Meta(max_length=500)]
PagePath = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$(?!\n)")]

DistributorState = Literal["pending", "active", "suspended"]
CommissionState = Literal["pending", "available", "reversed"]
#: The tier of distributors who have reached none.
STANDARD = "standard"


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tier of distributors: reached when all the thresholds that it has are reached; by hand, where it has none.

    `rates_bp` by level, the mall's own where the tier has none. Sales are what was paid for goods and not refunded, by
    customers whom the distributor brought; orders and customers likewise. `rights` is shown to members.
    """

    tier_id: TierId
    name: Label
    rates_bp: Rates = []
    sales_fen: Fen = 0
    orders: Count = 0
    customers: Count = 0
    reward_fen: PriceFen = 0
    rights: Rights = ""


class DistributionRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How distribution works in this mall.

    `rates_bp` by level; `protection_days`: how long a customer stays bound, 0 for ever; `freeze_days` after receipt
    a commission can be withdrawn, fewer than the refund window means that a refund may reach what was withdrawn. All
    commissions of an order together are at most `order_cap_bp` of its goods, and `order_cap_fen`. `approval`: whether
    an operator approves applicants. Orders that go to `stopped_regions` pay nobody (administrative codes: 310000 is
    all of 上海市). The pages are the mini-program's, for links.
    """

    enabled: bool = False
    stopped_regions: Annotated[list[Region], Meta(max_length=400)] = []
    levels: Annotated[int, Meta(ge=1, le=LEVELS_MAX)] = 1
    rates_bp: Annotated[list[BasisPoints], Meta(min_length=1, max_length=LEVELS_MAX)] = msgspec.field(
        default_factory=lambda: [1000, 300]
    )
    bind_on: Literal["first_visit", "first_order"] = "first_visit"
    protection_days: Annotated[int, Meta(ge=0, le=3650)] = 0
    self_purchase: bool = False
    freeze_days: Annotated[int, Meta(ge=0, le=90)] = 7
    approval: Literal["review", "open"] = "review"
    order_cap_bp: BasisPoints = 5000
    order_cap_fen: Fen | None = None
    tiers: Annotated[list[Tier], Meta(max_length=10)] = []
    rights: Rights = ""
    leaderboard: bool = False
    home_page: PagePath = "pages/index/index"
    product_page: PagePath = "pages/product/product"

    def runs_in(self, region_code: str) -> bool:
        """Tell whether orders that go to this region pay anybody."""
        return self.enabled and not any(covers(region, region_code) for region in self.stopped_regions)

    def tier(self, tier_id: str) -> Tier | None:
        """Find the tier of that id; None where none was reached, or the merchant has removed it."""
        return next((tier for tier in self.tiers if tier.tier_id == tier_id), None)


def check(rules: DistributionRules) -> None:
    """Raise `invalid` for what no field alone shows: a level without a rate; tiers of one id, or one `standard`."""
    if len(rules.rates_bp) < rules.levels:
        raise invalid(RATE_FOR_EACH_LEVEL.at("rates_bp", levels=rules.levels))
    ids = [tier.tier_id for tier in rules.tiers]
    for index, tier_id in enumerate(ids):
        if tier_id == STANDARD or tier_id in ids[:index]:
            raise invalid(TIER_ID.at(f"tiers[{index}].tier_id", reserved=STANDARD))


class Binding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That a member is bound to a distributor, by a link, until an instant (None: for ever). `order_id`: by which order
    it was made, and stands by while that one may still be paid; "" by none. `ended`: why it was over before its time;
    `also`: as whom else the member bought what counts on it, before they turned out to be one.
    """

    member_id: str
    inviter: str
    token: str
    bound_at: datetime
    until: datetime | None
    order_id: str = ""
    ended: Literal["", "merged"] = ""
    also: list[str] = []

    @property
    def held(self) -> bool:
        """Whether it ever did: one that an order made which was never paid is over as it began."""
        return self.until is None or self.until > self.bound_at

    def live(self, now: datetime) -> bool:
        """Tell whether the binding still holds."""
        return self.until is None or now < self.until


def new_binding(member_id: str, inviter: str, token: str, rules: DistributionRules, now: datetime) -> Binding:
    """Make the binding of a member whom that distributor brought now."""
    until = now + timedelta(days=rules.protection_days) if rules.protection_days else None
    return Binding(member_id=member_id, inviter=inviter, token=token, bound_at=now, until=until)


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a short token stands for: the distributor whose link it is, and where in the mini-program it leads."""

    member_id: str
    product_id: str | None = None
    page: str | None = None
    channel: str | None = None
    made_at: datetime


class MonthlySales(msgspec.Struct, frozen=True):
    """What a distributor has sold in a month, as the leaderboard counts it: fen paid for goods, less what went back."""

    member_id: str
    month: str
    sales_fen: int


class Distributor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member who shares products."""

    member_id: str
    state: DistributorState
    invite_code: str
    applied_at: datetime
    tier: str = STANDARD
    #: Tiers whose one-off reward they have got.
    rewarded: list[str] = []
    #: Since when they are active without a break; None also for who became so before this was written down.
    active_since: datetime | None = None
    #: The member who they turned out to be, where they did: that one is the distributor, and this only says so.
    merged_into: str = ""


class SalesTotals(msgspec.Struct, frozen=True):
    """What a distributor has brought and was not refunded: fen paid for goods, orders, customers."""

    sales_fen: int = 0
    orders: int = 0
    customers: int = 0

    def reach(self, tier: Tier) -> bool:
        """Tell whether the totals are enough for the tier."""
        wanted = (tier.sales_fen, self.sales_fen), (tier.orders, self.orders), (tier.customers, self.customers)
        return any(threshold for threshold, _ in wanted) and all(has >= threshold for threshold, has in wanted)


class DistributorRecord(msgspec.Struct, frozen=True):
    """A distributor with what is counted of them."""

    distributor: Distributor
    totals: SalesTotals


class Rate(msgspec.Struct, frozen=True):
    """Basis points, and where they come from: "product", "tier" or "default"."""

    bp: int
    source: str


def rate(product_bp: int | None, tier: Tier | None, level: int, rules: DistributionRules) -> Rate:
    """Choose the rate of a line for one level: the product's, else the tier's, else the default.

    A product has one rate, that of level 1. Level 2 has its own, and never more than the product gives: so a product
    with 0 pays nobody, and one with a small margin does not pay level 2 more than level 1.
    """
    if product_bp is not None and level == 1:
        return Rate(product_bp, "product")
    rates, source = rules.rates_bp, "default"
    if tier is not None and len(tier.rates_bp) >= level:
        rates, source = tier.rates_bp, "tier"
    own = Rate(rates[level - 1] if len(rates) >= level else 0, source)
    return Rate(product_bp, "product") if product_bp is not None and product_bp < own.bp else own


class CommissionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A commission's part of one order line. Of `paid_fen`, `base_fen` has not been refunded. At first it earned
    `earned_fen` (which is `full_fen`, the rate's share rounded down, unless the order's cap made it less); by what is
    left of the order it is `amount_fen`."""

    sku_id: str
    product_id: str
    name: str
    quantity: int
    rate_bp: int
    source: str
    paid_fen: int
    base_fen: int
    full_fen: int
    earned_fen: int
    amount_fen: int

    def by_rule(self, paid_fen: int) -> int:
        """Take the rate's share of what was paid, in fen, rounded down."""
        return _share(paid_fen, self.rate_bp)


class Commission(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one order pays one distributor: one for each level. `rules_version` is that of the settings it was made by.

    `own_customer`: the buyer is one whom the distributor brought themselves; such an order counts for their tier, once
    it can be withdrawn and no member can give the order back any more (`uncounted`: it can be withdrawn, and they can).
    `earned_as`: whom the order's chain names, where they turned out to be this member since.

    Of those settings it has the days until it can be withdrawn, and the order's cap (`cap_bp`, `cap_fen`), under which
    all levels together earned `order_earned_fen`.
    """

    order_id: str
    level: int
    member_id: str
    buyer_id: str
    tier: str
    rules_version: int
    lines: list[CommissionLine]
    state: CommissionState
    created_at: datetime
    freeze_days: int
    cap_bp: int
    cap_fen: int | None
    order_earned_fen: int
    available_at: datetime | None = None
    own_customer: bool = False
    on_board: bool = False
    uncounted: bool = False
    earned_as: str = ""

    @property
    def earned_fen(self) -> int:
        """Give what the commission came to as the order was paid, in fen."""
        return sum(line.earned_fen for line in self.lines)

    @property
    def base_fen(self) -> int:
        """Give what was paid for goods and has not been refunded, in fen."""
        return sum(line.base_fen for line in self.lines)

    @property
    def amount_fen(self) -> int:
        """Give what remains of the commission, in fen."""
        return sum(line.amount_fen for line in self.lines)


class Payee(msgspec.Struct, frozen=True):
    """A distributor whom an order pays; `earned_as`: whom its chain names, where they turned out to be this one."""

    level: int
    member_id: str
    tier: str
    earned_as: str = ""


def commissions(
    order: Order, payees: Sequence[Payee], products: Mapping[str, int | None], rules: DistributionRules, version: int,
    now: datetime,
) -> list[Commission]:  # fmt: skip
    """Make the commissions of a paid order, one for each payee; `products`: the rates of those that have one, in basis
    points.

    All together are at most the order's cap; what is above is taken off in proportion, to the fen. Refunds then take
    their part of that, and of the cap, whether they were granted before this or come later.
    """
    made = [[_line(line, products, payee, rules) for line in order.lines] for payee in payees]
    amounts = [line.full_fen for lines in made for line in lines]
    amounts = _at_most(
        order_cap(sum(_price(line) for line in order.lines), rules.order_cap_bp, rules.order_cap_fen), amounts
    )
    share = iter(amounts)
    capped = [
        [msgspec.structs.replace(line, earned_fen=fen, amount_fen=fen) for line, fen in zip(lines, share, strict=False)]
        for lines in made
    ]
    made_of = [
        Commission(
            order_id=order.order_id, level=payee.level, member_id=payee.member_id, buyer_id=order.member_id,
            tier=payee.tier, rules_version=version, lines=lines, state="pending", created_at=now,
            freeze_days=rules.freeze_days,
            cap_bp=rules.order_cap_bp, cap_fen=rules.order_cap_fen, order_earned_fen=sum(amounts),
            earned_as=payee.earned_as,
        )
        for payee, lines in zip(payees, capped, strict=True)
    ]  # fmt: skip
    return [reduced(one, made_of, order) for one in made_of]


def order_cap(goods_fen: int, cap_bp: int, cap_fen: int | None) -> int:
    """Give the most that all commissions of an order may come to, when `goods_fen` of its goods are not refunded."""
    by_share = _share(goods_fen, cap_bp)
    return by_share if cap_fen is None else min(by_share, cap_fen)


def remaining_lines(
    commission: Commission, all_levels: Sequence[Commission], bases: Sequence[int]
) -> list[CommissionLine]:
    """Reduce the lines to what they earn when these `bases` of what was paid for each remain, in fen; `all_levels`: the
    commissions of its order, this one too.

    Each line of each level earns by its rate, and all of them together at most the cap of what remains. So a line of
    which nothing went back keeps what it has while the order is below its cap; and may have more than before, where
    others no longer share the cap. What remains alone decides: in whatever parts and sequence the rest went back.
    """
    levels = sorted(all_levels, key=lambda one: one.level)
    wanted = [line.by_rule(base) for one in levels for line, base in zip(one.lines, bases, strict=True)]
    amounts = _at_most(order_cap(sum(bases), commission.cap_bp, commission.cap_fen), wanted)
    first = [one.level for one in levels].index(commission.level) * len(bases)
    own = amounts[first : first + len(bases)]
    return [
        msgspec.structs.replace(line, base_fen=base, amount_fen=fen)
        for line, base, fen in zip(commission.lines, bases, own, strict=True)
    ]


def _at_most(cap: int, amounts: list[int]) -> list[int]:
    """Reduce the amounts in proportion where they come to more than the cap; all in fen."""
    return split_fen(min(cap, sum(amounts)), amounts)


def reduced(commission: Commission, all_levels: Sequence[Commission], order: Order) -> Commission:
    """Reduce the commission by what refunds have taken from its order, of which `all_levels` are all commissions; give
    it as it was when they changed nothing more.

    What was given back stays so, also when the order was read before that refund was granted.
    """
    bases = [min(line.base_fen, paid_for(order, line.sku_id)) for line in commission.lines]
    lines = remaining_lines(commission, all_levels, bases)
    if lines == commission.lines:
        return commission
    after = msgspec.structs.replace(commission, lines=lines)
    return after if after.base_fen else msgspec.structs.replace(after, state="reversed")


def _line(
    line: OrderLine, products: Mapping[str, int | None], payee: Payee, rules: DistributionRules
) -> CommissionLine:
    base = _price(line)
    used = rate(products.get(line.product_id), rules.tier(payee.tier), payee.level, rules)
    full = _share(base, used.bp)
    return CommissionLine(
        sku_id=line.sku_id, product_id=line.product_id, name=line.name, quantity=line.quantity, rate_bp=used.bp,
        source=used.source, paid_fen=base, base_fen=base, full_fen=full, earned_fen=full, amount_fen=full,
    )  # fmt: skip


def _price(line: OrderLine) -> int:
    """What is paid for a line, in fen, also where its price was lowered after payment."""
    return line.payable_fen - line.reduced_fen


def _share(fen: int, bp: int) -> int:
    return fen * bp // _WHOLE_BP
