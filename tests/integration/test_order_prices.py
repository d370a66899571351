"""What an order costs, from its quote to its last refund: promotion, coupon and floor together, to the fen; the price
that a new customer has once; one request sent twice at once; and refusals that name what was asked for."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.client import Answer, Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.distribution import run_jobs

YEARS = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z"}
PRICE, WELCOME = 3000, 100
Put = Callable[..., None]


@pytest.fixture
def promotion(operator: Operator) -> Iterator[Put]:
    """Puts a promotion, which is gone after the test."""
    made: list[str] = []

    def put(kind: str, **more: Any) -> None:
        made.append(f"p-{secrets.token_hex(6)}")
        body = {"kind": kind, "name": kind, **YEARS, **more}
        operator.put(f"/v1/admin/promotions/{made[-1]}", body).ok()

    yield put
    for promotion_id in made:
        operator.delete(f"/v1/admin/promotions/{promotion_id}").ok(204)


@pytest.fixture
def floor(operator: Operator) -> Iterator[Callable[[int], None]]:
    """Sets the floor, in basis points of the price, which is gone after the test."""
    yield lambda floor_bp: operator.put("/v1/admin/settings/pricing", {"floor_bp": floor_bp}).ok()
    operator.put("/v1/admin/settings/pricing", {}).ok()


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(price_fen=PRICE)["skus"][0]["sku_id"]
    return sku_id


@pytest.fixture
def welcome(promotion: Put, sku: str) -> str:
    """A SKU whose first piece is cheaper for a new customer."""
    promotion("new_customer_price", prices=[{"sku_id": sku, "price_fen": WELCOME}])
    return sku


def coupon(operator: Operator, shopper: Shopper, **more: Any) -> str:
    """One that the shopper has got: five yuan off, unless `more` says otherwise."""
    body = {
        "name": "券", "kind": "amount_off", "amount_fen": 500, "total": 9, "limit_per_member": 9,
        "valid": {"days": 7}, "how": ["claim"],
    } | more  # fmt: skip
    template_id = operator.post("/v1/admin/coupon-templates", body).ok(201)["template_id"]
    claimed: str = shopper.post(f"/v1/coupon-templates/{template_id}/claim").ok(201)["coupon_id"]
    return claimed


def asked(shopper: Shopper, *lines: tuple[str, int], **more: Any) -> dict[str, Any]:
    named = [{"sku_id": sku_id, "quantity": quantity} for sku_id, quantity in lines]
    return {"lines": named, "address_id": shopper.address_id} | more


def order(shopper: Shopper, payable_fen: int, *lines: tuple[str, int], key: str = "", **more: Any) -> Answer:
    body = asked(shopper, *lines, expected_payable_fen=payable_fen, **more)
    return shopper.post("/v1/orders", body, key=key or secrets.token_hex(8))


def pay(shopper: Shopper, order_id: str) -> None:
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()


def at_once(times: int, act: Callable[[int], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(act, range(times)))


def journal(operator: Operator, order_id: str) -> Counter[str]:
    """What is on each account of the order."""
    balances: Counter[str] = Counter()
    for entry in operator.get(f"/v1/admin/orders/{order_id}/ledger").ok()["entries"]:
        for leg in entry["postings"]:
            balances[leg["account"]] += leg["amount_fen"]
    return balances


def test_promotion_coupon_and_floor_are_in_the_quote_the_order_its_journal_and_every_refund(
    operator: Operator, shopper: Shopper, promotion: Put, floor: Callable[[int], None]
) -> None:
    tea = operator.post("/v1/admin/categories", {"name": "茶"}).ok(201)["category_id"]
    green = operator.post("/v1/admin/categories", {"name": "绿茶", "parent_id": tea}).ok(201)["category_id"]
    pot, cup = (
        operator.product(price_fen=10000, category_id=green)["skus"][0]["sku_id"],
        operator.product(price_fen=4000)["skus"][0]["sku_id"],
    )
    promotion("pieces_percent", tiers=[{"pieces": 2, "percent_off": 20}], scope={"categories": [tea]})
    floor(5000)
    held = coupon(operator, shopper, amount_fen=20000)
    lines = (pot, 3), (cup, 1)
    quoted = shopper.post("/v1/quotes", asked(shopper, *lines, coupon_ids=[held])).ok()
    # 30000 - 20 % is 24000; of the coupon's 20000 the floor lets 9000 off the pots (to 15000), 2000 off the cup
    off = [(one["source"], one["kind"], one["discount_fen"]) for one in quoted["discounts"]]
    assert off == [("promotion", "pieces_percent", 6000), ("coupon", "amount_off", 11000)]
    assert [line["payable_fen"] for line in quoted["lines"]] == [15000, 2000]
    assert (quoted["goods_fen"], quoted["discount_fen"], quoted["freight_fen"]) == (34000, 17000, 0)
    assert quoted["payable_fen"] == 17000

    placed = order(shopper, 17000, *lines, coupon_ids=[held]).ok(201)
    assert placed["discounts"] == quoted["discounts"]
    order_id = placed["order_id"]
    pay(shopper, order_id)
    assert journal(operator, order_id) == {
        "wechat": 17000, "sales:goods": -34000, "discounts:promotions": 6000, "discounts:coupons": 11000,
    }  # fmt: skip
    given = [shopper.refund(order_id, part)["amount_fen"] for part in ([(pot, 1)], [(cup, 1)], [(pot, 2)])]
    assert given == [5000, 2000, 10000]
    assert {account: fen for account, fen in journal(operator, order_id).items() if fen} == {
        "wechat": 17000, "refunds:owed": -17000,
    }  # fmt: skip


def test_of_ten_orders_at_once_one_has_the_price_for_new_customers(shopper: Shopper, welcome: str) -> None:
    quoted = shopper.post("/v1/quotes", asked(shopper, (welcome, 1))).ok()
    assert quoted["payable_fen"] == WELCOME
    answers = at_once(10, lambda _: order(shopper, WELCOME, (welcome, 1)))
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 9}
    refused = [answer.json for answer in answers if answer.status == 409]
    assert {one["code"] for one in refused} <= {"price_changed", "conflict"}
    assert {one["quote"]["payable_fen"] for one in refused if one["code"] == "price_changed"} == {PRICE}


def test_an_order_whose_index_entry_is_late_counts_all_the_same(
    shopper: Shopper, welcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.commerce.orders.holding import queries as holding

    order(shopper, WELCOME, (welcome, 1)).ok(201)
    monkeypatch.setattr(holding, "index_shows", lambda *_, **__: False)
    assert order(shopper, WELCOME, (welcome, 1)).refused(409, "price_changed")["quote"]["payable_fen"] == PRICE
    order(shopper, PRICE, (welcome, 1)).ok(201)


def test_the_price_for_new_customers_is_had_again_only_when_its_order_is_over(
    shopper: Shopper, operator: Operator, welcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.commerce.orders.holding import queries as holding

    monkeypatch.setattr(holding, "index_shows", lambda *_, **__: False)  # what is kept of the member decides
    first = order(shopper, WELCOME, (welcome, 1)).ok(201)["order_id"]
    order(shopper, WELCOME, (welcome, 1)).refused(409, "price_changed")
    shopper.post(f"/v1/orders/{first}/cancel").ok()
    second = order(shopper, WELCOME, (welcome, 1)).ok(201)["order_id"]
    pay(shopper, second)
    order(shopper, WELCOME, (welcome, 1)).refused(409, "price_changed")
    shopper.refund(second)
    third = order(shopper, WELCOME, (welcome, 1)).ok(201)["order_id"]
    pay(shopper, third)
    operator.ship(third)
    order(shopper, WELCOME, (welcome, 1)).refused(409, "price_changed")


@pytest.mark.parametrize("chosen", ["by id", "best"])
def test_twenty_times_at_once_with_one_key_and_a_coupon_is_one_order(
    shopper: Shopper, operator: Operator, sku: str, chosen: str
) -> None:
    held = coupon(operator, shopper)
    more: dict[str, Any] = {"coupon_ids": "best" if chosen == "best" else [held]}
    answers = at_once(20, lambda _: order(shopper, PRICE - 500, (sku, 1), key="tap", **more))
    assert len({answer.ok(201)["order_id"] for answer in answers}) == 1


def test_the_same_request_is_not_refused_for_what_it_took_itself(
    shopper: Shopper, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two is placed whole between the second's first look and what it reads next."""
    from chalicelib.commerce.orders.redemption import queries as redemption_queries

    sku = operator.product(stock=1, price_fen=PRICE)["skus"][0]["sku_id"]
    held = coupon(operator, shopper)
    body = asked(shopper, (sku, 1), coupon_ids="best", expected_payable_fen=PRICE - 500)
    real, seen = redemption_queries.of_member, []

    def overtaken(*arguments: Any) -> Any:
        if not seen:
            seen.append(held)
            seen.append(shopper.post("/v1/orders", body, key="tap").ok(201)["order_id"])
        return real(*arguments)

    monkeypatch.setattr(redemption_queries, "of_member", overtaken)
    assert shopper.post("/v1/orders", body, key="tap").ok(201)["order_id"] == seen[1]


