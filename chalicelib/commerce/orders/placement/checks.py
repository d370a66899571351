"""An order's prices, recomputed line by line, and each coupon and promotion held against its own terms. Pure; no
formula of the rules is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.orders.rules import Order, OrderCoupon
from chalicelib.commerce.pricing.basket.rules import Discount
from chalicelib.commerce.pricing.checks import (
    Goods,
    coupon_range,
    freight_coupon_fen,
    meets_threshold,
    promotion_most_fen,
)
from chalicelib.commerce.pricing.promotions.rules import Promotion

#: The one thing that comes off the price of a group-buy beside coupons.
LEADER_PRICE = "leader_price"
_WHOLE_BP = 10_000


def price_faults(order: Order) -> Iterator[str]:
    """Find what does not add up: pieces x price, less discounts, plus freight."""
    for line in order.lines:
        if line.quantity < 1 or min(line.unit_price_fen, line.discount_fen, line.payable_fen) < 0:
            yield f"{line.sku_id}: {line.quantity} pieces, {line.discount_fen} fen off, {line.payable_fen} fen to pay"
        if line.amount_fen != line.unit_price_fen * line.quantity:
            yield f"{line.sku_id}: {line.quantity} pieces of {line.unit_price_fen} fen are not {line.amount_fen}"
        if line.amount_fen - line.discount_fen != line.payable_fen:
            yield f"{line.sku_id}: {line.amount_fen} less {line.discount_fen} fen is not {line.payable_fen}"
    sums = (
        ("goods", order.goods_fen, sum(line.amount_fen for line in order.lines)),
        ("discount", order.discount_fen, sum(line.discount_fen for line in order.lines)),
        ("payable", order.payable_fen, sum(line.payable_fen for line in order.lines) + order.freight_fen),
    )
    yield from (f"its {name} is {says} fen, its lines say {are}" for name, says, are in sums if says != are)
    yield from _discount_faults(order)


def _discount_faults(order: Order) -> Iterator[str]:
    """The discounts against the lines that they are on, and against the order's coupons."""
    by_line: Counter[str] = Counter()
    by_coupon: Counter[str] = Counter()
    for off in order.discounts:
        on_lines = sum(part.discount_fen for part in off.lines)
        by_line.update({part.sku_id: part.discount_fen for part in off.lines})
        if off.source == "coupon":
            by_coupon[off.id] += off.discount_fen
        if off.kind == "free_shipping":
            if off.lines:
                yield f"{off.name} takes {on_lines} fen off goods, and is for the freight"
        elif on_lines != off.discount_fen:
            yield f"{off.name} takes off {off.discount_fen} fen, on its lines {on_lines}"
        yield from _promotion_faults(order, off)
    for line in order.lines:
        if by_line[line.sku_id] != line.discount_fen:
            yield f"{line.sku_id}: {line.discount_fen} fen are off, its discounts say {by_line[line.sku_id]}"
    for used in order.coupons:
        if by_coupon.pop(used.coupon_id, 0) != used.discount_fen:
            yield f"coupon {used.coupon_id} takes off {used.discount_fen} fen, the discounts say otherwise"
    yield from (f"coupon {coupon_id} takes {fen} fen off, and is none of the order's" for coupon_id, fen in
                by_coupon.items())  # fmt: skip


def _promotion_faults(order: Order, off: Discount) -> Iterator[str]:
    """What needs no terms: a group's price takes no promotion, a named price for one piece no more than that piece."""
    if off.source != "promotion":
        return
    if off.kind != LEADER_PRICE and order.group is not None:
        yield f"{off.name} is a promotion, and the order is of a group"
    if off.kind == LEADER_PRICE and (order.group is None or not order.group.leader):
        yield f"{off.name} is a leader's, and the order is no leader's"
    if off.kind in (LEADER_PRICE, "new_customer_price"):
        prices = {line.sku_id: line.unit_price_fen for line in order.lines}
        if len(off.lines) > 1 or any(part.discount_fen > prices.get(part.sku_id, 0) for part in off.lines):
            yield f"{off.name} is for one piece, and takes off {off.discount_fen} fen"


