"""What the journal must say of an order, recomputed from the order's document alone. Pure; no formula of the rules is
used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chalicelib.commerce.orders.refunds.checks import amount, granted, is_all_back
from chalicelib.commerce.orders.rules import Order, OrderLine
from chalicelib.commerce.pricing.basket.rules import Discount
from chalicelib.core.difference import Difference
from chalicelib.ledger.checks import COUPONS, FREIGHT, GOODS, PROMOTIONS, REFUNDS_OWED, SURPLUS, WECHAT, on, stands
from chalicelib.ledger.rules import Entry

#: The only accounts that an order's own money moves.
_OWN = frozenset({WECHAT, GOODS, FREIGHT, COUPONS, PROMOTIONS, REFUNDS_OWED, SURPLUS})


def differences_of_order(order: Order, entries: Sequence[Entry]) -> list[Difference]:
    """Compare what the order says of its money with what was posted for it; list every difference."""
    return [Difference(order.order_id, what) for what in _faults(order, entries)]


def _faults(order: Order, entries: Sequence[Entry]) -> Iterator[str]:
    posted = stands(entries)
    paid = sum(on(entry, WECHAT) for entry in entries if entry.cause in ("paid", "paid-late"))
    refunded = -sum(on(entry, WECHAT) for entry in entries if entry.cause.startswith("refunded:"))
    owed = sum(amount(one) for one in order.refunds if one.state in ("approved", "processing", "failed"))
    done = sum(amount(one) for one in order.refunds if one.state == "succeeded")
    checks = [
        ("paid", order.paid_fen, "entries say", paid),
        ("refunded", order.refunded_fen, "entries say", refunded),
        ("refunded", order.refunded_fen, "its refunds say", done),
        ("refunds owed", owed, "entries say", -posted[REFUNDS_OWED]),
        ("payments without an order", 0, "entries say", -posted[SURPLUS]),
        *_sale(order, -posted[GOODS], -posted[FREIGHT], posted[COUPONS], posted[PROMOTIONS]),
    ]
    yield from (f"{name}: the order says {ours} fen, {who} {theirs}" for name, ours, who, theirs in checks
                if ours != theirs)  # fmt: skip
    if order.paid_fen and order.paid_fen != order.payable_fen:
        yield f"paid {order.paid_fen} fen of {order.payable_fen}"
    if done + owed > order.paid_fen:
        yield f"refunds of {done + owed} fen exceed {order.paid_fen} paid"
    yield from _refund_faults(order, entries)
    yield from (
        f"entry {entry.cause} moves {posting.account}"
        for entry in entries
        if not entry.cause.startswith("commission:")
        for posting in entry.postings
        if posting.account not in _OWN
    )


def _sale(
    order: Order, goods: int, freight: int, coupons: int, promotions: int
) -> list[tuple[str, int, str, int]]:  # fmt: skip
    """What stands of the sale: each price as it was, without what went back of it. Given is what was posted."""
    names = "goods", "freight", "coupons", "promotions"
    theirs = goods, freight, coupons, promotions
    return [(name, one, "entries say", other) for name, one, other in zip(names, _kept(order), theirs, strict=True)]


def _kept(order: Order) -> tuple[int, int, int, int]:
    """Goods, freight, coupons and promotions that the mall still has of the order, in fen; nothing where no payment was
    taken for it."""
    if order.paid_at is None or any(refund.late for refund in order.refunds):
        return 0, 0, 0, 0
    stand = _discounts(order)
    coupons = sum(_stays(line, _off(stand, line, "coupon")) for line in order.lines)
    discounts = sum(_stays(line, _off(stand, line, "coupon", "promotion")) for line in order.lines)
    off_freight = sum(off.discount_fen - sum(part.discount_fen for part in off.lines) for off in order.discounts)
    if is_all_back(order) and not order.shipments:
        off_freight = 0
    back = granted(order)
    paid = sum(line.payable_fen for line in order.lines) - sum(one.goods_fen - one.withheld_fen for one in back)
    freight = order.freight_fen - sum(refund.freight_fen for refund in back)
    return paid + discounts, freight + off_freight, coupons + off_freight, discounts - coupons


def _stays(line: OrderLine, fen: int) -> int:
    """The part of an amount of the line that stays with its pieces, rounded up: what goes back is rounded down."""
    kept = line.quantity - line.cancelled - line.returned
    return -(-fen * kept // line.quantity)


def _discounts(order: Order) -> Sequence[Discount]:
    """The discounts that count: of an order that was reckoned anew at another price, those at that price."""
    return order.discounts if order.reckoned is None else order.reckoned.discounts


def _off(discounts: Sequence[Discount], line: OrderLine, *sources: str) -> int:
    return sum(
        part.discount_fen
        for off in discounts
        if off.source in sources
        for part in off.lines
        if part.sku_id == line.sku_id
    )


def _refund_faults(order: Order, entries: Sequence[Entry]) -> Iterator[str]:
    """Each refund by itself: granted once for what it gives, and paid out once where it has succeeded."""
    known = [refund for refund in order.refunds if refund.state not in ("requested", "rejected") and amount(refund)]
    said = {
        "granted": {refund.refund_id: amount(refund) for refund in known},
        "refunded": {refund.refund_id: amount(refund) for refund in known if refund.state == "succeeded"},
    }
    for kind, account in (("granted", REFUNDS_OWED), ("refunded", WECHAT)):
        theirs = {
            entry.cause.partition(":")[2]: fen
            for entry in entries
            if entry.cause.startswith(f"{kind}:") and (fen := -on(entry, account))
        }
        for number in sorted(said[kind].keys() | theirs.keys()):
            ours, posted = said[kind].get(number, 0), theirs.get(number, 0)
            if ours != posted:
                yield f"refund {number}: {kind} {ours} fen, its entry says {posted}"
