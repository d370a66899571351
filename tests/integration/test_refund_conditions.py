"""What made a price can be let go only with a person's word, or less the difference: played over HTTP, by promotions
and freight templates as they were when the order was placed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.commerce.orders.accounting.checks import differences_of_order
from chalicelib.commerce.orders.queries import load
from chalicelib.commerce.orders.refunds import service
from chalicelib.commerce.pricing.promotions.rules import NamedPromotion
from chalicelib.commerce.pricing.tables import ALL, PROMOTION, Pricing
from chalicelib.ledger import queries as ledger_queries
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import remove, save
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.distribution import run_jobs

YEARS = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z"}
Put = Callable[..., str]


@pytest.fixture
def promotion(operator: Operator) -> Iterator[Put]:
    """Puts a promotion, under an id of its own or this one; it is gone after the test."""
    made: set[str] = set()

    def put(kind: str, promotion_id: str = "", **more: Any) -> str:
        promotion_id = promotion_id or f"p-{secrets.token_hex(6)}"
        made.add(promotion_id)
        operator.put(f"/v1/admin/promotions/{promotion_id}", {"kind": kind, "name": kind, **YEARS, **more}).ok()
        return promotion_id

    yield put
    for promotion_id in made:
        remove(Pricing, (ALL, PROMOTION + promotion_id))
    cache.forget("pricing")


@pytest.fixture
def deducts(operator: Operator) -> Iterator[None]:
    operator.put("/v1/admin/settings/orders", {"conditions_lost": "deduct"}).ok()
    yield
    operator.put("/v1/admin/settings/orders", {}).ok()


def sku_of(operator: Operator, price_fen: int, **more: Any) -> str:
    sku_id: str = operator.product(price_fen=price_fen, **more)["skus"][0]["sku_id"]
    return sku_id


def bought(shopper: Shopper, *lines: tuple[str, int], **more: Any) -> str:
    """An order of these lines, paid, at what they are quoted."""
    named = [{"sku_id": sku_id, "quantity": quantity} for sku_id, quantity in lines]
    body: dict[str, Any] = {"lines": named, "address_id": shopper.address_id} | more
    body["expected_payable_fen"] = shopper.post("/v1/quotes", body).ok()["payable_fen"]
    order_id: str = shopper.post("/v1/orders", body, key=secrets.token_hex(8)).ok(201)["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    return order_id


def answer(refund: dict[str, Any]) -> tuple[str, str, int]:
    return refund["state"], refund.get("requested_because", ""), refund["amount_fen"]


def books_agree(order_id: str) -> None:
    """The order and its journal say the same."""
    assert differences_of_order(load(order_id), ledger_queries.entries_about(order_id)) == []


@pytest.fixture
def with_extras(operator: Operator, shopper: Shopper, promotion: Put) -> tuple[str, str, str, str]:
    """An order of an article of 10000 and of two of 5000 which are 100 beside it: its id, both SKUs, the promotion."""
    big, extra = sku_of(operator, 10000), sku_of(operator, 5000)
    more = {"prices": [{"sku_id": extra, "price_fen": 100}], "limit": 2, "threshold_fen": 9900}
    made = promotion("add_on", **more)
    return bought(shopper, (big, 1), (extra, 2)), big, extra, made


def test_the_article_that_made_the_extras_cheap_goes_back_by_a_persons_word(
    with_extras: tuple[str, str, str, str], operator: Operator, shopper: Shopper
) -> None:
    order_id, big, _, _ = with_extras
    body = {"reason": "不要了", "lines": [{"sku_id": big, "quantity": 1}]}
    asked = shopper.post(f"/v1/orders/{order_id}/refunds", body, key="one").ok(202)
    assert answer(asked) == ("requested", "promotion_condition", 10000)
    shown = operator.get(f"/v1/admin/orders/{order_id}").ok()["refunds"][0]
    assert (shown["requested_because"], shown["reason"]) == ("promotion_condition", "不要了")
    queue = operator.get("/v1/admin/orders?queue=refund_requested&limit=100").ok()["items"]
    assert order_id in [one["order_id"] for one in queue]
    assert answer(operator.grant(order_id, asked)) == ("approved", "promotion_condition", 10000)
    assert shopper.post(f"/v1/orders/{order_id}/refunds", body, key="one").ok(202) == asked
    assert answer(shopper.refund(order_id)) == ("approved", "", 200)
    books_agree(order_id)
    assert shopper.order(order_id)["state"] == "closed"


def test_a_whole_order_goes_back_at_once_and_nothing_more_is_read_for_it(
    with_extras: tuple[str, str, str, str], operator: Operator, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "gather", lambda _: pytest.fail("the terms were read"))
    assert answer(shopper.refund(with_extras[0])) == ("approved", "", 10200)
    plain = sku_of(operator, 3000)
    part = bought(shopper, (plain, 3))
    assert answer(shopper.refund(part, [(plain, 1)])) == ("approved", "", 3000)


@pytest.mark.parametrize("change", ["changed", "deleted"])
def test_an_order_is_held_to_the_promotion_that_it_was_priced_by(
    change: str, with_extras: tuple[str, str, str, str], operator: Operator, shopper: Shopper, promotion: Put
) -> None:
    order_id, big, extra, promotion_id = with_extras
    if change == "changed":
        promotion("add_on", promotion_id, prices=[{"sku_id": extra, "price_fen": 1}], threshold_fen=0)
    else:
        operator.delete(f"/v1/admin/promotions/{promotion_id}").ok(204)
        promotion("threshold_off", promotion_id, tiers=[{"threshold_fen": 1, "off_fen": 1}])
    assert answer(shopper.refund(order_id, [(extra, 1)])) == ("approved", "", 100)
    assert answer(shopper.refund(order_id, [(big, 1)])) == ("requested", "promotion_condition", 10000)
    (off,) = shopper.order(order_id)["discounts"]
    assert (off["id"], off["version"]) == (promotion_id, 1)
    kept = list(read.query_all(Pricing, PROMOTION + promotion_id))
    assert [int(one.version) for one in kept] == [1, 2]
    now = read.get(Pricing, ALL, PROMOTION + promotion_id)
    assert now is not None and now.version == 2


def test_what_is_put_again_as_it_is_makes_no_version(promotion: Put) -> None:
    more = {"tiers": [{"threshold_fen": 100, "off_fen": 1}]}
    made = promotion("threshold_off", **more)
    promotion("threshold_off", made, **more)
    assert [int(one.version) for one in read.query_all(Pricing, PROMOTION + made)] == [1]


@pytest.mark.parametrize("change", ["changed", "deleted", ""])
def test_a_promotion_of_the_time_before_versions_is_kept_when_it_changes(
    change: str, operator: Operator, shopper: Shopper, promotion: Put
) -> None:
    first, second = sku_of(operator, 6000), sku_of(operator, 6000)
    made = promotion("bundle", pieces=[{"sku_id": one, "quantity": 1} for one in (first, second)], price_fen=9000)
    kept = read.get(Pricing, ALL, PROMOTION + made)
    assert kept is not None
    save(Pricing(ALL, PROMOTION + made, promotion=NamedPromotion(made, kept.promotion.promotion)))
    remove(Pricing, (PROMOTION + made, "0000000001"))
    cache.forget("pricing")
    order_id = bought(shopper, (first, 1), (second, 2))
    assert "version" not in shopper.order(order_id)["discounts"][0]
    if change == "changed":
        promotion("bundle", made, pieces=[{"sku_id": first, "quantity": 1}], price_fen=1)
    elif change == "deleted":
        operator.delete(f"/v1/admin/promotions/{made}").ok(204)
    assert [int(one.version) for one in read.query_all(Pricing, PROMOTION + made)] == (
        {"changed": [0, 1], "deleted": [0], "": []}[change]
    )
    assert answer(shopper.refund(order_id, [(first, 1)])) == ("requested", "promotion_condition", 4500)
    assert shopper.refund(order_id, [(second, 1)])["state"] == "approved"


def test_where_the_promotion_is_not_known_any_more_a_person_decides(
    with_extras: tuple[str, str, str, str], shopper: Shopper
) -> None:
    order_id, _, extra, promotion_id = with_extras
    remove(Pricing, (ALL, PROMOTION + promotion_id))
    remove(Pricing, (PROMOTION + promotion_id, "0000000001"))
    assert answer(shopper.refund(order_id, [(extra, 1)])) == ("requested", "promotion_condition", 100)


def test_goods_that_made_the_freight_free_go_back_by_a_persons_word(operator: Operator, shopper: Shopper) -> None:
    template = f"/v1/admin/freight-templates/t-{secrets.token_hex(6)}"
    rule = {"first_fen": 800, "free_from_fen": 30000}
    operator.put(template, {"name": "满包邮", "rules": [rule]}).ok()
    template_id = template.rpartition("/")[2]
    cheap, dear = (sku_of(operator, fen, freight_template_id=template_id) for fen in (100, 40000))
    first, second, third = (bought(shopper, (cheap, 1), (dear, 1)) for _ in range(3))
    assert load(first).free_freight == {template_id: 1}
    small = bought(shopper, (cheap, 2))
    assert load(small).free_freight == {}
    operator.put(template, {"name": "全包邮", "rules": [rule | {"free_from_fen": 0}]}).ok()
    assert answer(shopper.refund(first, [(dear, 1)])) == ("requested", "free_freight", 40000)
    assert answer(shopper.refund(second, [(cheap, 1)])) == ("approved", "", 100)
    for sku_id in (cheap, dear):
        product = f"/v1/admin/products/{sku_id.partition('-')[0]}"
        operator.call("PATCH", product, {"freight_template_id": None}).ok()
    operator.delete(template).ok(204)
    assert answer(shopper.refund(third, [(dear, 1)])) == ("requested", "free_freight", 40000)
    assert answer(shopper.refund(small, [(cheap, 1)])) == ("approved", "", 100)


@pytest.mark.usefixtures("deducts")
def test_with_deductions_it_goes_back_at_once_less_the_difference_which_comes_with_the_rest(
    with_extras: tuple[str, str, str, str], operator: Operator, shopper: Shopper
) -> None:
    order_id, big, extra, _ = with_extras
    first = shopper.refund(order_id, [(big, 1)])
    assert (answer(first), first["withheld_fen"]) == (("approved", "", 200), 9800)
    books_agree(order_id)
    run_jobs()
    assert answer(shopper.refund(order_id, [(extra, 1)])) == ("approved", "", 5000)
    rest = shopper.refund(order_id)
    assert (answer(rest), rest["withheld_fen"]) == (("approved", "", 5000), -4900)
    books_agree(order_id)
    order = shopper.order(order_id)
    assert sum(one["amount_fen"] for one in order["refunds"]) == order["paid_fen"] == 10200
    assert order["state"] == "closed"


@pytest.mark.usefixtures("deducts")
def test_what_was_kept_back_comes_with_the_rest_that_the_mall_gives(
    with_extras: tuple[str, str, str, str], operator: Operator, shopper: Shopper
) -> None:
    order_id, big, extra, _ = with_extras
    assert shopper.refund(order_id, [(big, 1)])["withheld_fen"] == 9800
    run_jobs()
    body = {"reason": "坏了", "lines": [{"sku_id": extra, "quantity": 1}]}
    for key in ("one", "other"):
        given = operator.post(f"/v1/admin/orders/{order_id}/refunds", body, key=key).ok(202)
        assert answer(given) == ("approved", "", 5000)
        books_agree(order_id)
        run_jobs()
    assert shopper.order(order_id)["state"] == "closed"


@pytest.mark.usefixtures("deducts")
def test_with_deductions_a_refund_of_nothing_is_for_a_person_and_the_mall_gives_in_full(
    operator: Operator, shopper: Shopper, promotion: Put
) -> None:
    small, extra = sku_of(operator, 1000), sku_of(operator, 5000)
    promotion("add_on", prices=[{"sku_id": extra, "price_fen": 100}], threshold_fen=900)
    order_id = bought(shopper, (small, 1), (extra, 1))
    asked = shopper.refund(order_id, [(small, 1)])
    assert (answer(asked), "withheld_fen" in asked) == (("requested", "promotion_condition", 1000), False)
    assert answer(operator.grant(order_id, asked)) == ("approved", "promotion_condition", 1000)
    other = bought(shopper, (small, 1), (extra, 1))
    body = {"reason": "坏了", "lines": [{"sku_id": small, "quantity": 1}]}
    given = operator.post(f"/v1/admin/orders/{other}/refunds", body, key="k").ok(202)
    assert answer(given) == ("approved", "", 1000)


def in_group(operator: Operator, sandbox: str, sizes: dict[int, int], **more: Any) -> list[tuple[Shopper, str]]:
    """As many people as the largest size, who have filled a lobby, with their orders."""
    product = operator.product(price_fen=12000)
    activity = operator.group_activity(sizes, product=product, **more)
    sku_id, size = product["skus"][0]["sku_id"], max(sizes)
    people = [Shopper.arrive(operator.send, Sandbox(sandbox)) for _ in range(size)]
    lead = bought(people[0], (sku_id, 1), group={"activity_id": activity["activity_id"]})
    lobby_id = people[0].order(lead)["group"]["lobby_id"]
    orders = [(people[0], lead)]
    orders += [(one, bought(one, (sku_id, 1), group={"lobby_id": lobby_id})) for one in people[1:]]
    run_jobs()
    return orders


def test_of_a_group_that_came_together_nobody_goes_by_themselves(
    operator: Operator, sandbox: str, mall_clock: LocalClock
) -> None:
    for who, order_id in in_group(operator, sandbox, {2: 10000, 4: 5000}, kind="ladder"):
        asked = who.refund(order_id)
        assert answer(asked) == ("requested", "group_succeeded", 5000)
        assert operator.grant(order_id, asked)["amount_fen"] == 5000
        books_agree(order_id)
        assert who.order(order_id)["state"] == "closed"


def test_whoever_has_lost_a_lottery_keeps_the_goods_and_the_price(
    operator: Operator, sandbox: str, mall_clock: LocalClock
) -> None:
    lottery = {"winners": 1, "per": "lobby", "prize": "free"}
    orders = in_group(operator, sandbox, {3: 9000}, kind="lottery", lottery=lottery)
    seats = [who.order(order_id)["group"]["seat_state"] for who, order_id in orders]
    assert sorted(seats) == ["lost", "lost", "won"]
    for (who, order_id), seat in zip(orders, seats, strict=True):
        left = 9000 if seat == "lost" else 0
        asked = who.refund(order_id)
        assert answer(asked) == ("requested", "lottery_drawn", left)
        assert operator.grant(order_id, asked)["state"] == ("approved" if left else "succeeded")
        books_agree(order_id)
