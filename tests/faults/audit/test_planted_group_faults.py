"""Faults that are planted into the code of group-buys: each is played in a small mall, and the audit names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.orders.rules import Order, Seat
from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.commerce.pricing import rules as pricing
from chalicelib.growth.groupbuy.lobbies import fates
from chalicelib.growth.groupbuy.lobbies import service as lobbies
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.lottery import service as lottery
from chalicelib.growth.groupbuy.rules import Lottery
from chalicelib.growth.groupbuy.seats import service as seats
from tests.support.small_mall import DAY, SmallMall

Patch = pytest.MonkeyPatch


def states(mall: SmallMall, orders: list[Order]) -> list[tuple[str, str, int]]:
    """What the orders have come to: state, seat, and fen that were refunded."""
    found = []
    for order in map(mall.order, orders):
        assert order.group is not None
        found.append((order.state, order.group.state, order.refunded_fen))
    return found


def play_lottery(mall: SmallMall, per: Any) -> object:
    """Three people take part, one wins."""
    activity = mall.activity("lottery", {3: 2000}, lottery=Lottery(winners=1, per=per))
    orders = mall.lobby(activity, *mall.customers[:3])
    mall.wait(DAY)
    return sorted(states(mall, orders)), mall.right_winners(orders)


def climb(mall: SmallMall) -> object:
    """Three people get a ladder to its second step."""
    orders = mall.lobby(mall.activity("ladder", {2: 7000, 3: 6000, 5: 5000}), *mall.customers[:3])
    mall.wait(2 * 3600)
    return states(mall, orders)


def let_go(mall: SmallMall) -> object:
    """Two people sit in a lobby of three, one of whom never pays; nobody else comes."""
    activity = mall.activity("fixed", {3: 6000}, limit_per_member=1)
    first = mall.buy(mall.customers[0], ("group", 1), group=mall.opens(activity))
    mall.place(mall.customers[1], ("group", 1), group=mall.joins(first))
    mall.wait(1200)
    told = states(mall, [first])
    mall.wait(DAY)
    return told, states(mall, [first]), mall.books().seats, [one.bought for one in mall.books().drawings]


def expire(mall: SmallMall) -> object:
    """One person sits in a lobby of three, whose time runs out."""
    order = mall.buy(mall.customers[0], ("group", 1), group=mall.opens(mall.activity("fixed", {3: 6000})))
    mall.wait(2.5 * 3600)
    return states(mall, [order])


def buy_much(mall: SmallMall) -> object:
    """So much is bought in a group that a promotion would take something off elsewhere."""
    return [one.payable_fen for one in mall.lobby(mall.activity("fixed", {2: 7000}), *mall.customers[:2], pieces=4)]


def sit(mall: SmallMall) -> object:
    """Somebody opens a lobby, and has not paid yet."""
    order = mall.place(mall.customers[0], ("group", 1), group=mall.opens(mall.activity("fixed", {2: 7000})))
    return [seat.order_id == order.order_id for _, seat in mall.books().seats]


def keep_seat(right: Callable[..., Seat], tx: Any, order: Order, before: str, after: str) -> Seat:
    """A seat that is let go stays as it is, and only the order says otherwise."""
    if after != "released":
        return right(tx, order, before, after)
    assert order.group is not None
    return msgspec.structs.replace(order.group, state="released")


def never_less(right: Callable[..., None], tx: Any, terms: Any, order: Order, sign: int, *more: object) -> None:
    """What was bought is counted, and never taken off again."""
    if sign > 0:
        right(tx, terms, order, sign, *more)


def worst(right: Callable[..., list[str]], secret: str, order_ids: list[str], count: int) -> list[str]:
    """The orders whose tickets are largest."""
    return right(secret, order_ids, len(order_ids))[-count:]


def nobodys(right: Callable[..., None], seating: Any, tx: Any, order: Order, deal: Any) -> None:
    """A seat is held in the name of an order that there is not."""
    right(seating, tx, msgspec.structs.replace(order, order_id=f"{order.order_id}x"), deal)


def as_for_any(right: Callable[..., Any], items: list[Any], templates: Any, region: Any, benefits: Any) -> Any:
    """A group's price is taken for any other."""
    plain = [msgspec.structs.replace(item, group=False) for item in items]
    return right(plain, templates, region, msgspec.structs.replace(benefits, promotions=pricing_queries.promotions()))


#: What is broken, by what, in which play, and what the audit says.
PLANTED: dict[str, tuple[Any, str, Callable[..., Any], Callable[[SmallMall], object], str]] = {
    "the worst tickets win in a lobby": (
        draw, "winners", worst, lambda mall: play_lottery(mall, "lobby"), "by the secret it has",
    ),
    "the worst tickets win over an activity": (
        draw, "winners", worst, lambda mall: play_lottery(mall, "activity"), "by its secret by",
    ),
    "who has lost keeps what they paid": (
        fates, "refund_in_full", lambda right, order, *_: order,
        lambda mall: play_lottery(mall, "lobby"), "is awaiting_group with a lost seat",
    ),
    "a lottery is never drawn": (
        lottery, "end_activity", lambda *_: None, lambda mall: _and_days(mall), "and is not drawn",
    ),
    "a ladder gives no difference back": (
        fates, "refund_difference", lambda right, order, *_: order, climb, "at the step of 3 they cost 6000",
    ),
    "a lobby never ends": (lobbies, "settle_lobby", lambda *_: None, expire, "and is open"),
    "a seat that is let go stays taken": (seats, "move", keep_seat, let_go, "says released, the lobby says held"),
    "a seat is taken without an order": (seats.Seating, "hold", nobodys, sit, "held seat of no order"),
    "what is let go is counted as bought": (seats, "count_bought", never_less, let_go, "is counted 1 pieces"),
    "a promotion takes something off a group's price": (
        pricing, "quote", as_for_any, buy_much, "is a promotion, and the order is of a group",
    ),
}  # fmt: skip


def _and_days(mall: SmallMall) -> object:
    told = play_lottery(mall, "activity")
    mall.wait(2 * DAY)
    return told


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_named(small: SmallMall, monkeypatch: Patch, fault: str) -> None:
    owner, name, by, play, named = PLANTED[fault]
    right = getattr(owner, name)
    sound = play(small)
    assert small.told() == []
    small.reopen()
    monkeypatch.setattr(owner, name, lambda *given, **more: by(right, *given, **more))
    assert play(small) != sound, "the fault did not take effect"
    told = small.told()
    assert [one for one in told if named in one], told
