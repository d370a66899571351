"""Group-buys of random malls: made, opened, joined, ended; and how each must have ended, reckoned anew."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import Any

import msgspec

from chalicelib.commerce.orders.inputs import GroupInput
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.growth.groupbuy.activities import service as activities
from chalicelib.growth.groupbuy.inputs import ActivityInput
from chalicelib.growth.groupbuy.rules import Lobby
from chalicelib.growth.groupbuy.tables import ACTIVITY, LOBBY, GroupActivities, Lobbies, lobby_of
from chalicelib.platform.store import tools
from tests.support.random_deeds import go_on, nobody, order_of
from tests.support.random_play import DAY, Offer, Play, at_step
from tests.support.random_prices import Bought
from tests.support.random_stage import MEMBERS

_OPEN = ("activity_over",)
_JOIN = ("lobby_full", "lobby_over", "already_in_lobby", "not_found", "not_for_you", "activity_over")


def make_activity(play: Play) -> str:
    """An operator makes a group-buy."""
    chance = play.chance
    ample = [sku_id for sku_id, sku in sorted(play.mall.skus.items()) if sku.supplied > 60]
    sku = play.mall.skus[chance.choice(ample if ample and chance.random() < 0.8 else sorted(play.mall.skus))]
    kind = chance.choice(["fixed", "ladder", "lottery"])
    sizes = sorted(chance.sample([2, 3, 4], chance.choice([1, 2, 3] if kind != "ladder" else [2, 3])))
    prices: dict[int, tuple[int, int]] = {}
    fen = sku.price
    less = chance.choice([10, 10, 8, 5])
    for size in sizes:
        fen = fen * chance.choice([6, 8, 9]) // 10
        prices[size] = fen, fen * less // 10
    lottery: dict[str, Any] | None = None
    if kind == "lottery":
        lottery = {"winners": chance.choice([1, 1, 2]), "per": chance.choice(["lobby", "activity"])}
        lottery["prize"] = chance.choice(["goods", "free"])
        if chance.random() < 0.5:
            lottery["losers_coupon"] = sorted(play.mall.templates)[0]
    aside = chance.choice([0, 0, 6, 30]) if sku.supplied > 20 else 0
    minutes = chance.choice([60, 300, 1440, 4320])
    body: dict[str, Any] = {
        "product_id": sku.product_id, "kind": kind, "sizes": sizes, "lobby_minutes": chance.choice([30, 120, 1440]),
        "prices": [
            {"sku_id": sku.sku_id, "size": size, "price_fen": fen, "leader_price_fen": leads}
            for size, (fen, leads) in prices.items()
        ],
        "starts_at": clock.now(), "ends_at": clock.now() + timedelta(minutes=minutes),
        "limit_per_member": chance.choice([None, None, 3, 6]), "new_customers_only": chance.random() < 0.1,
        "min_fill": 2 if kind != "ladder" and chance.random() < 0.4 else None, "lottery": lottery,
        "stock": [{"sku_id": sku.sku_id, "pieces": aside}] if aside else None, "name": play.key(),
    }  # fmt: skip
    told, made = play.attempt("make", lambda: activities.create(msgspec.convert(body, ActivityInput)), ("stock_short",))
    if made is None:
        return told
    play.offers[made.activity_id] = Offer(
        made.activity_id, sku.sku_id, kind, prices, body["min_fill"], body["limit_per_member"], lottery, aside,
        body["new_customers_only"], body["ends_at"],
    )  # fmt: skip
    return f"{kind} {made.activity_id[:6]} {prices} {lottery} {minutes}"


def end_activity(play: Play) -> str:
    """An operator ends one early."""
    running = _running(play)
    if not running:
        return nobody(play)
    offer = play.pick(running)
    told, _ = play.attempt("end", lambda: activities.end(offer.activity_id))
    play.ended.add(offer.activity_id)
    return told or f"ended {offer.activity_id[:6]}"


def _running(play: Play) -> list[Offer]:
    """The group-buys in which lobbies can be opened."""
    return [one for one in play.offers.values() if one.ends_at > clock.now() and one.activity_id not in play.ended]


def open_lobby(play: Play) -> str:
    """Somebody opens a lobby."""
    running = _running(play)
    if not running:
        return make_activity(play)
    offer = play.pick(running)
    size = play.chance.choice(sorted(offer.prices))
    member = play.chance.choice(MEMBERS)
    told, order = _sit(play, member, offer, size, GroupInput(activity_id=offer.activity_id, size=size), _OPEN)
    return told if order is None else f"{told} {go_on(play, order)}"


def join_lobby(play: Play) -> str:
    """Somebody joins a lobby, whether that can be done or not."""
    leaders = [o for o in play.orders.values() if o.order_id in play.placed and play.placed[o.order_id].leader]
    waiting = [order for order in leaders if order.state == "awaiting_group"]
    if not leaders:
        return open_lobby(play)
    return _join(play, play.pick(waiting if waiting and play.chance.random() < 0.9 else leaders), False)


def rush_lobby(play: Play) -> str:
    """Friends come one after the other, and pay, until a lobby is full or some of them have come."""
    waiting = [order for order in play.in_state("awaiting_group") if play.placed[order.order_id].leader]
    if not waiting:
        return open_lobby(play)
    leader = play.pick(waiting)
    told = [_join(play, leader, True) for _ in range(play.chance.choice([1, 2, 3, 3]))]
    return " / ".join(told)


def _join(play: Play, leader: Order, surely: bool) -> str:
    assert leader.group is not None
    placed, lobby_id = play.placed[leader.order_id], leader.group.lobby_id
    assert placed.offer is not None
    seats = [o for o in play.orders.values() if o.group is not None and o.group.lobby_id == lobby_id]
    inside = {play.person(order.member_id) for order in seats}
    outside = [member for member in MEMBERS if play.caller(member) not in inside] or list(MEMBERS)
    member = play.chance.choice(outside if surely or play.chance.random() < 0.85 else list(MEMBERS))
    told, order = _sit(play, member, placed.offer, placed.size, GroupInput(lobby_id=lobby_id), _JOIN)
    return f"{told} {lobby_id[:6]}" if order is None else f"{told} {lobby_id[:6]} {go_on(play, order, surely)}"


def _sit(
    play: Play, member: str, offer: Offer, size: int, group: GroupInput, codes: tuple[str, ...]
) -> tuple[str, Order | None]:  # fmt: skip
    sku = play.mall.skus[offer.sku_id]
    fen, leads = offer.first_price(size)
    off = fen - leads if group.lobby_id is None else 0
    pieces = play.chance.choice([1, 1, 2, 3])
    line = Bought(sku.sku_id, sku.product_id, pieces, fen, sku.price, sku.template, True, off)
    return order_of(play, member, [line], offer, size, group, codes)


# How they must have ended.


def check_groups(play: Play) -> None:
    """Every lobby is over as its paid seats had it, every draw is what its secret says, every ladder at its step."""
    secrets = {item.activity_id: item for item in tools.scan(GroupActivities) if item.part == ACTIVITY}
    lobbies = {item.lobby_id: lobby_of(item) for item in tools.scan(Lobbies) if item.part == LOBBY}
    for lobby_id, lobby in lobbies.items():
        inside = [o for o in play.orders.values() if o.group is not None and o.group.lobby_id == lobby_id]
        offer = play.offers[lobby.terms.activity_id]
        play.told[f"lobby of {offer.kind}: {lobby.state}"] += 1
        play.told.update(f"seat of {offer.kind}: {seat_of(order)}" for order in inside)
        _check_lobby(play, offer, lobby, inside)
        paid = [order for order in inside if seat_of(order) in ("taken", "won", "lost")]
        if lobby.state == "succeeded":
            if offer.lottery and offer.lottery["per"] == "lobby":
                secret = _ticket(secrets[offer.activity_id].secret, lobby_id)
                _check_draw(play, f"draw of {lobby_id}", offer.lottery, secret, paid)
            for order in paid:
                _check_order(play, offer, lobby, order)
    for offer in play.offers.values():
        item = secrets[offer.activity_id]
        if offer.lottery is not None and offer.lottery["per"] == "activity":
            entered = [o for o in play.orders.values() if o.group is not None and _is_of(o, offer)]
            entered = [order for order in entered if seat_of(order) in ("won", "lost")]
            _check_draw(play, f"draw of {offer.activity_id}", offer.lottery, item.secret, entered)
        _check_limit(play, offer)


def seat_of(order: Order) -> str:
    """The state of the order's seat."""
    return "" if order.group is None else order.group.state


