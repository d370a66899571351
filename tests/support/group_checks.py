"""How a play must have ended, when nothing is owed any more: every fen, seat and piece is where it should be.

What an order had to cost in the end is reckoned here anew, from the setting.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from chalicelib.commerce.catalogue.tables import ACTIVITY, Products
from chalicelib.commerce.orders.rules import Order
from chalicelib.growth.groupbuy.lottery.queries import read_draw
from chalicelib.growth.groupbuy.rules import Lobby
from chalicelib.growth.groupbuy.tables import MEMBER, GroupActivities
from chalicelib.platform.store import tools
from local.jobs import all_jobs
from tests.support.group_answers import got
from tests.support.group_play import Play
from tests.support.group_stage import Setting
from tools import audit


def check_end(play: Play) -> Counter[str]:
    """Everything adds up; how often lobbies and orders came to which end."""
    books = msgspec.structs.replace(audit.read(None), payments=play.book.payments(), refunds=play.book.paid_refunds())
    differences = books.differences()
    assert differences == [], differences
    lobbies = {lobby.terms.lobby_id: lobby for lobby in books.lobbies}
    setting = play.stage.setting
    for order in books.orders:
        assert order == play.orders[order.order_id]
        _check_order(play, order, lobbies)
    for lobby in books.lobbies:
        _check_lobby(setting, lobby, [one for one in books.orders if _lobby_of(one) == lobby.terms.lobby_id])
    _check_draw(play, books.orders)
    _check_bought(setting, books.orders)
    assert [stock for stock in books.stocks if stock.pool and stock.free] == [], "the pool goes back to sale"
    assert [item for item in tools.scan(Products) if item.part.startswith(ACTIVITY)] == [], "no page names it any more"
    assert list(all_jobs()) == [], "nothing is owed, and no job is dead"
    ends = Counter(f"lobby {lobby.state}" for lobby in books.lobbies)
    ends.update(f"order {order.state}, seat {order.group.state}" for order in books.orders if order.group)
    ends.update(f"order {event.what}" for order in books.orders for event in order.history)
    return ends


def _check_order(play: Play, order: Order, lobbies: dict[str, Lobby]) -> None:
    """It is closed, and its money went back; or it goes to shipping, at the right price."""
    assert order.group is not None
    seat, lobby = order.group.state, lobbies[_lobby_of(order)]
    assert all(refund.state == "succeeded" for refund in order.refunds), order
    kept = play.book.kept_fen(order.order_id)
    assert kept == order.paid_fen - order.refunded_fen
    if order.state == "closed":
        assert kept == 0, order
        robbed = seat in ("taken", "won") and not any(event.by == "member" for event in order.history[1:])
        assert not robbed, order
        if not order.paid_at:
            assert seat == "released"
        assert seat != "failed" or lobby.state == "failed" or _left_draw(play.stage.setting, order), (order, lobby)
        return
    assert order.state == "awaiting_shipment", order
    assert (lobby.state, seat in ("taken", "won", "lost")) == ("succeeded", True), (order, lobby)
    assert kept == _due_fen(play.stage.setting, order, lobby), (order, lobby)


def _left_draw(setting: Setting, order: Order) -> bool:
    """Whether the member took it out of the draw over the whole activity."""
    over_all = setting.lottery is not None and setting.lottery.per == "activity"
    return over_all and any((event.what, event.by) == ("refund_granted", "member") for event in order.history)


def _due_fen(setting: Setting, order: Order, lobby: Lobby) -> int:
    """What the shopper has to pay in the end for what is sent."""
    assert order.group is not None
    line = order.lines[0]
    lottery = setting.lottery
    if lottery is not None:
        assert (lottery.prize == "free") or order.group.state == "won"
        if lottery.prize == "free" and order.group.state == "won":
            return 0
    variant, size = lobby.terms.variant, lobby.terms.size
    if setting.kind == "ladder":
        size = max(step for step in setting.offer(variant) if step <= lobby.taken)
    goods = setting.goods_fen(variant, size, order.group.leader, line.quantity)
    return goods - goods * line.cancelled // line.quantity + setting.freight_fen(line.quantity)


def _check_lobby(setting: Setting, lobby: Lobby, orders: list[Order]) -> None:
    """It is over, with the end that its paid seats had earned, and so are its orders."""
    assert lobby.finished, lobby
    assert lobby.held == 0, lobby
    earned = lobby.taken >= setting.least(lobby.terms.variant, lobby.terms.size)
    assert lobby.state == ("succeeded" if earned else "failed"), lobby
    lottery = setting.lottery
    if lottery is not None and lottery.per == "lobby" and lobby.state == "succeeded":
        won = sum(order.group is not None and order.group.state == "won" for order in orders)
        assert won == min(lottery.winners, lobby.taken), (lobby, orders)


def _check_draw(play: Play, orders: list[Order]) -> None:
    """A draw over the whole activity had so many winners, and nobody waits for it any more."""
    lottery = play.stage.setting.lottery
    drawn = read_draw(play.stage.activity.activity_id)
    assert (drawn is not None) == (lottery is not None)
    if lottery is None or drawn is None or lottery.per != "activity":
        return
    entries = [order for order in orders if order.group and order.group.state in ("won", "lost")]
    won = {order.order_id for order in entries if order.group and order.group.state == "won"}
    assert won == set(drawn.winners)
    assert len(won) == min(lottery.winners, len(entries))


def _check_bought(setting: Setting, orders: list[Order]) -> None:
    """Where it matters it is counted what each member has bought, less what they did not get."""
    bought: Counter[str] = Counter()
    for order in orders:
        if (setting.limit_per_member or setting.new_customers_only) and got(setting, order):
            bought[order.member_id] += order.lines[0].quantity - order.lines[0].cancelled
    counted = {
        item.part.removeprefix(MEMBER): int(item.bought)
        for item in tools.scan(GroupActivities)
        if item.part.startswith(MEMBER)
    }
    assert {member: count for member, count in counted.items() if count} == dict(+bought)
    assert max(bought.values(), default=0) <= (setting.limit_per_member or 999)


def _lobby_of(order: Order) -> str:
    assert order.group is not None
    return order.group.lobby_id
