"""A mall that is older than its segments: wherever something happens first, what the member did before is found out."""

from __future__ import annotations

import secrets

import pytest

from chalicelib.growth.segments.definitions.rules import FENCE_MS
from chalicelib.growth.segments.tables import TRAITS, MemberTraits
from chalicelib.growth.segments.traits.queries import stored
from local.client import Operator, Shopper, coupon_template
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.segment_world import run_jobs

pytestmark = pytest.mark.usefixtures("no_jobs")
#: After so long at most an order that was sent is received by itself, and one that was received completed.
NEXT_STATE_SECONDS = 11 * 86_400.0


@pytest.fixture
def ruled(operator: Operator, mall_clock: LocalClock) -> str:
    """A product that a rule names, with an event and a coupon."""
    product = operator.product(stock=9)
    template = operator.post("/v1/admin/coupon-templates", coupon_template()).ok(201)["template_id"]
    rules = (
        {"purchases": "count", "of": {"product_id": product["product_id"]}, "op": ">=", "value": 1},
        {"event": "cart_view", "within_days": 30, "op": ">=", "count": 1},
        {"coupon": template, "state": "unused"},
    )
    body = {"name": f"分群 {secrets.token_hex(4)}", "rule": {"any": list(rules)}}
    operator.post("/v1/admin/segments", body).ok(201)
    mall_clock.advance(FENCE_MS / 1000 + 1)
    run_jobs()
    sku: str = product["skus"][0]["sku_id"]
    return sku


def unknown(shopper: Shopper) -> None:
    """The member joined before there were segments."""
    MemberTraits(shopper.member_id, TRAITS).delete()


def orders_known(shopper: Shopper) -> int:
    found = stored(shopper.member_id)
    assert found is not None
    return len(found.traits.bought)


def test_in_every_function(ruled: str, shopper: Shopper, operator: Operator, mall_clock: LocalClock) -> None:
    paid = shopper.place([(ruled, 1)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(paid), notify="none")
    unknown(shopper)
    shopper.send(*payment_callback(shopper.sandbox, paid)).ok()  # the shop's API
    assert orders_known(shopper) == 1

    other = shopper.place([(ruled, 1)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(other), notify="none")
    unknown(shopper)
    mall_clock.advance(3600)
    run_jobs()  # outside: WeChat is asked, and says that it is paid
    assert shopper.order(other)["state"] == "awaiting_shipment"
    assert orders_known(shopper) == 2

    for order_id in (paid, other):
        operator.ship(order_id)
    unknown(shopper)
    for _ in range(2):
        mall_clock.advance(NEXT_STATE_SECONDS)
        run_jobs()
    assert orders_known(shopper) == 2  # inside: completed

    unknown(shopper)
    tag = f"标签 {secrets.token_hex(4)}"
    operator.post("/v1/admin/tags", {"name": tag}).ok(201)
    operator.post(f"/v1/admin/members/{shopper.member_id}/tags", {"add": [tag], "remove": [], "reason": "好"}).ok()
    assert orders_known(shopper) == 2  # operators

    unknown(shopper)
    mall_clock.advance(FENCE_MS / 1000 + 1)
    run_jobs()
    assert orders_known(shopper) == 2  # what is owed to very many: the tag is built
