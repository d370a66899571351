"""Promotions for members of segments: who has one pays less, from the quote to the last refund, and nobody else sees
it; whether a member is in one is read with the rest, and only where it matters."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.placement import checks
from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.commerce.pricing.tables import ALL, PROMOTION, Pricing
from chalicelib.platform.store import cache
from chalicelib.platform.store.transaction import remove
from local.client import Operator, Sandbox, Shopper
from local.notices import payment_callback
from tests.support.outside import boundary
from tests.support.segments import MadeUpSegments, made_up_segments

YEARS = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z"}
VIP = "sgvip"
PRICE = 1000
Put = Callable[..., str]


@pytest.fixture
def segments(dynamodb: str) -> Iterator[MadeUpSegments]:
    with made_up_segments(VIP, "sgother") as stand_in:
        yield stand_in


@pytest.fixture
def promotion(operator: Operator, segments: MadeUpSegments) -> Iterator[Put]:
    """Puts a promotion, which is gone after the test."""
    made: set[str] = set()

    def put(sku: str, kind: str = "pieces_percent", **more: Any) -> str:
        promotion_id = f"p-{secrets.token_hex(6)}"
        made.add(promotion_id)
        body = {"kind": kind, "name": f"会员{promotion_id}", **YEARS, "scope": {"products": [sku.partition("-")[0]]}}
        if kind == "pieces_percent":
            body["tiers"] = [{"pieces": 2, "percent_off": 20}]
        operator.put(f"/v1/admin/promotions/{promotion_id}", body | more).ok()
        cache.forget("pricing")
        return promotion_id

    yield put
    for promotion_id in made:
        remove(Pricing, (ALL, PROMOTION + promotion_id))
    cache.forget("pricing")


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(price_fen=PRICE, stock=100)["skus"][0]["sku_id"]
    return sku_id


@pytest.fixture
def other(operator: Operator, sandbox: str) -> Shopper:
    return Shopper.arrive(operator.send, Sandbox(sandbox))


def quoted(shopper: Shopper, sku: str, quantity: int = 2) -> Any:
    return shopper.post("/v1/quotes", asked(shopper, sku, quantity)).ok()


def asked(shopper: Shopper, sku: str, quantity: int = 2) -> dict[str, Any]:
    return {"lines": [{"sku_id": sku, "quantity": quantity}], "address_id": shopper.address_id}


def placed(shopper: Shopper, sku: str, payable_fen: int, quantity: int = 2) -> Any:
    body = asked(shopper, sku, quantity) | {"expected_payable_fen": payable_fen}
    return shopper.post("/v1/orders", body, key=secrets.token_hex(8))


def ids(told: Any) -> list[str]:
    return [off["id"] for off in told["discounts"]]


def test_who_is_in_the_segment_pays_less_and_nobody_else(
    segments: MadeUpSegments, promotion: Put, shopper: Shopper, other: Shopper, sku: str
) -> None:
    made = promotion(sku, segments=[VIP, "loyal"])
    segments.put(shopper.member_id, VIP)
    mine, theirs = quoted(shopper, sku), quoted(other, sku)
    assert (ids(mine), ids(theirs)) == ([made], [])
    assert theirs["payable_fen"] - mine["payable_fen"] == 400
    order = placed(shopper, sku, mine["payable_fen"]).ok(201)
    assert ids(order) == [made]
    problem = placed(other, sku, mine["payable_fen"]).refused(409, "price_changed")
    assert problem["quote"]["payable_fen"] == theirs["payable_fen"]
    placed(other, sku, theirs["payable_fen"]).ok(201)


def test_life_cycle_is_a_segment_too(promotion: Put, segments: MadeUpSegments, shopper: Shopper, sku: str) -> None:
    made, _ = promotion(sku, segments=["new"]), promotion(sku, segments=["loyal"], priority=5)
    told = quoted(shopper, sku)
    assert ids(told) == [made]
    placed(shopper, sku, told["payable_fen"]).ok(201)
    assert segments.asked == []


def test_who_wants_no_offers_by_what_they_did_pays_as_everybody(
    segments: MadeUpSegments, promotion: Put, shopper: Shopper, sku: str
) -> None:
    promotion(sku, segments=[VIP, "new"])
    segments.put(shopper.member_id, VIP)
    assert len(ids(quoted(shopper, sku))) == 1
    shopper.put("/v1/me/preferences", {"personalised": False}).ok()
    told = quoted(shopper, sku)
    assert ids(told) == []
    placed(shopper, sku, told["payable_fen"]).ok(201)


def test_what_goes_back_of_such_an_order_asks_for_no_segment(
    segments: MadeUpSegments, promotion: Put, shopper: Shopper, sku: str
) -> None:
    """The order says that the promotion applied, and in which version; whoever is in the segment by then."""
    made = promotion(sku, segments=[VIP])
    segments.put(shopper.member_id, VIP)
    told = quoted(shopper, sku, 3)
    order_id = placed(shopper, sku, told["payable_fen"], 3).ok(201)["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    segments.put(shopper.member_id)
    segments.asked.clear()

    def back() -> Any:
        body = {"lines": [{"sku_id": sku, "quantity": 1}], "reason": "不要了"}
        return shopper.post(f"/v1/orders/{order_id}/refunds", body, key=secrets.token_hex(8)).ok(202)

    assert (back()["state"], back()["requested_because"]) == ("approved", "promotion_condition")
    assert segments.asked == []
    order = order_queries.load(order_id)
    known = pricing_queries.as_they_were({}, {made: 1})
    assert known is not None
    assert list(checks.promotion_faults(order, {(made, 1): known.promotions[made]})) == []


def test_it_is_read_with_the_rest_and_only_where_such_a_promotion_may_concern_what_is_bought(
    segments: MadeUpSegments, promotion: Put, operator: Operator, shopper: Shopper, sku: str, one_instant: None
) -> None:
    elsewhere = operator.product(price_fen=PRICE, stock=100)["skus"][0]["sku_id"]
    promotion(elsewhere, segments=[VIP])
    segments.put(shopper.member_id, VIP)

    def calls(sku_id: str) -> tuple[list[str], list[str], int]:
        told = quoted(shopper, sku_id)  # what is remembered for a second is remembered now
        before = len(segments.asked)
        with boundary() as outside:
            quoted(shopper, sku_id)
            quote, outside.calls = list(outside.calls), []
            placed(shopper, sku_id, told["payable_fen"]).ok(201)
            return quote, list(outside.calls), len(segments.asked) - before

    plain, with_segments = calls(sku), calls(elsewhere)
    assert with_segments[:2] == plain[:2]
    assert (plain[2], with_segments[2]) == (0, 2)


def test_strangers_see_only_what_is_for_everybody(promotion: Put, operator: Operator, sku: str) -> None:
    hidden, shown = promotion(sku, segments=["new", VIP]), promotion(sku)
    product_id = sku.partition("-")[0]
    found = operator.get(f"/v1/promotions?product_id={product_id}").ok()["items"]
    assert [one["promotion_id"] for one in found] == [shown]
    every = {one["promotion_id"]: one for one in operator.get("/v1/admin/promotions").ok()["items"]}
    assert every[hidden]["promotion"]["segments"] == ["new", VIP]
    assert "segments" not in every[shown]["promotion"]


def test_one_for_a_segment_that_there_is_not_is_refused(segments: MadeUpSegments, operator: Operator, sku: str) -> None:
    body = {"kind": "threshold_off", "name": "满减", **YEARS, "tiers": [{"threshold_fen": 1000, "off_fen": 100}]}
    for segment_ids in (["sgnone"], ["new", "sgnone"]):
        answer = operator.put("/v1/admin/promotions/p-none", body | {"segments": segment_ids})
        assert [one["field"] for one in answer.refused(422, "invalid")["errors"]] == ["segments"]


def test_whoever_deletes_a_segment_finds_the_promotions_that_name_it(
    segments: MadeUpSegments, promotion: Put, sku: str
) -> None:
    naming = f"sg{secrets.token_hex(8)}"
    segments.known.add(naming)
    made = promotion(sku, segments=["new", naming])
    promotion(sku, segments=[VIP])
    promotion(sku, segments=[naming], ends_at="2021-01-01T00:00:00Z")
    assert pricing_queries.naming_segment(naming) == [(made, f"会员{made}")]
    assert pricing_queries.naming_segment("sgnobody") == []
