"""Whether what stays of an order after a refund still meets the conditions of its prices, and what it costs more where
it does not. Pure.

What stays is reckoned anew as it was ordered: by the promotions and freight templates of the order, in their versions
of then, without its coupons, which stay on it in proportion. A coupon's threshold is no condition, nor is being a new
customer. The price of a group hangs on the others in it, so once a group has come together its orders go back only by
a person's decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from chalicelib.commerce.orders.accounting.rules import off_lines, paid_for
from chalicelib.commerce.orders.refunds.rules import freight_left, left_after, withheld
from chalicelib.commerce.orders.rules import Order, OrderLine, Refund
from chalicelib.commerce.pricing.basket.rules import Item
from chalicelib.commerce.pricing.freight.rules import FreightTemplate, freight_fen
from chalicelib.commerce.pricing.promotions.rules import Promotion
from chalicelib.commerce.pricing.rules import Benefits, quote
from chalicelib.core.errors import MallError

#: Why a refund is only requested, though nothing of it was sent.
Because = Literal["promotion_condition", "free_freight", "group_succeeded", "lottery_drawn"]

#: Kinds of promotions that ask for nothing else to be bought: a first order, and the first seat of a group.
UNCONDITIONAL = ("new_customer_price", "leader_price")


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What an order was priced by: its lines with their products' weights, templates and categories of now, and of then
    the promotions, and the freight templates by which it went free."""

    items: Sequence[Item]
    promotions: Mapping[str, Promotion]
    templates: Mapping[str, FreightTemplate]
    floor_bp: int = 0


class Dearer(msgspec.Struct, frozen=True):
    """How much more goods and freight of what stays would cost alone, in fen; what is within `slack_fen` is rounding,
    a fen for each line and promotion on it."""

    goods_fen: int
    freight_fen: int
    slack_fen: int

    @property
    def fen(self) -> int:
        """All of it, without what is rounding."""
        more = self.goods_fen + self.freight_fen
        return more if more > self.slack_fen else 0

    @property
    def because(self) -> Because:
        """Which condition is lost."""
        return "promotion_condition" if self.goods_fen > self.slack_fen else "free_freight"


def has_terms(order: Order) -> bool:
    """Tell whether a price of the order hangs on what else is bought in it."""
    return order.group is None and (_is_promoted(order) or bool(order.free_freight))


def asks_for_terms(order: Order, refund: Refund, by_mall: bool) -> bool:
    """Tell whether the terms must be known to say what becomes of this refund. The mall's own is granted in full, so
    only where an earlier refund kept something back."""
    if not has_terms(order) or not any(left_after(order, refund).values()):
        return False
    return withheld(order) > 0 if by_mall else refund.state == "approved"


def held_to_conditions(order: Order, refund: Refund, terms: Terms | None, deducts: bool) -> Refund:
    """Say what becomes of a refund that a member asks for: granted where the rest still meets the conditions of its
    prices, or (`deducts`) less what the rest costs more; else only requested, with the reason.

    `terms` are those that `asks_for_terms`; None, where they are not known any more.
    """
    if refund.state != "approved":
        return refund
    if order.group is not None and order.state != "awaiting_group":
        drawn = order.group.state in ("won", "lost")
        return _only_requested(refund, "lottery_drawn" if drawn else "group_succeeded")
    if not asks_for_terms(order, refund, by_mall=False):
        return _giving_back(order, refund, 0)
    dearer = None if terms is None else reckoned_anew(order, refund, terms)
    if dearer is None:
        return _only_requested(refund, "promotion_condition" if _is_promoted(order) else "free_freight")
    if dearer.fen <= withheld(order) + dearer.slack_fen:
        return _giving_back(order, refund, dearer.fen)
    less = msgspec.structs.replace(refund, withheld_fen=dearer.fen - withheld(order))
    return less if deducts and less.amount_fen > 0 else _only_requested(refund, dearer.because)


