"""What commissions an order pays, recomputed from the order and the settings of their version. Pure; no formula of the
rules is used.

All levels together get the sum of what each gets by its rate of what is left of each line, and at most the cap on what
is left; what is above the cap is taken off in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from chalicelib.commerce.orders.refunds.checks import left_of
from chalicelib.commerce.orders.rules import Order
from chalicelib.core.difference import Difference
from chalicelib.growth.distribution.rules import Commission, CommissionLine, DistributionRules, Tier

_WHOLE_BP = 10_000
_NOBODY: Mapping[str, str] = MappingProxyType({})


def base_of(commission: Commission) -> int:
    """Add up what was paid for goods and not given back, in fen, as the commission has it."""
    return sum(line.base_fen for line in commission.lines)


def amount_of(commission: Commission) -> int:
    """Add up what remains of the commission, in fen."""
    return sum(line.amount_fen for line in commission.lines)


def pays_there(rules: DistributionRules, region_code: str) -> bool:
    """Tell whether these settings pay anybody for orders that go there. 310000 is a whole province, 310100 a city."""
    stopped = (region.removesuffix("0000").removesuffix("00") for region in rules.stopped_regions)
    return rules.enabled and not any(region_code.startswith(region) for region in stopped)


def cap_faults(made: Sequence[Commission]) -> Iterator[str]:
    """Find where all commissions of an order together are not what their rates and their cap say."""
    earned = sum(line.earned_fen for one in made for line in one.lines)
    for one in made:
        cap = _cap(one, sum(line.paid_fen for line in one.lines))
        if earned > cap:
            yield f"pays {earned} fen of commissions, at most {cap} are allowed"
        if earned != one.order_earned_fen:
            yield f"pays {earned} fen, level {one.level} says {one.order_earned_fen}"
        right = min(cap, sum(_share(line.paid_fen, line.rate_bp) for each in made for line in each.lines))
        if earned < right:
            yield f"pays {earned} fen of commissions, by their rates {right}"
        whole = sum(_share(line.base_fen, line.rate_bp) for each in made for line in each.lines)
        left, most = sum(map(amount_of, made)), min(whole, _cap(one, base_of(one)))
        slack = sum(len(each.lines) for each in made) if whole > most else 0
        if not most - slack <= left <= most:
            yield f"pays {left} fen of what is left of it, by rates and cap {most}"
        if whole > most:
            yield from _share_faults(one, most, whole)


def _share_faults(one: Commission, most: int, whole: int) -> Iterator[str]:
    """Above the cap each line has its share of it, within a fen."""
    for line in one.lines:
        share = _share(line.base_fen, line.rate_bp) * most
        if abs(line.amount_fen * whole - share) > whole:
            yield f"{one.level} {line.sku_id}: {line.amount_fen} fen are left, by the rule {round(share / whole)}"


def commission_differences(
    commission: Commission, order: Order, is_capped: bool, moved: Mapping[str, str] = _NOBODY
) -> list[Difference]:
    """Recompute one commission from what was paid for each line and not given back. `is_capped`: all of its order are
    above their cap; `moved`: who turned out to be whom, as the buyer may have more than once."""
    about = f"{commission.order_id} level {commission.level}"
    found: list[Difference] = []
    buyer = moved.get(commission.buyer_id, commission.buyer_id)
    if buyer not in {moved.get(one, one) for one in (order.placed_as, order.member_id) if one}:
        found.append(Difference(about, f"the buyer is {order.member_id}, not {commission.buyer_id}"))
    if [line.sku_id for line in commission.lines] != [line.sku_id for line in order.lines]:
        return [*found, Difference(about, "its lines are not those of the order")]
    for line, ordered in zip(commission.lines, order.lines, strict=True):
        paid, remaining = ordered.payable_fen - ordered.reduced_fen, left_of(order, ordered)
        told = _line_faults(line, paid, remaining, is_capped)
        found += [Difference(about, f"{line.sku_id}: {what}") for what in told]
    base = base_of(commission)
    if commission.state == "reversed" and base:
        found.append(Difference(about, f"is reversed, and {base} fen were not given back"))
    if commission.state != "reversed" and not base:
        found.append(Difference(about, f"is {commission.state}, and all of its order was given back"))
    if commission.uncounted and order.state == "completed":
        found.append(Difference(about, "is not counted for a tier, and its order is completed"))
    if commission.state == "available" and order.received_at is None:
        found.append(Difference(about, "is available before the order was received"))
    return found


def _line_faults(line: CommissionLine, paid: int, remaining: int, is_capped: bool) -> Iterator[str]:
    if line.paid_fen != paid:
        yield f"of {line.paid_fen} fen paid, the order says {paid}"
    if line.base_fen != remaining:
        yield f"on {line.base_fen} fen, of the order {remaining} are left"
    full, by_rate = _share(line.paid_fen, line.rate_bp), _share(line.base_fen, line.rate_bp)
    if line.earned_fen > full:
        yield f"{line.earned_fen} fen are not {line.rate_bp} basis points"
    elif line.amount_fen > by_rate or (line.amount_fen < by_rate and not is_capped):
        yield f"{line.amount_fen} fen are left, by the rule {by_rate}"


def is_capped(made: Sequence[Commission]) -> bool:
    """Tell whether what all commissions of an order come to by their rates is above the cap on what is left of it."""
    whole = sum(_share(line.base_fen, line.rate_bp) for one in made for line in one.lines)
    return any(whole > _cap(one, base_of(one)) for one in made)


def version_differences(commission: Commission, order: Order, rules: DistributionRules | None) -> list[Difference]:
    """Hold what a commission was made by against the settings that held then."""
    about, version = f"{commission.order_id} level {commission.level}", commission.rules_version
    if rules is None:
        return [Difference(about, f"was made by version {version} of the settings, which is not kept")]
    found: list[Difference] = []
    if not pays_there(rules, order.address.region_code) or commission.level > rules.levels:
        found.append(Difference(about, f"version {version} pays no such level, or nobody there"))
    frozen = commission.freeze_days, commission.cap_bp, commission.cap_fen
    if frozen != (rules.freeze_days, rules.order_cap_bp, rules.order_cap_fen):
        found.append(Difference(about, f"its days or its cap are not those of version {version}"))
    tier = next((one for one in rules.tiers if one.tier_id == commission.tier), None)
    for line in commission.lines:
        if not _is_rate(line, commission.level, tier, rules):
            what = f"{line.sku_id}: {line.rate_bp} basis points of the {line.source} are not of version {version}"
            found.append(Difference(about, what))
    return found


def product_rate_faults(made: Sequence[Commission]) -> Iterator[str]:
    """A product's own rate is that of level 1, and bounds that of level 2, of which it has one of its own."""
    first = next((one for one in made if one.level == 1), None)
    for one in made:
        if first is None or one.level == 1 or len(first.lines) != len(one.lines):
            continue
        for above, line in zip(first.lines, one.lines, strict=True):
            has_own = above.source == "product"
            if (line.source == "product" and not has_own) or (has_own and line.rate_bp > above.rate_bp):
                yield f"{line.sku_id}: {line.rate_bp} basis points on level {one.level}, {above.rate_bp} on level 1"


def _is_rate(line: CommissionLine, level: int, tier: Tier | None, rules: DistributionRules) -> bool:
    """Whether the line's rate is one that these settings give: the product's own is not among them, and on the second
    level only stands in for a higher one."""
    has_tier = tier is not None and len(tier.rates_bp) >= level
    rates = tier.rates_bp if tier is not None and has_tier else rules.rates_bp
    own = rates[level - 1] if level <= len(rates) else 0
    if line.source == "product":
        return level == 1 or line.rate_bp < own
    return (line.rate_bp, line.source) == (own, "tier" if has_tier else "default")


def _cap(one: Commission, goods_fen: int) -> int:
    share = goods_fen * one.cap_bp // _WHOLE_BP
    return share if one.cap_fen is None else min(share, one.cap_fen)


def _share(fen: int, bp: int) -> int:
    return fen * bp // _WHOLE_BP
