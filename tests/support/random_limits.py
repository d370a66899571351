"""What members of random malls may hold unpaid, and buy in all: nobody has more, and nobody is refused for less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from tests.support.random_play import Offer, Play
from tests.support.random_prices import Bought

#: So many pieces of a SKU a member may hold unpaid, and so many seats; and so many orders, who let none go.
HOLD, SEATS, UNPAID = 10, 2, 50
#: From so many orders let go unpaid in a day on, how many a member may have unpaid; the most first.
AFTER = ((10, 1), (3, 5))
_LATELY = timedelta(hours=24)


def check_now(play: Play) -> None:
    """What must hold at every moment: pieces and seats held unpaid, and pieces of a product with a limit."""
    held: Counter[tuple[str, str]] = Counter()
    seats: Counter[str] = Counter()
    has: Counter[tuple[str, str]] = Counter()
    for order in play.orders.values():
        unpaid = order.state == "awaiting_payment"
        if play.person(order.member_id) in play.became.values():
            continue  # two together may have more; what they buy then is looked at as they do
        seats[order.member_id] += unpaid and order.group is not None
        for line in order.lines:
            held[order.member_id, line.sku_id] += line.quantity if unpaid else 0
            if order.state != "closed":
                has[order.member_id, line.sku_id] += line.quantity - line.cancelled - line.returned
    for (member, sku_id), pieces in held.items():
        if pieces > HOLD:
            play.differs("pieces held unpaid", f"{member} has {pieces} of {sku_id[-6:]}")
    for member, number in seats.items():
        if number > SEATS:
            play.differs("seats held unpaid", f"{member} has {number}")
    for (member, sku_id), pieces in has.items():
        limit = play.mall.skus[sku_id].limit
        if limit is not None and pieces > limit:
            play.differs("pieces in all", f"{member} has {pieces} of {sku_id[-6:]}, of which they may have {limit}")


def check_placed(play: Play, order: Order) -> None:
    """The member of an order that was just placed let few go, and none in this lobby; nor have they led it."""
    if play.crossed or play.unsettled(order.member_id):
        return
    mine = [one for one in play.orders.values() if play.person(one.member_id) == order.member_id]
    _check_bounds(play, order, mine)
    paid = max((one.paid_at for one in mine if one.paid_at is not None and one.paid_fen), default=order.created_at)
    paid = paid if any(one.paid_fen for one in mine) else order.created_at - _LATELY
    begin = max(paid, clock.now() - _LATELY + timedelta(seconds=1))
    gone = [one.history[-1].at for one in mine if one.state == "closed" and one.paid_at is None and one.group is None]
    limit = _unpaid_max(sum(at > begin for at in gone))
    unpaid = sum(one.state == "awaiting_payment" for one in mine)
    if unpaid > limit:
        play.differs("orders held unpaid", f"{order.member_id} has {unpaid} after letting {len(gone)} go")
    if order.group is None or order.group.leader:
        return
    there = [one for one in mine if one.group is not None and one.group.lobby_id == order.group.lobby_id]
    for one in there:
        if one is order or one.order_id == order.order_id or one.group is None:
            continue
        if one.group.leader:
            play.differs(f"lobby {order.group.lobby_id}", f"{order.member_id} leads it, and joins it")
        if one.state == "closed" and one.paid_at is None:
            play.differs(f"lobby {order.group.lobby_id}", f"{order.member_id} let a seat go unpaid, and joins again")


def check_refused(play: Play, member: str, lines: Sequence[Bought], offer: Offer | None, code: str) -> None:
    """Somebody was refused for a limit: they have reached one."""
    if play.crossed or play.unsettled(member) or code not in ("purchase_limit", "too_many_unpaid"):
        return
    mine = [order for order in play.orders.values() if play.person(order.member_id) == member]
    unpaid = [order for order in mine if order.state == "awaiting_payment"]
    if code == "too_many_unpaid":
        let_go = [at for whose, all_of in play.let_go.items() if play.person(whose) == member for at in all_of]
        lately = [at for at in let_go if at > clock.now() - _LATELY]
        seats = sum(order.group is not None for order in unpaid)
        if len(unpaid) < _unpaid_max(len(lately)) and not (offer is not None and seats >= SEATS):
            play.differs(f"{member} is refused", f"{code} with {len(unpaid)} unpaid and {len(lately)} let go")
        return
    for line in lines:
        held = sum(x.quantity for order in unpaid for x in order.lines if x.sku_id == line.sku_id)
        if held + line.quantity > HOLD:
            return
        limit = play.mall.skus[line.sku_id].limit
        if limit is not None and _has(mine, line.sku_id) + line.quantity > limit:
            return
        if offer is not None and offer.limit is not None:
            there = [one for one in mine if one.group is not None and one.group.activity_id == offer.activity_id]
            if _has(there, line.sku_id) + line.quantity > offer.limit:
                return
    play.differs(f"{member} is refused", f"{code} for {[(line.sku_id[-6:], line.quantity) for line in lines]}")


def _check_bounds(play: Play, order: Order, mine: Sequence[Order]) -> None:
    """With this order its member holds no more unpaid, and has bought no more, than they may."""
    for line in order.lines:
        unpaid = [one for one in mine if one.state == "awaiting_payment"]
        held = sum(x.quantity for one in unpaid for x in one.lines if x.sku_id == line.sku_id)
        limit = play.mall.skus[line.sku_id].limit
        if held > HOLD:
            play.differs("pieces held unpaid", f"{order.member_id} has {held} of {line.sku_id[-6:]} by another order")
        if limit is not None and _has(mine, line.sku_id) > limit:
            play.differs("pieces in all", f"{order.member_id} has more than {limit} of {line.sku_id[-6:]}")


def _has(orders: Sequence[Order], sku_id: str) -> int:
    standing = [order for order in orders if order.state != "closed"]
    lines = [line for order in standing for line in order.lines if line.sku_id == sku_id]
    return sum(line.quantity - line.cancelled - line.returned for line in lines)


def _unpaid_max(let_go: int) -> int:
    return next((limit for begin, limit in AFTER if let_go >= begin), UNPAID)
