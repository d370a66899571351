"""Whenever a seat is paid, and however the mall learns of it, the order ends in one state and the money with it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from local.client import Control, Operator, Sandbox, Shopper, poll
from local.mall import Mall
from tests.e2e.test_refunds import ledger, paid_out
from tests.support.groups import Arrive, Seated, agree, seat, settled, sku_of

PRICE = 1500
HOLD_MINUTES = 10


@dataclass
class Scene:
    """A lobby of three whose leader has paid, and somebody who holds a seat and has begun to pay."""

    operator: Operator
    control: Control
    wechat: Sandbox
    arrive: Arrive
    activity: Any
    leader: Shopper
    lead: Any
    late: Shopper
    order_id: str
    payment: Any

    @property
    def sku(self) -> str:
        return sku_of(self.activity)

    @property
    def lobby_id(self) -> str:
        return str(self.lead["group"]["lobby_id"])

    @property
    def seated(self) -> Seated:
        return self.late, {"order_id": self.order_id}

    def lobby(self) -> Any:
        return self.leader.lobby(self.lead)

    def cancel(self) -> None:
        self.late.post(f"/v1/orders/{self.order_id}/cancel").ok()

    def two_join(self) -> None:
        for _ in range(2):
            self.arrive().join_lobby(self.lead)

    def learned(self) -> Any:
        """The late one's order, when the mall knows of the payment."""
        return poll(lambda: "paid_at" in (order := self.late.order(self.order_id)) and order)

    def ends(self, state: str, kept: str, refunded_fen: int) -> Any:
        """Everybody says the same of how the order ended, and says it still when jobs have run again."""
        (order,) = settled(self.control, [self.seated])
        self.control.run_jobs(advance=31)
        assert self.late.order(self.order_id) == order
        self.has_ended(order, state, kept, refunded_fen)
        return order

    def has_ended(self, order: Any, state: str, kept: str, refunded_fen: int) -> None:
        assert (seat(order), order["paid_fen"], order["refunded_fen"]) == ((state, kept), PRICE, refunded_fen)
        assert [one["amount_fen"] for one in self.wechat.payments(self.order_id)] == [PRICE]
        assert [fen for _, fen in paid_out(self.wechat, self.order_id)] == ([refunded_fen] if refunded_fen else [])
        assert ledger(self.operator, self.order_id).get("wechat", 0) == PRICE - refunded_fen
        lobby = self.lobby()
        assert lobby["taken"] + lobby["held"] + lobby["left"] == lobby["size"]


class Make(Protocol):
    def __call__(self, shards: int = 0, **more: Any) -> Scene: ...


@pytest.fixture
def make(operator: Operator, control: Control, wechat: Sandbox, arrive: Arrive) -> Make:
    def make(shards: int = 0, **more: Any) -> Scene:
        activity = operator.group_activity({3: PRICE}, pieces=10, **more)
        operator.put(f"/v1/admin/skus/{sku_of(activity)}/shards", {"shards": shards}).ok()
        leader, late = arrive(), arrive()
        lead = leader.open_lobby(activity)
        order_id = late.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).ok(201)["order_id"]
        payment = late.start_payment(order_id)
        return Scene(operator, control, wechat, arrive, activity, leader, lead, late, order_id, payment)

    return make


@pytest.fixture
def slip_through(mall: Mall, wechat: Sandbox) -> Callable[[Scene, str], None]:
    """A payment that was under way when the order was closed gets through at WeChat all the same."""

    def pay(scene: Scene, notify: str) -> None:
        with contextlib.closing(sqlite3.connect(mall.data / "sandbox" / "sandbox.db", timeout=30)) as books, books:
            reopen = "UPDATE trade SET state = 'NOTPAY', time_expire = time_expire + 86400 WHERE out_trade_no = ?"
            assert books.execute(reopen, (scene.order_id,)).rowcount == 1
        wechat.pay(scene.payment, notify)

    return pay


Slip = Callable[[Scene, str], None]


@pytest.mark.parametrize("notify", ["duplicate", "none"])
def test_paid_while_the_seat_is_held_it_is_taken(notify: str, make: Make) -> None:
    scene = make()
    scene.wechat.pay(scene.payment, notify)
    if notify == "none":
        scene.control.run_jobs(advance=61)
    assert scene.learned()["state"] == "awaiting_group"
    assert (scene.lobby()["taken"], scene.lobby()["held"]) == (2, 0)
    scene.arrive().join_lobby(scene.lead)
    scene.control.run_jobs()
    order = scene.ends("awaiting_shipment", "taken", 0)
    assert [event["what"] for event in order["history"]] == ["placed", "paid", "group_succeeded"]
    assert scene.operator.stock(scene.sku) == (7, 3)


