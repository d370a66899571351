"""Somebody leaves in the very moment in which they begin something: the one that is written first is done, and the
other is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.commerce.cart.tables import Carts
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.commerce.orders.tables import Orders
from chalicelib.core.settings import settings
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.customers.members.tables import ADDRESSES, PROFILE, Members
from chalicelib.growth.distribution.distributors import queries as distributor_queries
from chalicelib.growth.distribution.tables import DISTRIBUTOR, Distributors
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import Transaction
from local.client import SHANGHAI, Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.distribution import run_jobs, set_rules
from tests.support.groups import sku_of
from tests.support.withdrawals import earner
from tests.support.withdrawals import set_rules as set_withdrawals

DAY = 86400
PRICE = 1000

#: Has this happen just before the next commit: when all has been read and decided, and nothing written.
Meanwhile = Callable[[Callable[[], object]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    planned: list[Callable[[], object]] = []
    commit = Transaction.commit

    def overtaken(tx: Transaction) -> None:
        while planned:
            planned.pop()()
        commit(tx)

    monkeypatch.setattr(Transaction, "commit", overtaken)
    return planned.append


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(price_fen=PRICE)["skus"][0]["sku_id"]
    return sku_id


def goes(shopper: Shopper) -> Callable[[], None]:
    """They leave, on another device and another server of the mall: this one has not heard of it."""

    def leave() -> None:
        privacy.erase(shopper.member_id, True)
        cache.keep((sessions.CACHE, shopper.member_id), sessions.Known())

    return leave


def is_gone(shopper: Shopper) -> bool:
    return read.get(Members, shopper.member_id, PROFILE) is None


def orders_of(shopper: Shopper) -> list[Any]:
    found, _ = read.query(Orders, shopper.member_id, index=Orders.by_member)
    return found


def test_an_order_that_a_deletion_overtakes_is_refused(shopper: Shopper, sku: str, meanwhile: Meanwhile) -> None:
    body = shopper.order_body([(sku, 1)])
    meanwhile(goes(shopper))
    shopper.post("/v1/orders", body, key="k").refused(401, "unauthenticated")
    assert is_gone(shopper) and orders_of(shopper) == []


def test_neither_is_one_placed_after_the_first_erasure(shopper: Shopper, sku: str, meanwhile: Meanwhile) -> None:
    """It has taken long: what was kept of the member's orders is forgotten by then."""
    body = shopper.order_body([(sku, 1)])

    def leave_and_forget() -> None:
        goes(shopper)()
        run_jobs()

    meanwhile(leave_and_forget)
    shopper.post("/v1/orders", body, key="k").refused(401, "unauthenticated")
    assert orders_of(shopper) == []


@pytest.mark.parametrize("known", [True, False])
def test_a_deletion_that_an_order_overtakes_is_refused(
    known: bool, shopper: Shopper, sku: str, meanwhile: Meanwhile
) -> None:
    """Also the very first order of a member."""
    if known:
        shopper.post(f"/v1/orders/{shopper.place([(sku, 1)])['order_id']}/payment").ok()
        order_id = orders_of(shopper)[0]["order_id"]["S"]
        shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
        payment.ask(order_id)
        shopper.refund(order_id)
        run_jobs()
    body = shopper.order_body([(sku, 1)])
    meanwhile(lambda: shopper.post("/v1/orders", body, key="k").ok(201))
    refused = shopper.leave().refused(409, "account_open")
    assert [error["code"] for error in refused["errors"]] == ["orders_under_way"]
    (order,) = [one for one in shopper.get("/v1/orders").ok()["items"] if one["state"] == "awaiting_payment"]
    assert order["address"]["phone"] == SHANGHAI["phone"]


@pytest.mark.parametrize("paid", [False, True])
def test_an_order_that_the_index_does_not_show_yet_hinders_a_deletion(
    paid: bool, shopper: Shopper, sku: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = shopper.place([(sku, 1)])["order_id"]
    if paid:
        shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
        payment.ask(order_id)
    query = read.query
    monkeypatch.setattr(
        read, "query", lambda table, *more, **given: ([], None) if table is Orders else query(table, *more, **given)
    )
    refused = shopper.leave().refused(409, "account_open")
    assert [error["code"] for error in refused["errors"]] == ["orders_under_way"]
    assert not is_gone(shopper)


def test_money_that_comes_for_a_closed_order_of_who_is_gone_goes_back(
    operator: Operator, shopper: Shopper, sandbox: str, mall_clock: LocalClock
) -> None:
    """Who is there would find their seat again."""
    friend, other = (Shopper.arrive(operator.send, Sandbox(sandbox)) for _ in range(2))
    activity = operator.group_activity({5: 900})
    lead = friend.take_seat(sku_of(activity), activity_id=activity["activity_id"]).ok(201)
    friend.sandbox.pay(friend.start_payment(lead["order_id"]), notify="none")
    payment.ask(lead["order_id"])
    late = {}
    for who in (shopper, other):
        order = who.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).ok(201)
        late[who.member_id] = order["order_id"]
        operator.post(f"/v1/admin/members/{who.member_id}/block", {"reason": "x"}).ok()
        run_jobs()
        operator.post(f"/v1/admin/members/{who.member_id}/unblock").ok()
        assert order_queries.load(order["order_id"]).state == "closed"
    shopper.log_in()
    shopper.leave().ok(204)
    told = {}
    for member_id, order_id in late.items():
        payment.record(_paid(order_id))
        told[member_id] = order_queries.load(order_id)
    assert (told[other.member_id].state, told[other.member_id].refunds) == ("awaiting_group", [])
    gone = told[shopper.member_id]
    assert (gone.state, [refund.amount_fen for refund in gone.refunds]) == ("closed", [900])