def granted_in_full(order: Order, refund: Refund, terms: Terms | None) -> Refund:
    """Give the refund as the mall grants it: nothing is kept back, and of what earlier ones kept, what the rest does
    not cost any more goes back; freight, too, with the last pieces of an order of which nothing was sent."""
    ends_unsent = not any(left_after(order, refund).values()) and not order.shipments
    others = msgspec.structs.replace(order, refunds=[one for one in order.refunds if one.refund_id != refund.refund_id])
    refund = msgspec.structs.replace(refund, freight_fen=freight_left(others) if ends_unsent else 0)
    if not asks_for_terms(order, refund, by_mall=True):
        return _giving_back(order, refund, 0)  # of all that is left, or nothing was kept
    dearer = None if terms is None else reckoned_anew(order, refund, terms)
    return refund if dearer is None else _giving_back(order, refund, dearer.fen)


def reckoned_anew(order: Order, refund: Refund, terms: Terms) -> Dearer | None:
    """Reckon how much more what stays after the refund would cost than stays paid for it. None where the order as it
    was placed cannot be reckoned anew to the fen: something it was priced by is not as it was."""
    whole = _goods(order, terms, terms.items)
    as_placed = {
        line.sku_id: line.amount_fen - off_lines(order.discounts, "promotion", line.sku_id) for line in order.lines
    }
    if whole != as_placed or not set(terms.templates) <= {item.template_id for item in terms.items}:
        return None
    if _freight(order, terms, terms.items) != 0:
        return None
    left = left_after(order, refund)
    items = [msgspec.structs.replace(item, quantity=left[item.sku_id]) for item in terms.items if left[item.sku_id]]
    goods, freight = _goods(order, terms, items), _freight(order, terms, items)
    if freight is None:
        return None
    kept = {line.sku_id: _stays_paid(order, line, refund, left[line.sku_id]) for line in order.lines}
    return Dearer(
        goods_fen=sum(fen - kept[sku_id] for sku_id, fen in goods.items()),
        freight_fen=freight,
        slack_fen=sum(max(1, _promotions_on(order, sku_id)) for sku_id in goods),
    )


def _goods(order: Order, terms: Terms, items: Sequence[Item]) -> dict[str, int]:
    """What each line costs before coupons, in fen, as it was when the order was placed."""
    benefits = Benefits(
        now=order.created_at, promotions=terms.promotions, new_customer=order.newcomer, floor_bp=terms.floor_bp
    )
    return {line.sku_id: line.payable_fen for line in quote(items, {}, None, benefits).lines}


def _freight(order: Order, terms: Terms, items: Sequence[Item]) -> int | None:
    """What the items cost freight by the templates that spared it, in fen. None where it cannot be told."""
    concerned = [item for item in items if item.template_id in terms.templates]
    try:
        return freight_fen(concerned, terms.templates, order.address.region_code)
    except MallError:  # not served any more
        return None


def _stays_paid(order: Order, line: OrderLine, refund: Refund, left: int) -> int:
    """What stays paid for the line after the refund, in fen, and what coupons took off it."""
    part = sum(one.amount_fen for one in refund.lines if one.sku_id == line.sku_id)
    coupons = off_lines(order.discounts, "coupon", line.sku_id)
    return paid_for(order, line.sku_id) - part + -(-coupons * left // line.quantity)


def _is_promoted(order: Order) -> bool:
    return any(off.source == "promotion" and off.kind not in UNCONDITIONAL for off in order.discounts)


def _promotions_on(order: Order, sku_id: str) -> int:
    return sum(off.source == "promotion" and any(p.sku_id == sku_id for p in off.lines) for off in order.discounts)


def _only_requested(refund: Refund, why: Because) -> Refund:
    return msgspec.structs.replace(refund, state="requested", first_state="requested", because=why)


def _giving_back(order: Order, refund: Refund, still_fen: int) -> Refund:
    """The refund, with which goes back what earlier ones kept above `still_fen`."""
    return msgspec.structs.replace(refund, withheld_fen=min(0, still_fen - withheld(order)))