def _is_of(order: Order, offer: Offer) -> bool:
    return order.group is not None and order.group.activity_id == offer.activity_id


def _check_lobby(play: Play, offer: Offer, lobby: Lobby, inside: list[Order]) -> None:
    about = f"lobby {lobby.terms.lobby_id} {offer.kind} of {lobby.terms.size}"
    if lobby.free + lobby.held + lobby.taken != lobby.terms.size or lobby.held:
        play.differs(about, f"{lobby.free} free, {lobby.held} held, {lobby.taken} taken")
    if lobby.state not in ("succeeded", "failed") or not lobby.finished:
        play.differs(about, f"is {lobby.state}, finished: {lobby.finished}")
    least = min(offer.prices) if offer.kind == "ladder" else min(offer.min_fill or 999, lobby.terms.size)
    if lobby.state == "succeeded" and lobby.taken < least:
        play.differs(about, f"succeeded with {lobby.taken} of {least}")
    for order in inside:
        if order.state == "awaiting_group":
            play.differs(about, f"{order.order_id} waits still, its seat is {seat_of(order)}")
        if lobby.state == "failed" and order.state != "closed":
            play.differs(about, f"has failed, and {order.order_id} is {order.state}")
    # A whole refund before a draw takes an entry out again; what else had a seat at the end still has one.
    seated = [order for order in inside if seat_of(order) not in ("held", "released")]
    if lobby.state == "succeeded" and len(seated) != lobby.taken:
        play.differs(about, f"{lobby.taken} seats were taken, {len(seated)} orders have one")


