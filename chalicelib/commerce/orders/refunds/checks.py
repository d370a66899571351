"""An order's refunds, recomputed: what pieces went back, and what share of the price with them. Pure; no formula of the
rules is used."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from chalicelib.commerce.orders.rules import Order, OrderLine, Refund

#: States of a refund that was granted, whether it is paid out or not.
GRANTED = frozenset({"approved", "processing", "succeeded", "failed"})
#: Granted, and not yet at its end by itself.
_ON_ITS_WAY = frozenset({"approved", "processing"})
#: After so long on its way somebody must look at a refund.
STUCK_AFTER = timedelta(days=1)


def granted(order: Order) -> list[Refund]:
    """List the refunds that took something out of the order, without a payment's that came too late."""
    return [refund for refund in order.refunds if refund.state in GRANTED and not refund.late]


def amount(refund: Refund) -> int:
    """Add up what a refund gives back, in fen: less than the shares of its pieces where what stays costs more without
    them, more where an earlier one had kept too much for that."""
    return refund.goods_fen + refund.freight_fen - refund.withheld_fen


def is_all_back(order: Order) -> bool:
    """Tell whether every piece of the order was refunded."""
    return all(line.cancelled + line.returned == line.quantity for line in order.lines)


def left_of(order: Order, line: OrderLine) -> int:
    """Tell what of a line's price was paid and not given back, in fen; what was withheld counts as given back, since
    its pieces are."""
    return line.payable_fen - sum(
        part.amount_fen for refund in granted(order) for part in refund.lines if part.sku_id == line.sku_id
    )


def refund_faults(order: Order) -> Iterator[str]:
    """Find what refunds say that their order does not, or that is no fair share of it."""
    for line in order.lines:
        yield from _line_faults(order, line)
    for refund in order.refunds:
        on_lines = sum(part.amount_fen for part in refund.lines)
        if not refund.late and on_lines != refund.goods_fen:
            yield f"refund {refund.refund_id} gives {refund.goods_fen} fen of goods, its lines say {on_lines}"
        if min(refund.goods_fen, refund.freight_fen, amount(refund)) < 0:
            yield f"refund {refund.refund_id} is below zero"
        if refund.late and amount(refund) != order.paid_fen:
            yield f"refund {refund.refund_id} of a late payment gives {amount(refund)} of {order.paid_fen} fen"
    asked = sum(amount(refund) for refund in order.refunds if refund.state != "rejected")
    done = sum(amount(refund) for refund in order.refunds if refund.state == "succeeded")
    if asked > order.paid_fen:
        yield f"refunds of {asked} fen exceed {order.paid_fen} paid"
    if done != order.refunded_fen:
        yield f"refunded: the order says {order.refunded_fen} fen, its refunds say {done}"
    yield from _freight_faults(order)
    yield from _whole_faults(order)


def _line_faults(order: Order, line: OrderLine) -> Iterator[str]:
    about, gone = line.sku_id, line.cancelled + line.returned
    parts = [(one, part) for one in order.refunds if not one.late for part in one.lines if part.sku_id == line.sku_id]
    given = sum(part.quantity for one, part in parts if one.state in GRANTED)
    asked = sum(part.quantity for one, part in parts if one.state != "rejected")
    if given != gone:
        yield f"{about}: {gone} pieces are cancelled or returned, its refunds say {given}"
    if asked > line.quantity or min(line.cancelled, line.returned) < 0:
        yield f"{about}: {asked} of {line.quantity} pieces are refunded or asked back"
    lowered = sum(part.amount_fen for one, part in parts if one.state in GRANTED and not part.quantity)
    if lowered != line.reduced_fen:
        yield f"{about}: the price is lowered by {line.reduced_fen} fen, its refunds say {lowered}"
    back = sum(part.amount_fen for one, part in parts if one.state != "rejected" and part.quantity)
    share = max(0, (line.payable_fen - line.reduced_fen) * asked // line.quantity)
    # Each request that was rejected may leave a fen of rounding with those that came after it.
    slack = 1 + sum(one.state == "rejected" for one, _ in parts)
    if abs(back - share) > slack:
        yield f"{about}: {asked} of {line.quantity} pieces give back {back} fen, their share is {share}"


def _freight_faults(order: Order) -> Iterator[str]:
    """Freight goes back with the last pieces of an order of which nothing was sent, or with all that was paid."""
    back = sum(refund.freight_fen for refund in granted(order))
    undecided = any(refund.state in ("requested", "rejected") for refund in order.refunds)
    has_won = order.group is not None and order.group.state == "won"
    is_lowered = has_won or any(line.reduced_fen for line in order.lines)
    is_free = is_lowered and sum(left_of(order, line) for line in order.lines) == 0
    if not 0 <= back <= order.freight_fen:
        yield f"{back} fen of {order.freight_fen} fen freight are given back"
    elif not order.shipments and is_all_back(order) and order.paid_at and not _is_late(order):
        if back < order.freight_fen:
            yield f"all of it is given back, and of {order.freight_fen} fen freight {back}"
    elif back and not is_all_back(order) and not is_free and not undecided:
        yield f"{back} fen freight are given back, and pieces stay"


def _whole_faults(order: Order) -> Iterator[str]:
    """An order that was refunded whole has nothing left of its goods; it is closed."""
    if order.paid_at is None or _is_late(order):
        return
    if is_all_back(order) != (order.state == "closed"):
        yield f"is {order.state}, and {'all' if is_all_back(order) else 'not all'} of its pieces are refunded"
    kept = sum(left_of(order, line) for line in order.lines)
    if is_all_back(order) and kept:
        yield f"every piece is refunded, and {kept} fen of the goods are not"
    if sum(refund.withheld_fen for refund in granted(order)) < 0:
        yield "its refunds give back more than was withheld"


def _is_late(order: Order) -> bool:
    return any(refund.late for refund in order.refunds)


def stuck_refunds(order: Order, now: datetime) -> Iterator[str]:
    """Find refunds that have been on their way for a day since anything was heard of the order's refunds."""
    heard = max((event.at for event in order.history if event.what.startswith("refund")), default=order.created_at)
    for refund in order.refunds:
        since = max(refund.created_at, heard)
        if refund.state in _ON_ITS_WAY and now - since > STUCK_AFTER:
            yield f"refund {refund.refund_id} is {refund.state} since {since:%Y-%m-%d %H:%M}"
