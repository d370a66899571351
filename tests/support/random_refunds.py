"""What refunds of random malls must give back, and which of them a member gets at once: reckoned anew."""

from __future__ import annotations

from chalicelib.commerce.orders.rules import Order, OrderLine, Refund
from tests.support.random_play import Placed, Play
from tests.support.random_prices import Bought

#: States of a refund that takes its pieces out of the order.
_GRANTED = ("approved", "processing", "succeeded", "failed")


def pieces_back(order: Order, sku_id: str, *states: str) -> tuple[int, int]:
    """Pieces of a line in refunds that are not rejected (or in these states), and what they give back."""
    parts = [
        part
        for refund in order.refunds
        if (refund.state in states if states else refund.state != "rejected")
        for part in refund.lines
        if part.sku_id == sku_id and part.quantity
    ]
    return sum(part.quantity for part in parts), sum(part.amount_fen for part in parts)


def withheld_fen(refund: Refund) -> int:
    """What a refund keeps back because the rest costs more alone; below zero: what it gives back of that."""
    return int(getattr(refund, "withheld_fen", 0))


def check_asked(play: Play, refund: Refund, before: Order, by: str) -> None:
    """A refund that was just made is granted at once, or not, as it must be; by operators always."""
    placed = play.placed.get(before.order_id)
    if play.crossed or placed is None:
        return
    now = play.orders[before.order_id]
    if by == "operator":
        wanted, why = "approved", "an operator gives it"
    else:
        wanted, why = _wanted(play, placed, refund, before, now)
    if wanted and refund.state != wanted:
        play.differs(f"refund of {before.order_id} {before.state}", f"is {refund.state}, not {wanted}: {why}")


def _wanted(play: Play, placed: Placed, refund: Refund, before: Order, now: Order) -> tuple[str, str]:
    """The state that a member's request begins with, and why; "" where that is a matter of a fen."""
    to_ship = {line.sku_id: line.quantity - line.shipped - line.cancelled for line in before.lines}
    if any(part.quantity > to_ship[part.sku_id] for part in refund.lines):
        return "requested", "something was sent"
    if before.state == "awaiting_group":
        return "approved", "the group waits"
    if before.group is not None:
        return "requested", "the group has come together"
    back = {part.sku_id: part.quantity for part in refund.lines}
    gone = {line.sku_id: line.cancelled + line.returned + back.get(line.sku_id, 0) for line in before.lines}
    rest = [_less(line, line.quantity - gone[line.sku_id]) for line in placed.lines]
    rest = [line for line in rest if line.quantity]
    if not rest:
        return "approved", "nothing stays"
    dearer, slack, why = _dearer(play, placed, rest)
    if play.mall.deducts:
        kept = sum(withheld_fen(one) for one in now.refunds)
        if refund.state == "approved" and not max(0, dearer) - slack <= kept <= max(0, dearer) + slack:
            play.differs(f"refund of {before.order_id}", f"the rest costs {dearer} more, {kept} is kept back")
        return ("", "") if refund.amount_fen <= dearer + slack else ("approved", "the rest is deducted")
    if dearer > slack:
        return "requested", why
    return ("", "") if dearer > 0 else ("approved", "what stays keeps its price")


def _dearer(play: Play, placed: Placed, rest: list[Bought]) -> tuple[int, int, str]:
    """How much more what stays would cost alone by the order's own promotions, not by others that ran beside them;
    what of that may be rounding, and why it does."""
    shop = play.mall.shop
    own = [one for one in placed.promotions if one["id"] in placed.price.promotions]
    anew = shop.reckon(rest, own, new=placed.new, now=placed.at)
    paid, slack = 0.0, 2 * len(placed.lines) + 2
    for line in rest:
        whole = next(each for each in placed.lines if each.sku_id == line.sku_id)
        off = sum(each.get(line.sku_id, 0) for each in placed.price.promotions.values())
        paid += (whole.unit * whole.quantity - off) * line.quantity / whole.quantity
    freight = 0
    for template in {line.template for line in rest}:
        whole_of, rest_of = ([x for x in some if x.template == template] for some in (placed.lines, rest))
        freight += 0 if shop.freight_of(whole_of) else shop.freight_of(rest_of)
    why = f"what stays would cost {anew.goods}, not {paid:.0f}, and freight {freight}"
    return int(anew.goods - paid) + freight, slack, why


def _less(line: Bought, quantity: int) -> Bought:
    """The line with so many pieces."""
    return Bought(line.sku_id, line.product_id, quantity, line.unit, line.sale, line.template, line.group)


def check_refunds(play: Play, order: Order) -> None:
    """Each part gives back its share within a fen, all parts the whole; pieces and money agree."""
    about = f"refunds of {order.order_id}"
    for line in order.lines:
        _check_line(play, about, order, line)
    for refund in order.refunds:
        if refund.state not in ("succeeded", "rejected"):
            play.differs(about, f"{refund.refund_id} is {refund.state} {refund.outcome}")
        whole = refund.goods_fen + refund.freight_fen - withheld_fen(refund)
        if refund.amount_fen != whole:
            play.differs(about, f"{refund.refund_id} gives {refund.amount_fen} of {whole}")
        if refund.goods_fen != sum(part.amount_fen for part in refund.lines) and not refund.late:
            play.differs(about, f"{refund.refund_id} gives {refund.goods_fen} for its lines")
    done = sum(refund.amount_fen for refund in order.refunds if refund.state == "succeeded")
    if order.refunded_fen != done:
        play.differs(about, f"the order says {order.refunded_fen}, its refunds {done}")
    kept = play.wechat.kept_fen(order.order_id)
    if kept != order.paid_fen - done:
        play.differs(about, f"WeChat has {kept}, the order {order.paid_fen} - {done}")
    if order.state == "closed" and order.paid_at and not order.shipments and kept:
        play.differs(about, f"nothing was sent, and {kept} of it is kept")


def _check_line(play: Play, about: str, order: Order, line: OrderLine) -> None:
    gone, fen = pieces_back(order, line.sku_id, *_GRANTED)
    paid = line.payable_fen - line.reduced_fen
    if line.cancelled + line.returned != gone:
        play.differs(about, f"{line.cancelled} + {line.returned} pieces of {line.sku_id} are back, refunds say {gone}")
    if abs(fen * line.quantity - paid * gone) > line.quantity:
        play.differs(about, f"{gone} of {line.quantity} pieces for {paid} give back {fen}")
    if gone == line.quantity and fen != paid:
        play.differs(about, f"all of {line.sku_id} gives back {fen} of {paid}")
    unpaid = order.state == "closed" and not line.cancelled and not line.returned
    least, most = (line.quantity, line.quantity) if unpaid else (line.cancelled, gone)
    if not least <= line.restocked <= most:
        play.differs(about, f"{line.restocked} pieces of {line.sku_id} are in stock again, not {least} to {most}")
