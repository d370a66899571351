"""What becomes of the orders of a lobby that has ended. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

import msgspec

from chalicelib.commerce.orders.rules import Order, OrderLine
from chalicelib.core.money import yuan
from chalicelib.growth.groupbuy.rules import Lobby, Lottery, Terms


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one order when its lobby has ended.

    `ships`: it goes to shipping, else it is refunded whole. `back_fen` of its goods is given back although it ships
    (all that was paid, freight too, where `free`). `what` is the word in its history; `why` the reason of the refund.
    """

    seat: Literal["taken", "failed", "won", "lost"]
    ships: bool
    what: str
    why: str = ""
    back_fen: int = 0
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
    line = order.lines[0]
    leader = order.group is not None and order.group.leader
    return ladder_fate(terms, terms.step(lobby.taken), line.sku_id, line.quantity, line.unit_price_fen, leader)


def ladder_fate(terms: Terms, step: int, sku_id: str, quantity: int, unit_fen: int, leader: bool) -> Fate:
    """Give back the difference to the price of the step that was reached, where more was paid for a piece (in fen)."""
    price = terms.price_at(step, sku_id, leader)
    if price is None or price >= unit_fen:
        return SUCCEEDED
    back = (unit_fen - price) * quantity
    why = f"拼团满{step}人，单价{yuan(unit_fen)}降至{yuan(price)}元，{quantity}件退{yuan(back)}元"
    return Fate(seat="taken", ships=True, what="group_succeeded", why=why, back_fen=back)


def back_of(line: OrderLine, back_fen: int) -> int:
    """Tell how much of a difference in price goes back, in fen: all, unless a coupon took so much off before that the
    rest would be below the floor. A price below the floor by itself is paid as it is."""
    return min(back_fen, line.payable_fen - min(line.amount_fen - back_fen, line.floor_fen))


def lottery_fate(lottery: Lottery, won: bool) -> Fate:
    """Tell what winning or losing means, by the lottery's prize."""
    if lottery.prize == "goods":
        if won:
            return Fate(seat="won", ships=True, what="draw_won")
        return Fate(seat="lost", ships=False, what="draw_lost", why="拼团抽奖未中奖，原路退款")
    if won:
        return Fate(seat="won", ships=True, what="draw_won", why="拼团抽奖中奖，免单退款", free=True)
    return Fate(seat="lost", ships=True, what="draw_lost")