def test_a_leader_of_whose_payment_nobody_tells_has_a_lobby_all_the_same(
    operator: Operator, control: Control, wechat: Sandbox, arrive: Arrive
) -> None:
    activity = operator.group_activity({3: PRICE}, pieces=10)
    leader = arrive()
    lead = leader.take_seat(sku_of(activity), activity_id=activity["activity_id"]).ok(201)
    wechat.pay(leader.start_payment(lead["order_id"]), notify="none")
    control.run_jobs(advance=61)
    order = poll(lambda: "paid_at" in (order := leader.order(lead["order_id"])) and order)
    assert (order["state"], leader.lobby(lead)["taken"]) == ("awaiting_group", 1)
    arrive().join_lobby(lead)


@pytest.mark.parametrize("how", ["cancelled", "cancelled, never told", "time is over", "another shard, never told"])
def test_paid_after_the_hold_it_takes_a_seat_that_is_still_free(how: str, make: Make, slip_through: Slip) -> None:
    scene = make(shards=3 if how == "another shard, never told" else 0)
    if how == "time is over":
        scene.control.run_jobs(advance=HOLD_MINUTES * 60 + 1)
    else:
        scene.cancel()
    assert scene.late.order(scene.order_id)["state"] == "closed"
    assert (scene.lobby()["held"], scene.lobby()["left"]) == (0, 2)
    assert scene.operator.stock(scene.sku) == (9, 1)
    if how == "another shard, never told":
        scene.operator.put(f"/v1/admin/skus/{scene.sku}/shards", {"shards": 5}).ok()
    if how.endswith("never told"):
        slip_through(scene, "none")
        scene.control.run_jobs(advance=HOLD_MINUTES * 60 + 71)
    else:
        slip_through(scene, "normal")
    assert scene.learned()["state"] == "awaiting_group"
    assert (scene.lobby()["taken"], scene.lobby()["left"]) == (2, 1)
    assert scene.operator.stock(scene.sku) == (8, 2)
    scene.arrive().join_lobby(scene.lead)
    scene.control.run_jobs()
    order = scene.ends("awaiting_shipment", "taken", 0)
    closed = "closed_unpaid" if how == "time is over" else "cancelled"
    assert [event["what"] for event in order["history"]] == ["placed", closed, "paid_late", "group_succeeded"]


def test_paid_after_the_hold_it_may_be_the_seat_that_makes_the_lobby(make: Make, slip_through: Slip) -> None:
    scene = make()
    scene.cancel()
    scene.arrive().join_lobby(scene.lead)
    slip_through(scene, "normal")
    scene.learned()
    assert scene.lobby()["state"] == "succeeded"
    scene.control.run_jobs()
    scene.ends("awaiting_shipment", "taken", 0)
    assert scene.leader.order(scene.lead["order_id"])["state"] == "awaiting_shipment"


# What may have become of the seat when the money comes too late for it


def another_holds_it(scene: Scene) -> None:
    scene.arrive().join_lobby(scene.lead)
    scene.arrive().take_seat(scene.sku, lobby_id=scene.lobby_id).ok(201)


def the_lobby_has_succeeded(scene: Scene) -> None:
    scene.two_join()


def the_lobby_has_failed(scene: Scene) -> None:
    scene.control.run_jobs(advance=61)
    assert scene.lobby()["state"] == "failed"


def everybody_has_left(scene: Scene) -> None:
    scene.leader.refund(scene.lead["order_id"])


def the_pieces_are_gone(scene: Scene) -> None:
    scene.arrive().place([(scene.sku, 9)])


def the_limit_is_reached(scene: Scene) -> None:
    scene.late.open_lobby(scene.activity)


#: And what is special about the group-buy then.
MOMENTS: dict[Callable[[Scene], None], dict[str, int]] = {
    another_holds_it: {}, the_lobby_has_succeeded: {}, the_lobby_has_failed: {"lobby_minutes": 1},
    everybody_has_left: {}, the_pieces_are_gone: {},
    the_limit_is_reached: {"limit_per_member": 1},
}  # fmt: skip


def test_paid_when_there_is_no_seat_any_more_all_of_it_goes_back_by_itself(
    make: Make, slip_through: Slip, control: Control
) -> None:
    scenes = {moment: make(**special) for moment, special in MOMENTS.items()}
    for moment, scene in scenes.items():
        scene.cancel()
        moment(scene)
    before = {moment: scene.lobby() for moment, scene in scenes.items()}
    stock = {moment: scene.operator.stock(scene.sku) for moment, scene in scenes.items()}
    for scene in scenes.values():
        slip_through(scene, "normal")
    for scene in scenes.values():
        scene.learned()
    orders = settled(control, [scene.seated for scene in scenes.values()])
    control.run_jobs(advance=31)
    for (moment, scene), order in zip(scenes.items(), orders, strict=True):
        assert scene.late.order(scene.order_id) == order, moment
        scene.has_ended(order, "closed", "released", PRICE)
        assert [event["what"] for event in order["history"]][:3] == ["placed", "cancelled", "paid_late"]
        assert scene.lobby() == before[moment], moment
        assert scene.operator.stock(scene.sku) == stock[moment], moment


