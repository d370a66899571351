"""The flows of the crash sweep over group-buy: what came before, what is struck and done again, and how it must end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.rules import SeatState, State
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.lottery.queries import secret_of
from chalicelib.growth.groupbuy.rules import Lottery
from tests.support.group_world import (
    LEADER,
    LEADER_FEN,
    MEMBER_FEN,
    SECOND,
    STEP_FEN,
    THIRD,
    GroupWorld,
    Offer,
)  # fmt: skip
from tests.support.sweep import Steps

Deed = Callable[[GroupWorld], None]


@dataclass(frozen=True)
class End:
    """How an order must end."""

    state: State
    paid_fen: int
    refunded_fen: int
    seat: SeatState


HELD = End("awaiting_payment", 0, 0, "held")
UNPAID = End("closed", 0, 0, "released")


def waits(fen: int) -> End:
    """Paid, and its lobby or its draw has not ended."""
    return End("awaiting_group", fen, 0, "taken")


def ships(fen: int, back_fen: int = 0, seat: SeatState = "taken") -> End:
    """It goes to shipping."""
    return End("awaiting_shipment", fen, back_fen, seat)


def back(fen: int, seat: SeatState) -> End:
    """All of its money went back."""
    return End("closed", fen, fen, seat)


@dataclass
class Flow(Steps[GroupWorld]):
    """And how it must end: the orders by who placed them (a function, where a draw decides), the lobby's state and its
    free, held and taken seats; `over`: the activity has been wound up."""

    offer: Offer
    ends: list[End] | Callable[[GroupWorld], list[End]]
    lobby: tuple[str, int, int, int]
    over: bool = field(default=False, kw_only=True)


def nothing(_: GroupWorld) -> None:
    """Nobody does anything."""


def then(*deeds: Deed) -> Deed:
    """One after the other."""

    def do(world: GroupWorld) -> None:
        for deed in deeds:
            deed(world)

    return do


def wait(minutes: float) -> Deed:
    """Time passes, and no worker runs."""
    return lambda world: world.clock.advance(minutes * 60)


def paid(*people: int) -> Deed:
    """They took their seats and paid."""
    return lambda world: world.sit_and_pay(*people)


def has_coupon(who: int, off_fen: int, **terms: Any) -> Deed:
    """They have a coupon, which takes so much off their orders."""
    return lambda world: world.give_coupon(who, off_fen, **terms)


def sat(who: int) -> Deed:
    """They hold a seat."""
    return lambda world: world.sit(who)


def paid_at_wechat(who: int) -> Deed:
    """They hold a seat and have paid, and the mall does not know it yet."""

    def do(world: GroupWorld) -> None:
        world.sit(who)
        world.pay_at_wechat(who)

    return do


def paid_too_late(who: int) -> Deed:
    """They have paid, and the mall, to which a fault at WeChat hid it, has closed the order."""

    def do(world: GroupWorld) -> None:
        paid_at_wechat(who)(world)
        assert closing._close(order_queries.find(world.orders[who]), "closed_unpaid", "system").state == "closed"

    return do


def left(who: int) -> Deed:
    """They wanted their money back."""

    def do(world: GroupWorld) -> None:
        refunds.request(world.orders[who], world.people[who].member_id, world.key(who), None, "不想要了")

    return do


def order(who: int) -> Deed:
    """They order."""

    def do(world: GroupWorld) -> None:
        world.order(who)

    return do


def order_again(who: int) -> Deed:
    """And again, until they see their order."""

    def do(world: GroupWorld) -> None:
        placed = world.order(who).ok(201)
        world.placed(who, placed["order_id"], placed["group"]["lobby_id"])

    return do


def told(who: int) -> Deed:
    """WeChat tells of their payment."""

    def do(world: GroupWorld) -> None:
        world.callback(who)

    return do


def told_again(who: int) -> Deed:
    """And again, until the mall has taken it."""

    def do(world: GroupWorld) -> None:
        world.callback(who).ok()

    return do


def pay(who: int) -> Deed:
    """They ask to pay, which is all there is to do where it costs nothing."""

    def do(world: GroupWorld) -> None:
        world.people[who].post(f"/v1/orders/{world.orders[who]}/payment")

    return do


def pay_again(who: int) -> Deed:
    """And again, until the mall says that it is paid."""

    def do(world: GroupWorld) -> None:
        assert world.people[who].start_payment(world.orders[who]) == {"paid": True}

    return do


def leave(who: int) -> Deed:
    """They want their money back."""

    def do(world: GroupWorld) -> None:
        world.leave(who)

    return do


def leave_again(who: int) -> Deed:
    """And again, until they see their refund."""

    def do(world: GroupWorld) -> None:
        world.leave(who).ok(202)

    return do


def work(*kinds: str) -> Deed:
    """A worker runs the jobs of the kinds that begin so. Others are left to the healing: what follows when a piece is
    sold or returned is struck in the sweep of purchases."""
    return lambda world: world.work(*kinds)


def drawn(prize: str, whole: bool = False) -> Callable[[GroupWorld], list[End]]:
    """How a draw of one winner must end, by the secret and the recipe that shoppers are given."""

    def ends(world: GroupWorld) -> list[End]:
        secret = secret_of(world.activity.activity_id)
        if not whole:
            secret = draw.lobby_secret(secret, world.lobby_id)
        winners = draw.winners(secret, list(world.orders.values()), 1)
        found: list[End] = []
        for who, fen in ((LEADER, LEADER_FEN), (SECOND, MEMBER_FEN)):
            won = world.orders[who] in winners
            if prize == "goods":
                found.append(ships(fen, 0, "won") if won else back(fen, "lost"))
            else:
                found.append(ships(fen, fen, "won") if won else ships(fen, 0, "lost"))
        return found

    return ends


#: The jobs of group-buy itself, and of the stock that was set aside for it.
OWN = ("groupbuy.", "catalogue.empty_pool")

PAIR, TRIO = Offer(), Offer(3)
ASIDE, GIFT = Offer(aside=True), Offer(leader_fen=0, member_fen=0)
GOODS, FREE = Lottery(winners=1), Lottery(winners=1, prize="free")
OF_ALL = Offer(kind="lottery", lottery=Lottery(winners=1, per="activity"), aside=True, minutes=25)

FLOWS = [
    Flow("open", nothing, order(LEADER), order_again(LEADER), PAIR, [HELD], ("opening", 1, 1, 0)),
    Flow("open, stock set aside", nothing, order(LEADER), order_again(LEADER), ASIDE, [HELD], ("opening", 1, 1, 0)),
    Flow(
        "leader pays", paid_at_wechat(LEADER), told(LEADER), told_again(LEADER),
        PAIR, [waits(LEADER_FEN)], ("open", 1, 0, 1),
    ),
    Flow(
        "join", paid(LEADER), order(SECOND), order_again(SECOND),
        PAIR, [waits(LEADER_FEN), HELD], ("open", 0, 1, 1),
    ),
    Flow(
        "joiner pays", then(paid(LEADER), paid_at_wechat(SECOND)), told(SECOND), told_again(SECOND),
        TRIO, [waits(LEADER_FEN), waits(MEMBER_FEN)], ("open", 1, 0, 2),
    ),
    Flow(
        "last seat", then(paid(LEADER), paid_at_wechat(SECOND)), then(told(SECOND), work(*OWN)), told_again(SECOND),
        PAIR, [ships(LEADER_FEN), ships(MEMBER_FEN)], ("succeeded", 0, 0, 2),
    ),
    Flow(
        "hold ends", then(paid(LEADER), sat(SECOND), wait(11)), work("orders.close_unpaid"), nothing,
        PAIR, [waits(LEADER_FEN), UNPAID], ("open", 1, 0, 1),
    ),
    Flow(
        "expiry, two of three", then(paid(LEADER, SECOND), wait(31)), work(*OWN, "orders.push_refund"), nothing,
        TRIO, [back(LEADER_FEN, "failed"), back(MEMBER_FEN, "failed")], ("failed", 1, 0, 2),
    ),
    Flow(
        "expiry, stock set aside", then(paid(LEADER), wait(31)), work(*OWN), nothing,
        ASIDE, [back(LEADER_FEN, "failed")], ("failed", 1, 0, 1),
    ),
    Flow(
        "expiry, enough", then(paid(LEADER, SECOND), wait(31)), work(*OWN), nothing,
        Offer(3, min_fill=2), [ships(LEADER_FEN), ships(MEMBER_FEN)], ("succeeded", 1, 0, 2),
    ),
    Flow(
        "expiry, the last seat unpaid", then(paid(LEADER), wait(29), sat(SECOND), wait(2)),
        work(*OWN, "orders.close_unpaid"), nothing, PAIR, [back(LEADER_FEN, "failed"), UNPAID], ("failed", 1, 0, 1),
    ),
    Flow(
        "expiry, the last seat paid just in time", then(paid(LEADER), wait(29), paid_at_wechat(SECOND), wait(1.1)),
        work(*OWN, "orders.close_unpaid"), nothing, PAIR, [ships(LEADER_FEN), ships(MEMBER_FEN)],
        ("succeeded", 0, 0, 2),
    ),
    Flow(
        "expiry, on a step of the ladder", then(paid(LEADER, SECOND, THIRD), wait(31)), work(*OWN), nothing,
        Offer(4, "ladder"), [ships(LEADER_FEN, STEP_FEN), ships(MEMBER_FEN, STEP_FEN), ships(MEMBER_FEN, STEP_FEN)],
        ("succeeded", 1, 0, 3),
    ),
    Flow(
        "expiry, on a step of the ladder, with coupons",
        then(
            has_coupon(SECOND, 400, kind="percent_off", amount_fen=None, percent_off=20, threshold_fen=0),
            has_coupon(THIRD, 100, amount_fen=100, threshold_fen=MEMBER_FEN), paid(LEADER, SECOND, THIRD), wait(31),
        ),
        work(*OWN), nothing, Offer(4, "ladder"),
        [ships(LEADER_FEN, STEP_FEN), ships(MEMBER_FEN - 400, 320), ships(MEMBER_FEN - 100, STEP_FEN - 100)],
        ("succeeded", 1, 0, 3),
    ),
    Flow(
        "leader pays nothing", sat(LEADER), pay(LEADER), pay_again(LEADER), GIFT, [waits(0)], ("open", 1, 0, 1),
    ),
    Flow(
        "expiry, the leader paid nothing", then(paid(LEADER), wait(31)), work(*OWN), nothing,
        GIFT, [back(0, "failed")], ("failed", 1, 0, 1),
    ),
    Flow(
        "draw in the lobby, for the goods", paid(LEADER, SECOND), work(*OWN), nothing,
        Offer(kind="lottery", lottery=GOODS), drawn("goods"), ("succeeded", 0, 0, 2),
    ),
    Flow(
        "draw in the lobby, for the money", paid(LEADER, SECOND), work(*OWN), nothing,
        Offer(kind="lottery", lottery=FREE), drawn("free"), ("succeeded", 0, 0, 2),
    ),
    Flow(
        "draw over the activity, entered", paid(LEADER, SECOND), work(*OWN), nothing,
        OF_ALL, [waits(LEADER_FEN), waits(MEMBER_FEN)], ("succeeded", 0, 0, 2),
    ),
    Flow(
        "draw over the activity, left", then(paid(LEADER, SECOND), work(*OWN)), leave(SECOND), leave_again(SECOND),
        OF_ALL, [waits(LEADER_FEN), back(MEMBER_FEN, "failed")], ("succeeded", 0, 0, 2),
    ),
    Flow(
        "draw over the activity, left before it was entered", paid(LEADER, SECOND), then(leave(SECOND), work(*OWN)),
        leave_again(SECOND), OF_ALL, [waits(LEADER_FEN), back(MEMBER_FEN, "failed")], ("succeeded", 0, 0, 2),
    ),
    Flow(
        "draw over the activity, without who left",
        then(paid(LEADER, SECOND), work(*OWN), left(SECOND), wait(25 + 6)), work(*OWN), nothing,
        OF_ALL, [ships(LEADER_FEN, 0, "won"), back(MEMBER_FEN, "failed")], ("succeeded", 0, 0, 2), over=True,
    ),
    Flow(
        "draw over the activity", then(paid(LEADER, SECOND), work(*OWN), wait(25 + 6)), work(*OWN), nothing,
        OF_ALL, drawn("goods", whole=True), ("succeeded", 0, 0, 2), over=True,
    ),
    Flow(
        "late, a seat is free", then(paid(LEADER), paid_too_late(SECOND)), told(SECOND), told_again(SECOND),
        PAIR, [ships(LEADER_FEN), ships(MEMBER_FEN)], ("succeeded", 0, 0, 2),
    ),
    Flow(
        "late, no seat is free", then(paid(LEADER), paid_too_late(SECOND), paid(THIRD)), told(SECOND),
        told_again(SECOND), PAIR, [ships(LEADER_FEN), back(MEMBER_FEN, "released"), ships(MEMBER_FEN)],
        ("succeeded", 0, 0, 2),
    ),
    Flow(
        "late, the lobby is over", then(paid(LEADER), paid_too_late(SECOND), wait(31)), told(SECOND),
        told_again(SECOND), PAIR, [back(LEADER_FEN, "failed"), back(MEMBER_FEN, "released")], ("failed", 1, 0, 1),
    ),
    Flow(
        "in time, the lobby is over", then(paid(LEADER), paid_at_wechat(SECOND), left(LEADER)), told(SECOND),
        told_again(SECOND), PAIR, [back(LEADER_FEN, "released"), back(MEMBER_FEN, "released")], ("failed", 2, 0, 0),
    ),
    Flow(
        "leave", paid(LEADER, SECOND), leave(SECOND), leave_again(SECOND),
        TRIO, [waits(LEADER_FEN), back(MEMBER_FEN, "released")], ("open", 2, 0, 1),
    ),
    Flow(
        "leave, the last", paid(LEADER), then(leave(LEADER), work(*OWN)), leave_again(LEADER),
        ASIDE, [back(LEADER_FEN, "released")], ("failed", 2, 0, 0),
    ),
]  # fmt: skip