def coupon_faults(
    order: Order, coupons: Mapping[str, Held], floor_bp: int = 0, merged: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Hold what each coupon of the order takes off against the coupon's own terms. `floor_bp`: the highest floor that
    prices may have had, in basis points. `merged`: whom members were merged into."""
    costs = _after_promotions(order)
    whole = _goods(order, costs, floor_bp)
    places: Counter[str] = Counter()
    for used in order.coupons:
        held = coupons.get(used.coupon_id)
        if held is None:  # named where coupons are held against orders
            continue
        terms = held.coupon.terms
        about = f"coupon {used.coupon_id}"
        places["freight" if terms.kind == "free_shipping" else terms.stacking] += 1
        yield from (f"{about} {what}" for what in _document_faults(order, used, held, merged or {}))
        if not meets_threshold(terms, whole):
            yield f"{about} is from {terms.threshold_fen} fen on"
        if terms.kind == "free_shipping":
            right = freight_coupon_fen(terms, order.freight_fen + used.discount_fen)
            least, most = right, right
        else:
            found = coupon_range(terms, _goods(order, costs, floor_bp))
            least, most = found.least_fen, found.most_fen
            _take(costs, order.discounts, used.coupon_id)
        if not least <= used.discount_fen <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            yield f"{about} takes off {used.discount_fen} fen, by its terms {wanted}"
    yield from (f"has {count} coupons of one place: {place}" for place, count in places.items() if count > 1)


def _document_faults(order: Order, used: OrderCoupon, held: Held, merged: Mapping[str, str]) -> Iterator[str]:
    coupon = held.coupon
    if merged.get(coupon.member_id, coupon.member_id) != merged.get(order.member_id, order.member_id):
        yield f"is {coupon.member_id}'s"
    if (coupon.template_id, coupon.terms.returns) != (used.template_id, used.returns):
        yield "is of another template, or comes back otherwise"
    if not coupon.valid_from <= order.created_at < coupon.valid_until:
        yield "was not valid as the order was placed"


def promotion_faults(order: Order, promotions: Mapping[tuple[str, int], Promotion]) -> Iterator[str]:
    """Hold what each promotion takes off against its terms, where the version that the order names is known."""
    for off in order.discounts:
        promotion = promotions.get((off.id, off.version))
        if off.source != "promotion" or promotion is None:
            continue
        if promotion.__struct_config__.tag != off.kind:
            yield f"{off.name} is a {promotion.__struct_config__.tag}, and taken for a {off.kind}"
        most = promotion_most_fen(promotion, _goods(order, _full(order), 0), order.created_at)
        if off.discount_fen > most:
            yield f"{off.name} takes off {off.discount_fen} fen, by its terms {most} at the most"


def _full(order: Order) -> Counter[str]:
    return Counter({line.sku_id: line.amount_fen for line in order.lines})


def _after_promotions(order: Order) -> Counter[str]:
    """What each line costs before coupons."""
    costs = _full(order)
    for off in order.discounts:
        if off.source == "promotion":
            costs.subtract({part.sku_id: part.discount_fen for part in off.lines})
    return costs


def _take(costs: Counter[str], discounts: Sequence[Discount], coupon_id: str) -> None:
    for off in discounts:
        if off.source == "coupon" and off.id == coupon_id:
            costs.subtract({part.sku_id: part.discount_fen for part in off.lines})


def _goods(order: Order, costs: Mapping[str, int], floor_bp: int) -> list[Goods]:
    """The lines at these costs. Of a group-buy the floor is on the line; of another order it is one of those that the
    mall has had."""
    return [
        Goods(
            sku_id=line.sku_id, product_id=line.product_id, quantity=line.quantity, unit_fen=line.unit_price_fen,
            cost_fen=costs[line.sku_id], floor_low_fen=0 if order.group is None else line.floor_fen,
            floor_high_fen=line.floor_fen if order.group is not None else -(-line.amount_fen * floor_bp // _WHOLE_BP),
        )
        for line in order.lines
    ]  # fmt: skip