def test_so_it_does_when_the_mall_is_never_told_and_has_to_ask(
    make: Make, slip_through: Slip, control: Control, differences: Callable[[], list[str]]
) -> None:
    full, failed = make(), make(lobby_minutes=HOLD_MINUTES)
    for scene in (full, failed):
        scene.cancel()
        slip_through(scene, "none")
    the_lobby_has_succeeded(full)
    control.run_jobs(advance=HOLD_MINUTES * 60 + 71)
    assert [full.lobby()["state"], failed.lobby()["state"]] == ["succeeded", "failed"]
    for scene in (full, failed):
        scene.learned()
    for scene, order in zip((full, failed), settled(control, [full.seated, failed.seated]), strict=True):
        scene.has_ended(order, "closed", "released", PRICE)
    assert [scene.operator.stock(scene.sku) for scene in (full, failed)] == [(7, 3), (10, 0)]
    agree(differences)


def test_a_leader_who_pays_too_late_is_paid_back_and_opens_nothing(make: Make, slip_through: Slip) -> None:
    scene = make()
    lead = scene.late.take_seat(scene.sku, activity_id=scene.activity["activity_id"]).ok(201)
    scene.order_id, scene.payment = lead["order_id"], scene.late.start_payment(lead["order_id"])
    scene.cancel()
    slip_through(scene, "normal")
    scene.learned()
    scene.ends("closed", "released", PRICE)
    assert scene.late.lobby(lead)["state"] == "failed"
    scene.leader.get(f"/v1/lobbies/{lead['group']['lobby_id']}").refused(404, "not_found")


# The expiry, and seats that are held then


def test_paid_before_the_expiry_and_learned_after_it_the_seat_still_counts(make: Make) -> None:
    scene = make(lobby_minutes=5)  # so that seats are held until the very expiry
    scene.arrive().join_lobby(scene.lead)
    scene.wechat.pay(scene.payment, "none")
    assert scene.late.order(scene.order_id)["pay_by"] == scene.lobby()["expires_at"]
    scene.control.run_jobs(advance=5 * 60 + 1)
    scene.learned()
    assert scene.lobby()["state"] == "succeeded"
    scene.ends("awaiting_shipment", "taken", 0)
    assert scene.leader.order(scene.lead["order_id"])["state"] == "awaiting_shipment"


def test_what_wechat_tells_only_when_the_lobby_has_failed_without_it_goes_back(make: Make) -> None:
    scene = make(lobby_minutes=5)
    second = scene.arrive()
    joined = second.join_lobby(scene.lead)
    scene.wechat.pay(scene.payment, "none")
    scene.wechat.fault(f"/v3/pay/transactions/out-trade-no/{scene.order_id}", "error", times=8)
    scene.control.run_jobs(advance=5 * 60 + 1)
    assert (scene.lobby()["state"], scene.lobby()["held"]) == ("open", 1)  # waits for who may have paid
    second.post(f"/v1/orders/{joined['order_id']}/refunds", {"reason": "x"}, key="x").refused(409, "order_state")
    scene.control.run_jobs(advance=121)
    poll(lambda: scene.control.run_jobs(advance=1) >= 0 and scene.lobby()["state"] == "failed")
    assert scene.late.order(scene.order_id)["state"] == "awaiting_payment"
    poll(lambda: scene.control.run_jobs(advance=600) >= 0 and "paid_at" in scene.late.order(scene.order_id))
    order = scene.ends("closed", "released", PRICE)
    assert [event["what"] for event in order["history"]][:3] == ["placed", "paid", "lobby_over"]
    assert [one["refunded_fen"] for one in settled(scene.control, [(second, joined)])] == [PRICE]
    assert scene.operator.stock(scene.sku) == (10, 0)


def test_nobody_begins_to_pay_for_a_seat_in_a_lobby_that_everybody_has_left(operator: Operator, arrive: Arrive) -> None:
    activity = operator.group_activity({3: PRICE})
    leader, late = arrive(), arrive()
    lead = leader.open_lobby(activity)
    held = late.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).ok(201)
    leader.refund(lead["order_id"])
    late.post(f"/v1/orders/{held['order_id']}/payment").refused(409, "lobby_over")
