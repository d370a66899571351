"""How lobbies end and what their orders cost in the end, recomputed from the terms. Pure; no formula of the rules is
used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from chalicelib.commerce.coupons.rules import Held, Scope
from chalicelib.commerce.orders.placement.checks import LEADER_PRICE
from chalicelib.commerce.orders.rules import Order, OrderLine
from chalicelib.commerce.pricing.checks import Goods, coupon_range, meets_threshold
from chalicelib.growth.groupbuy.rules import Lobby, Price, Terms

#: So long after its expiry a lobby must have ended, and its orders with it.
ENDED_AFTER = timedelta(hours=1)


def least(terms: Terms) -> int:
    """Tell with how many paid seats a lobby succeeds when its time is over."""
    if terms.kind == "ladder":
        return min(price.size for price in terms.prices)
    return min(terms.min_fill or terms.size, terms.size)


def price_faults(order: Order, lobby: Lobby, coupons: Mapping[str, Held] | None) -> Iterator[str]:
    """Hold what an order paid for its seat against the prices of its lobby. Coupons by id; where they are None, orders
    of a ladder that have some are left out."""
    terms, line = lobby.terms, order.lines[0]
    begins = least(terms) if terms.kind == "ladder" else terms.size
    at_first = _price(terms, line.sku_id, begins)
    if at_first is None or len(order.lines) > 1:
        yield "bought what its group does not sell"
        return
    low, high = _goods_range(order, line, at_first, at_first)
    if not low <= line.amount_fen - _advantage(order) <= high:
        yield f"{line.quantity} pieces cost {line.amount_fen - _advantage(order)} fen, in its group {high}"
    if terms.kind != "ladder" or lobby.state != "succeeded" or not _is_settled(order):
        return
    reached = max(price.size for price in terms.prices if price.size <= max(lobby.taken, begins))
    if order.reckoned is not None and order.reckoned.step != reached:
        yield f"is reckoned at the step of {order.reckoned.step}, and {reached} was reached"
    price = _price(terms, line.sku_id, reached)
    if price is None or (order.coupons and coupons is None):
        return
    low, high = _with_coupons(order, line, _goods_range(order, line, price, at_first), coupons or {})
    kept = line.payable_fen - line.reduced_fen
    if not min(low, line.payable_fen) <= kept <= min(high, line.payable_fen):
        yield f"pays {kept} fen for its goods; at the step of {reached} they cost {high}"


def _price(terms: Terms, sku_id: str, size: int) -> Price | None:
    return next((one for one in terms.prices if (one.sku_id, one.size) == (sku_id, size)), None)


def _advantage(order: Order) -> int:
    """What the leader's price takes off, where that is a discount on one piece."""
    return sum(off.discount_fen for off in order.discounts if off.kind == LEADER_PRICE)


def _goods_range(order: Order, line: OrderLine, price: Price, at_first: Price) -> tuple[int, int]:
    """From how much to how much the goods cost at a price, before coupons.

    A leader has one piece at the leader's price, by a discount; an order from before that was one has every piece at
    it, and its own price says so. Where neither shows, it may be either.
    """
    all_pieces = price.price_fen * line.quantity
    if order.group is None or not order.group.leader or price.leader_price_fen is None:
        return all_pieces, all_pieces
    one_piece = all_pieces - max(0, price.price_fen - price.leader_price_fen)
    every_piece = price.leader_price_fen * line.quantity
    if any(off.kind == LEADER_PRICE for off in order.discounts):
        return one_piece, one_piece
    if line.unit_price_fen != at_first.price_fen:
        return every_piece, every_piece
    return min(one_piece, every_piece), max(one_piece, every_piece)


def _with_coupons(
    order: Order, line: OrderLine, goods: tuple[int, int], coupons: Mapping[str, Held]
) -> tuple[int, int]:
    """From how much to how much the goods come to with the order's coupons, each by its terms on what is before it."""
    low, high = goods
    before = _as_goods(line, high)
    for used in order.coupons:
        held = coupons.get(used.coupon_id)
        if held is None:
            return 0, high
        # That the product is in the coupon's scope was decided as the order was placed.
        terms = msgspec.structs.replace(held.coupon.terms, scope=Scope())
        if terms.kind == "free_shipping" or not meets_threshold(terms, [before]):
            continue
        low -= coupon_range(terms, [_as_goods(line, low)]).most_fen
        high -= coupon_range(terms, [_as_goods(line, high)]).least_fen
    return low, high


def _as_goods(line: OrderLine, cost_fen: int) -> Goods:
    return Goods(
        sku_id=line.sku_id, product_id=line.product_id, quantity=line.quantity, unit_fen=line.unit_price_fen,
        cost_fen=cost_fen, floor_low_fen=line.floor_fen, floor_high_fen=line.floor_fen,
    )  # fmt: skip


def _is_settled(order: Order) -> bool:
    """Whether the order's group has ended, and the order went to shipping by that."""
    return order.group is not None and order.group.state == "taken" and order.confirmed_at is not None


def overdue(lobby: Lobby, now: datetime) -> Iterator[str]:
    """Find a lobby that should long have ended."""
    if lobby.expires_at is None or now - lobby.expires_at <= ENDED_AFTER:
        return
    if lobby.state in ("opening", "open"):
        yield f"expired at {lobby.expires_at:%Y-%m-%d %H:%M}, and is {lobby.state}"
    elif not lobby.finished:
        yield f"expired at {lobby.expires_at:%Y-%m-%d %H:%M}, is {lobby.state}, and not all its orders are seen to"
