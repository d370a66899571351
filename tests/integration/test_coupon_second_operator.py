"""Coupons with which goods can be had for nothing want a second operator above a sum: played over HTTP, and at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.commerce.coupons.agreement.service import worth_fen
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.core.errors import MallError
from local.client import Client, Operator, Shopper, coupon_template
from tests.support.operators import appointed

PRICE, SUM = 5000, 20_000
TEMPLATES = "/v1/admin/coupon-templates"


@pytest.fixture
def sum_is(operator: Operator) -> Iterator[Callable[[int | None], None]]:
    """Sets the sum above which two operators must agree; none after the test."""

    def put(fen: int | None) -> None:
        operator.put("/v1/admin/settings/coupons", {"second_operator_above_fen": fen}).ok()

    put(SUM)
    yield put
    operator.put("/v1/admin/settings/coupons", {}).ok()


@pytest.fixture
def ann(operator: Operator) -> Client:
    return appointed(operator, "merchandiser")


@pytest.fixture
def bob(operator: Operator) -> Client:
    return appointed(operator, "merchandiser")


@pytest.fixture
def exchange(operator: Operator) -> Callable[..., dict[str, Any]]:
    """A template whose coupons are exchanged for a piece, as an operator writes it."""
    product_id = operator.product(price_fen=PRICE)["product_id"]

    def write(total: int, **more: Any) -> dict[str, Any]:
        ways = {"kind": "exchange", "amount_fen": 0, "threshold_fen": 0, "how": ["claim", "grant", "code"]}
        return coupon_template(**ways, scope={"products": [product_id]}, total=total, **more)

    return write


def test_up_to_the_sum_of_a_day_one_is_enough(sum_is: Any, ann: Client, bob: Client, exchange: Any) -> None:
    made = [ann.post(TEMPLATES, exchange(2)).ok(201)["state"] for _ in range(3)]
    assert made == ["published", "published", "draft"]
    assert bob.post(TEMPLATES, exchange(4)).ok(201)["state"] == "published"
    assert ann.post(TEMPLATES, coupon_template()).ok(201)["state"] == "published"


def test_above_it_nothing_goes_out_before_another_publishes_it(
    sum_is: Any, ann: Client, bob: Client, shopper: Shopper, exchange: Any
) -> None:
    made = ann.post(TEMPLATES, exchange(100)).ok(201)
    path = f"{TEMPLATES}/{made['template_id']}"
    assert (made["state"], made["waits_for_second"], made["agreed"][0]["worth_fen"]) == ("draft", True, 100 * PRICE)
    problem = ann.post(f"{path}/publish").refused(409, "second_operator")
    assert problem["errors"][0]["code"] == "another_operator_for_coupons"
    members = {"members": [shopper.member_id]}
    ann.post(f"{path}/grants", members, key="k").refused(409, "coupon_not_offered")
    ann.post(f"{path}/codes", {"count": 1}).refused(409, "second_operator")
    shopper.post(f"/v1/coupon-templates/{made['template_id']}/claim").refused(404, "not_found")
    done = bob.post(f"{path}/publish").ok()
    assert (done["state"], done["waits_for_second"], len({one["by"] for one in done["agreed"]})) == (
        "published",
        False,
        2,
    )
    assert ann.post(f"{path}/grants", members, key="k").ok(202)["state"] == "running"
    assert len(ann.post(f"{path}/codes", {"count": 2}).ok(201)["codes"]) == 2
    shopper.post(f"/v1/coupon-templates/{made['template_id']}/claim").ok(201)
    ann.post(f"{path}/pause").ok()
    assert ann.post(f"{path}/publish").ok()["state"] == "published"  # as it was agreed on


def test_a_change_of_what_was_agreed_on_wants_it_anew(sum_is: Any, ann: Client, bob: Client, exchange: Any) -> None:
    path = f"{TEMPLATES}/{ann.post(TEMPLATES, exchange(100)).ok(201)['template_id']}"
    bob.post(f"{path}/publish").ok()
    assert ann.put(path, exchange(100, name="同一张")).ok()["state"] == "published"
    assert ann.put(path, exchange(90)).ok()["state"] == "published"
    more = ann.put(path, exchange(200)).ok()
    assert (more["state"], more["waits_for_second"]) == ("paused", True)
    ann.post(f"{path}/publish").refused(409, "second_operator")
    assert bob.post(f"{path}/publish").ok()["state"] == "published"


def test_it_is_taken_back_by_pausing_it(sum_is: Any, ann: Client, bob: Client, exchange: Any) -> None:
    path = f"{TEMPLATES}/{ann.post(TEMPLATES, exchange(100)).ok(201)['template_id']}"
    assert ann.post(f"{path}/pause").ok()["agreed"] == []
    first = bob.post(f"{path}/publish").ok()
    assert (first["state"], first["waits_for_second"]) == ("draft", True)


def test_a_piece_that_has_become_dearer_is_agreed_on_anew(
    sum_is: Any, operator: Operator, ann: Client, bob: Client, exchange: Any
) -> None:
    body = exchange(4)
    template_id = ann.post(TEMPLATES, body).ok(201)["template_id"]
    path = f"{TEMPLATES}/{template_id}"
    ann.post(f"{path}/codes", {"count": 1}).ok(201)
    (product_id,) = body["scope"]["products"]
    sku = operator.get(f"/v1/admin/products/{product_id}").ok()["skus"][0]
    dearer = {name: sku[name] for name in ("sku_code", "specs")} | {"price_fen": 10 * PRICE}
    operator.call("PATCH", f"/v1/admin/products/{product_id}", {"skus": [dearer]}).ok()
    assert worth_fen(template_queries.load(template_id).value) == 40 * PRICE
    problem = ann.post(f"{path}/codes", {"count": 1}).refused(409, "second_operator")
    assert problem["errors"][0]["code"] == "coupons_worth_more_now"
    ann.post(f"{path}/grants", {"all": True}, key="k").refused(409, "second_operator")
    assert ann.post(f"{path}/publish").ok()["waits_for_second"] is True
    assert bob.post(f"{path}/publish").ok()["waits_for_second"] is False
    ann.post(f"{path}/codes", {"count": 1}).ok(201)


def dearer(operator: Operator, body: dict[str, Any], price_fen: int) -> None:
    """Raise the price of the piece that the template's coupons are exchanged for."""
    (product_id,) = body["scope"]["products"]
    sku = operator.get(f"/v1/admin/products/{product_id}").ok()["skus"][0]
    skus = [{name: sku[name] for name in ("sku_code", "specs")} | {"price_fen": price_fen}]
    operator.call("PATCH", f"/v1/admin/products/{product_id}", {"skus": skus}).ok()