def _check_draw(play: Play, about: str, lottery: dict[str, Any], secret: str, orders: list[Order]) -> None:
    """The winners are those whose ticket under the secret is smallest. One that was taken out has no ticket."""
    tickets = {_ticket(secret, order.order_id): order for order in orders}
    ranked = [tickets[ticket] for ticket in sorted(tickets)]
    for place, order in enumerate(ranked):
        wanted = "won" if place < lottery["winners"] else "lost"
        if seat_of(order) != wanted:
            play.differs(about, f"{order.order_id} {seat_of(order)}, by its ticket it {wanted}")
        if wanted == "lost" and lottery["prize"] == "goods" and order.state != "closed":
            play.differs(about, f"{order.order_id} lost and is {order.state}")


def _ticket(secret: str, about: str) -> str:
    return hmac.new(secret.encode(), about.encode(), hashlib.sha256).hexdigest()


def _check_order(play: Play, offer: Offer, lobby: Lobby, order: Order) -> None:
    """What the order costs in the end, by line: at the step that was reached, with its coupons; freight as paid."""
    placed = play.placed.get(order.order_id)
    if placed is None:
        return
    line, won = order.lines[0], seat_of(order) == "won"
    about = f"{offer.kind} order {order.order_id}"
    reduced = sum(refund.amount_fen for refund in order.refunds if not any(line.quantity for line in refund.lines))
    if offer.lottery is not None and offer.lottery["prize"] == "free" and won:
        if line.payable_fen != line.reduced_fen or reduced != order.payable_fen:
            play.differs(about, f"won and paid {order.payable_fen}, {reduced} came back")
        return
    if offer.kind != "ladder":
        if line.reduced_fen:
            play.differs(about, f"{line.reduced_fen} came back for nothing")
        return
    step = max(size for size in offer.prices if size <= lobby.taken)
    anew = at_step(play, placed, step)
    # By the first step too: what was paid says so already (see `price of`), here it is what comes back that counts.
    wanted = max(0, placed.price.goods - anew.goods)
    if abs(line.reduced_fen - wanted) > 0 and line.payable_fen == placed.price.goods:
        play.differs(
            about,
            f"step {step} of {offer.prices} leader {placed.leader} coupons {[c.kind for c in placed.coupons]}: paid "
            f"{line.payable_fen}, {line.reduced_fen} came back, not {wanted}",
        )


def _check_limit(play: Play, offer: Offer) -> None:
    if offer.limit is None:
        return
    for member in set(MEMBERS) - set(play.became.values()):  # two together may have had more
        mine = [order for order in play.orders.values() if order.member_id == member and _is_of(order, offer)]
        has = sum(x.quantity - x.cancelled - x.returned for o in mine if o.state != "closed" for x in o.lines)
        if has > offer.limit:
            play.differs(f"limit of {offer.activity_id}", f"{member} has {has} of {offer.limit}")


def wait_for_group(play: Play) -> str:
    """Time passes until the next job of a lobby, an activity or whatever comes first."""
    return play.work() if play.to_next_job(3 * DAY) else nobody(play)