def test_an_order_that_finds_its_seat_again_hinders_a_deletion_that_it_overtakes(
    operator: Operator, shopper: Shopper, sandbox: str, meanwhile: Meanwhile
) -> None:
    friend = Shopper.arrive(operator.send, Sandbox(sandbox))
    activity = operator.group_activity({5: 900})
    lead = friend.take_seat(sku_of(activity), activity_id=activity["activity_id"]).ok(201)
    friend.sandbox.pay(friend.start_payment(lead["order_id"]), notify="none")
    payment.ask(lead["order_id"])
    order_id = shopper.take_seat(sku_of(activity), lobby_id=lead["group"]["lobby_id"]).ok(201)["order_id"]
    operator.post(f"/v1/admin/members/{shopper.member_id}/block", {"reason": "x"}).ok()
    run_jobs()
    operator.post(f"/v1/admin/members/{shopper.member_id}/unblock").ok()
    shopper.log_in()
    meanwhile(lambda: payment.record(_paid(order_id)))
    shopper.leave().refused(409, "account_open")
    assert order_queries.load(order_id).state == "awaiting_group"


def _paid(order_id: str) -> Any:
    from chalicelib.gateways.wechat.pay import Trade

    mine = settings()
    return Trade(order_id, "SUCCESS", mine.wechat_appid, mine.wechat_mchid, f"4200{order_id}", 900)


def test_nobody_who_is_gone_becomes_a_distributor_or_is_approved(
    operator: Operator, shopper: Shopper, sandbox: str, meanwhile: Meanwhile
) -> None:
    set_rules(operator, approval="review")
    waits = Shopper.arrive(operator.send, Sandbox(sandbox))
    waits.post("/v1/distributor").ok()
    meanwhile(goes(shopper))
    shopper.post("/v1/distributor").refused(401, "unauthenticated")
    assert read.get(Distributors, shopper.member_id, DISTRIBUTOR) is None
    meanwhile(goes(waits))
    operator.post(f"/v1/admin/distributors/{waits.member_id}/approve").refused(404, "not_found")
    assert distributor_queries.load(waits.member_id).state == "suspended"
    set_rules(operator, enabled=False)


def test_a_withdrawal_that_a_deletion_overtakes_is_refused_and_the_other_way_round(
    operator: Operator, sandbox: str, meanwhile: Meanwhile
) -> None:
    set_withdrawals(operator)
    quick, slow = (earner(operator.send, Sandbox(sandbox), 10_000) for _ in range(2))
    meanwhile(goes(slow))
    slow.post("/v1/distributor/withdrawals", {"amount_fen": 10_000}, key="w").refused(404, "not_found")
    assert is_gone(slow) and slow.member_id not in str(operator.items("/v1/admin/withdrawals"))
    meanwhile(lambda: quick.post("/v1/distributor/withdrawals", {"amount_fen": 10_000}, key="w").ok(201))
    quick.leave(waive_balance=True).refused(409, "account_open")
    assert len(quick.items("/v1/distributor/withdrawals")) == 1


@pytest.mark.parametrize(
    "call",
    [
        ("PATCH", "/v1/me", {"nickname": "林小鱼"}),
        ("POST", "/v1/me/addresses", SHANGHAI),
        ("POST", "/v1/me/visits", {"channel": "poster"}),
        ("POST", "/v1/auth/logout", {"everywhere": True}),
    ],
    ids=lambda call: call[1],
)
def test_what_a_member_says_of_themselves_is_not_written_when_they_are_gone(
    call: tuple[str, str, Any], shopper: Shopper, meanwhile: Meanwhile
) -> None:
    meanwhile(goes(shopper))
    shopper.call(*call).refused(401, "unauthenticated")
    assert [read.get(Members, shopper.member_id, part) for part in (PROFILE, ADDRESSES)] == [None, None]


def test_a_cart_that_is_filled_in_the_last_second_is_gone_a_day_later(
    shopper: Shopper, sku: str, mall_clock: LocalClock
) -> None:
    shopper.leave().ok(204)
    run_jobs()
    cache.keep((sessions.CACHE, shopper.member_id), sessions.Known())
    cache.keep((sessions.CACHE, shopper.member_id), sessions.Known())
    shopper.delete(f"/v1/cart/lines/{sku}").ok()  # which makes a cart
    assert read.get(Carts, shopper.member_id) is not None
    mall_clock.advance(DAY + 60)
    run_jobs()
    assert read.get(Carts, shopper.member_id) is None