def test_a_coupon_that_somebody_was_faster_with_is_named_as_it_was_asked_for(
    shopper: Shopper, operator: Operator, sku: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.commerce.orders.redemption import queries as redemption_queries

    extra, main = coupon(operator, shopper, stacking="extra"), coupon(operator, shopper)
    both = [extra, main]
    quoted = shopper.post("/v1/quotes", asked(shopper, (sku, 1), coupon_ids=both)).ok()
    assert [one["coupon_id"] for one in quoted["coupons"]] == [main, extra]
    stale = redemption_queries.picked

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr(redemption_queries, "picked", stale)
        found = stale(*arguments)
        order(shopper, PRICE - 500, (sku, 1), coupon_ids=[main]).ok(201)
        return found

    monkeypatch.setattr(redemption_queries, "picked", overtaken)
    told = order(shopper, quoted["payable_fen"], (sku, 1), coupon_ids=both).refused(422, "coupon_unusable")
    assert [(one["field"], one["code"]) for one in told["errors"]] == [("coupon_ids[1]", "locked")]


def test_a_coupon_of_a_cancelled_order_can_be_used_at_once_however_late_the_index_is(
    shopper: Shopper, operator: Operator, sku: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.commerce.coupons.wallet import queries as wallet_queries

    held = coupon(operator, shopper)
    first = order(shopper, PRICE - 500, (sku, 1), coupon_ids=[held]).ok(201)["order_id"]
    late = wallet_queries.open_coupons(shopper.member_id)
    assert [one.state for one in late] == ["locked"]
    shopper.post(f"/v1/orders/{first}/cancel").ok()
    monkeypatch.setattr(wallet_queries, "open_coupons", lambda _: late)
    assert shopper.post("/v1/quotes", asked(shopper, (sku, 1), coupon_ids=[held])).ok()["payable_fen"] == PRICE - 500
    order(shopper, PRICE - 500, (sku, 1), coupon_ids=[held]).ok(201)


def test_the_new_quote_of_a_changed_price_tells_of_the_coupons(shopper: Shopper, operator: Operator, sku: str) -> None:
    held, dear = coupon(operator, shopper), coupon(operator, shopper, threshold_fen=PRICE + 1)
    told = order(shopper, PRICE - 1, (sku, 1)).refused(409, "price_changed")
    assert told["quote"] == shopper.post("/v1/quotes", asked(shopper, (sku, 1))).ok()
    assert [one["coupon_id"] for one in told["quote"]["usable_coupons"]] == [held]
    assert [one["coupon_id"] for one in told["quote"]["unusable_coupons"]] == [dear]


def test_a_ladder_gives_back_no_more_than_the_floor_lets(
    operator: Operator, sandbox: str, floor: Callable[[int], None], mall_clock: LocalClock
) -> None:
    floor(5000)
    product = operator.product(price_fen=10000)
    activity = operator.group_activity({2: 8900, 3: 6900}, product=product, kind="ladder")
    people = [Shopper.arrive(operator.send, Sandbox(sandbox)) for _ in range(3)]
    held = coupon(operator, people[0], amount_fen=8000)
    sku_id = product["skus"][0]["sku_id"]
    group = {"activity_id": activity["activity_id"]}
    lead = order(people[0], 5000, (sku_id, 1), coupon_ids=[held], group=group).ok(201)
    orders = [lead]
    pay(people[0], lead["order_id"])
    for one in people[1:]:
        seat = one.take_seat(sku_id, lobby_id=lead["group"]["lobby_id"], payable_fen=8900).ok(201)
        pay(one, seat["order_id"])
        orders.append(seat)
    run_jobs()
    owed = [journal(operator, seat["order_id"])["refunds:owed"] for seat in orders]
    assert owed == [0, -2000, -2000]
