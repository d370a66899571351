"""Draws, drawn once more from the revealed secret by the recipe that is published (docs/lottery.md). Pure; no formula
of the rules is used."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from chalicelib.commerce.orders.refunds.checks import left_of
from chalicelib.commerce.orders.rules import Order
from chalicelib.core.difference import Difference
from chalicelib.growth.groupbuy.rules import Activity, Lobby, Lottery


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """An activity, and all that is kept of its draw: `drawn` are the winning orders (None: not drawn), `entries` the
    orders that take part. `bought`: pieces that its members are counted to have bought in it."""

    activity: Activity
    secret: str = ""
    drawn: list[str] | None = None
    entries: Sequence[str] = ()
    bought: dict[str, int] = {}


def mac(secret: str, text: str) -> str:
    """Compute HMAC-SHA256 of a text, in hexadecimal."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def drawn_by(secret: str, order_ids: Iterable[str], count: int) -> list[str]:
    """Draw once more: the orders whose ticket is smallest, the smallest first."""
    tickets = sorted((mac(secret, order_id), order_id) for order_id in order_ids)
    return [order_id for _, order_id in tickets[:count]]


def audit_draws(drawing: Drawing, lobbies: Iterable[Lobby], orders: Iterable[Order]) -> list[Difference]:
    """Find what of an activity's draws does not follow from its secret and the orders that took part."""
    lottery = drawing.activity.lottery
    if lottery is None:
        return []
    about = drawing.activity.activity_id
    found = []
    if hashlib.sha256(drawing.secret.encode()).hexdigest() != drawing.activity.secret_hash:
        found.append(Difference(about, "its secret is not the one whose hash was published"))
    seated: dict[str, list[Order]] = {}
    for order in orders:
        if order.group is not None and order.group.activity_id == about:
            seated.setdefault(order.group.lobby_id, []).append(order)
    its = [lobby for lobby in lobbies if lobby.terms.activity_id == about]
    if lottery.per == "activity":
        found += [Difference(about, what) for what in _over_activity(drawing, lottery, seated)]
    else:
        for lobby in its:
            its_orders = seated.get(lobby.terms.lobby_id, [])
            found += [Difference(lobby.terms.lobby_id, what) for what in _in_lobby(drawing, lottery, lobby, its_orders)]
    for its_orders in seated.values():
        found += [Difference(one.order_id, what) for one in its_orders for what in _prize_faults(lottery, one)]
    return found


def _in_lobby(drawing: Drawing, lottery: Lottery, lobby: Lobby, orders: list[Order]) -> Iterator[str]:
    secret = mac(drawing.secret, lobby.terms.lobby_id)
    if hashlib.sha256(secret.encode()).hexdigest() != lobby.terms.secret_hash:
        yield "its secret was not made from the activity's"
    took_part = {order.order_id: _seat(order) for order in orders if _seat(order) in ("taken", "won", "lost")}
    if lobby.state == "succeeded":
        yield from _winner_faults(took_part, drawn_by(secret, took_part, lottery.winners))
    elif any(state in ("won", "lost") for state in took_part.values()):
        yield f"is {lobby.state}, and somebody won or lost"


def _over_activity(drawing: Drawing, lottery: Lottery, seated: dict[str, list[Order]]) -> Iterator[str]:
    states = {order.order_id: _seat(order) for its in seated.values() for order in its}
    took_part = {order_id: states.get(order_id, "nobody's") for order_id in drawing.entries}
    decided = {order_id: state for order_id, state in states.items() if state in ("won", "lost")}
    yield from (f"order {one} won or lost, and took no part" for one in sorted(decided.keys() - took_part.keys()))
    if drawing.drawn is None:
        if decided:
            yield "is not drawn, and somebody won or lost"
        return
    right = drawn_by(drawing.secret, drawing.entries, lottery.winners)
    if drawing.drawn != right:
        yield f"was won by {', '.join(drawing.drawn)}; by its secret by {', '.join(right)}"
    yield from _winner_faults(took_part, right)


def _winner_faults(took_part: dict[str, str], right: list[str]) -> Iterator[str]:
    for order_id, state in sorted(took_part.items()):
        wanted = "won" if order_id in right else "lost"
        if state != wanted and state != "taken":  # one that is taken waits for its result
            yield f"order {order_id} is {state}, by the secret it has {wanted}"


def _prize_faults(lottery: Lottery, order: Order) -> Iterator[str]:
    """What winning or losing comes to: who has the goods, and whose money goes back."""
    kept = sum(left_of(order, line) for line in order.lines)
    if lottery.prize == "goods":
        if _seat(order) == "lost" and (order.state != "closed" or kept):
            yield f"has lost, is {order.state}, and {kept} fen are not given back"
    elif _seat(order) == "won" and kept:
        yield f"has won, and {kept} fen are not given back"


def _seat(order: Order) -> str:
    return order.group.state if order.group is not None else ""
