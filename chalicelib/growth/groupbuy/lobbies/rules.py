"""What becomes of the orders of a lobby that has ended. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal

import msgspec

from chalicelib.commerce.coupons.rules import Coupon, Held, Scope
from chalicelib.commerce.orders.rules import Order, OrderLine, Reckoned
from chalicelib.commerce.pricing.basket.rules import Basket, Item, Lead, led
from chalicelib.commerce.pricing.discounts.rules import couponed
from chalicelib.core.money import yuan
from chalicelib.growth.groupbuy.rules import Lobby, Lottery, Price, Terms


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one order when its lobby has ended.

    `ships`: it goes to shipping, else it is refunded whole. `free`: all that was paid is given back although it ships.
    `step`: of a ladder, the step whose price it has. `what` is the word in its history; `why` the reason of the refund.
    """

    seat: Literal["taken", "failed", "won", "lost"]
    ships: bool
    what: str
    why: str = ""
    step: int = 0
    free: bool = False


FAILED = Fate(seat="failed", ships=False, what="group_failed", why="拼团未成团，原路退款")
SUCCEEDED = Fate(seat="taken", ships=True, what="group_succeeded")
#: Of an order that takes part in the draw over its whole activity, before that is drawn.
ENTERS: Final = "enters"


def fate(lobby: Lobby, order: Order, winners: Collection[str] | None) -> Fate | Literal["enters"]:
    """Tell what becomes of an order with a paid seat in this lobby, which has ended.

    `winners` are the winning orders of the draw that decides: that in the lobby, or that over its activity (None before
    it: the order enters the draw). Raises ValueError while the lobby is open, and for a draw in it that was not made.
    """
    if lobby.state == "failed":
        return FAILED
    if lobby.state != "succeeded":
        raise ValueError(f"a lobby that is {lobby.state} has not ended")
    terms = lobby.terms
    if terms.lottery is not None:
        if winners is not None:
            return lottery_fate(terms.lottery, order.order_id in winners)
        if terms.lottery.per != "activity":
            raise ValueError("the draw in the lobby comes first")
        return ENTERS
    if terms.kind != "ladder":
        return SUCCEEDED
    return msgspec.structs.replace(SUCCEEDED, step=terms.step(lobby.taken))


class Anew(msgspec.Struct, frozen=True, kw_only=True):
    """How an order of a ladder is reckoned anew: `back_fen` of what was paid for its goods goes back, and so do these
    coupons, which do not apply any more; `why` tells the shopper."""

    reckoned: Reckoned
    back_fen: int
    coupons_back: list[str]
    why: str


def reckon_anew(terms: Terms, step: int, order: Order, coupons: Sequence[Coupon]) -> Anew | None:
    """Reckon the order's line as if the price of this step had been there when it was placed, with its coupons.

    None where that changes nothing, or comes to more than was paid: then the order stays as it was paid, coupons too.
    That a coupon's scope has the product was decided then. The freight, and the coupon for it, stay as they are.
    """
    (line,) = order.lines
    price, first = terms.price_at(step, line.sku_id), terms.price_of(line.sku_id)
    if price is None or first is None:
        return None
    basket, discounts = led(_basket(order, price, first))
    held = [_unused(coupon) for coupon in coupons if coupon.terms.place != "freight"]
    usable = couponed(basket, 0, held, [], order.created_at).usable
    done = couponed(basket, 0, held, [one.coupon_id for one in usable], order.created_at)
    discounts += [*done.discounts, *(discount for discount in order.discounts if not discount.lines)]
    (item,), (cost_fen,) = basket.items, done.basket.costs
    unit_fen, back_fen = item.unit_price_fen, line.payable_fen - cost_fen
    if back_fen < 0 or (unit_fen, discounts) == (line.unit_price_fen, order.discounts):
        return None
    back = [one.coupon_id for one in done.unusable]
    return Anew(
        reckoned=Reckoned(step=step, unit_price_fen=unit_fen, discounts=discounts), back_fen=back_fen,
        coupons_back=back, why=_why(line, step, unit_fen, back_fen, bool(back)),
    )  # fmt: skip


def _basket(order: Order, price: Price, first: Price) -> Basket:
    """The order's line at this price, with what its leader has off one piece."""
    (line,), seat = order.lines, order.group
    assert seat is not None
    unit_fen, lead = price.price_fen, None
    if seat.leader and line.unit_price_fen == first.price_fen:
        lead = Lead(seat.activity_id, price.price_fen - price.leader_fen)
    elif seat.leader:  # placed by an older version: the leader's price was that of every piece
        unit_fen = price.leader_fen
    item = Item(sku_id=line.sku_id, quantity=line.quantity, unit_price_fen=unit_fen, group=True, lead=lead)
    return Basket([item], [item.amount_fen], [line.floor_fen])


def _unused(coupon: Coupon) -> Held:
    terms = msgspec.structs.replace(coupon.terms, scope=Scope())
    return Held(coupon=msgspec.structs.replace(coupon, terms=terms), state="unused")


def _why(line: OrderLine, step: int, unit_fen: int, back_fen: int, coupons: bool) -> str:
    lower = f"拼团满{step}人，单价{yuan(line.unit_price_fen)}降至{yuan(unit_fen)}元"
    plain = (line.unit_price_fen - unit_fen) * line.quantity == back_fen
    anew = f"{line.quantity}件退{yuan(back_fen)}元" if plain else f"优惠按新价重算，退{yuan(back_fen)}元"
    return f"{lower}，{anew}" + ("，不再适用的优惠券已退还" if coupons else "")


def lottery_fate(lottery: Lottery, won: bool) -> Fate:
    """Tell what winning or losing means, by the lottery's prize."""
    if lottery.prize == "goods":
        if won:
            return Fate(seat="won", ships=True, what="draw_won")
        return Fate(seat="lost", ships=False, what="draw_lost", why="拼团抽奖未中奖，原路退款")
    if won:
        return Fate(seat="won", ships=True, what="draw_won", why="拼团抽奖中奖，免单退款", free=True)
    return Fate(seat="lost", ships=True, what="draw_lost")