def test_of_a_piece_that_has_become_dearer_no_more_is_given_away(
    sum_is: Any, operator: Operator, ann: Client, bob: Client, shopper: Shopper, exchange: Any
) -> None:
    body = exchange(4, limit_per_member=3)
    template_id = ann.post(TEMPLATES, body).ok(201)["template_id"]
    path = f"{TEMPLATES}/{template_id}"
    (code,) = ann.post(f"{path}/codes", {"count": 1}).ok(201)["codes"]
    members = {"members": [shopper.member_id]}
    grant = f"{path}/grants/{ann.post(f'{path}/grants', members, key='k').ok(202)['grant_id']}/members"
    dearer(operator, body, 10 * PRICE)
    claimed = shopper.post(f"/v1/coupon-templates/{template_id}/claim").ok(201)
    redeemed = shopper.post("/v1/coupon-codes/redeem", {"code": code}).ok(201)
    assert [one["ceiling_fen"] for one in (claimed, redeemed)] == [PRICE, PRICE]
    ann.post(grant, members, key="more").refused(409, "second_operator")
    waits = ann.post(f"{path}/publish").ok()
    assert (waits["state"], waits["waits_for_second"]) == ("paused", True)
    shopper.post(f"/v1/coupon-templates/{template_id}/claim").refused(404, "not_found")
    assert bob.post(f"{path}/publish").ok()["state"] == "published"
    ann.post(grant, members, key="more").ok(202)
    assert shopper.post(f"/v1/coupon-templates/{template_id}/claim").ok(201)["ceiling_fen"] == 10 * PRICE


def test_what_was_worth_nothing_when_it_was_published_stays_so(
    sum_is: Any, operator: Operator, ann: Client, shopper: Shopper, exchange: Any
) -> None:
    body = exchange(100) | {"amount_fen": PRICE}
    made = ann.post(TEMPLATES, body).ok(201)
    assert made["state"] == "published"
    dearer(operator, body, 10 * PRICE)
    assert shopper.post(f"/v1/coupon-templates/{made['template_id']}/claim").ok(201)["ceiling_fen"] == 0


def test_without_a_sum_which_is_how_a_mall_begins_one_is_enough(operator: Operator, ann: Client, exchange: Any) -> None:
    operator.put("/v1/admin/settings/coupons", {}).ok()
    made = ann.post(TEMPLATES, exchange(1000)).ok(201)
    assert (made["state"], made["agreed"], made["waits_for_second"]) == ("published", [], False)


def test_several_templates_at_once_do_not_evade_the_sum(sum_is: Any, ann: Client, exchange: Any) -> None:
    def make(_: int) -> str:
        answer = ann.post(TEMPLATES, exchange(1))
        return str(answer.json["state"]) if answer.status == 201 else str(answer.json["code"])

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(make, range(12)))
    assert set(told) <= {"published", "draft", "conflict"}
    assert told.count("published") <= SUM // PRICE


def test_pressed_at_once_it_is_never_published_by_one_alone(sum_is: Any, ann: Client, exchange: Any) -> None:
    template_id = ann.post(TEMPLATES, exchange(100) | {"publish": False}).ok(201)["template_id"]

    def press(turn: int) -> str:
        try:
            return templates.publish(template_id, "bob" if turn == 5 else "eve").state
        except MallError as refusal:
            return refusal.code

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(press, range(6)))
    assert set(told) <= {"draft", "published", "second_operator", "conflict"}
    template = template_queries.load(template_id).value
    assert (template.state == "published") == (len({one.by for one in template.agreed}) == 2)
