"""Nobody orders without end: 300 a minute are more than a person presses, and no more are taken from one member."""

from __future__ import annotations

import secrets

import pytest

from chalicelib.core import clock
from chalicelib.platform.store import tools
from chalicelib.platform.web import limits
from chalicelib.platform.web import tables as web_tables
from local.client import Operator, Shopper
from local.clock import LocalClock

PER_MINUTE = 300


@pytest.fixture
def minute(mall_clock: LocalClock) -> None:
    """A minute has just begun."""
    mall_clock.advance(61 - clock.unix() % 60)


def pressed(what: str, shopper: Shopper, times: int) -> None:
    """The member has done it so often in this minute."""
    for _ in range(times):
        limits.count_call(what, shopper.member_id, PER_MINUTE)


def everything() -> dict[str, list[str]]:
    """What is stored, but for the count itself."""
    tables = [table for table in tools.tables() if table is not web_tables.Limits]
    return {
        table.Meta.table_name: sorted(map(str, (one.to_dynamodb_dict() for one in tools.scan(table))))
        for table in tables
    }


@pytest.mark.usefixtures("minute")
def test_the_301st_order_of_a_minute_is_refused_and_leaves_nothing_behind(
    operator: Operator, shopper: Shopper, mall_clock: LocalClock
) -> None:
    sku = operator.product(stock=9)["skus"][0]["sku_id"]
    body = shopper.order_body([(sku, 1)])
    pressed("place_order", shopper, PER_MINUTE - 1)
    shopper.post("/v1/orders", body, key=secrets.token_hex(8)).ok(201)
    before = everything()
    answer = shopper.post("/v1/orders", body, key=secrets.token_hex(8))
    answer.refused(429, "too_many_requests")
    wait = int(answer.headers["retry-after"])
    assert 0 < wait <= 60
    assert everything() == before
    mall_clock.advance(wait)
    shopper.post("/v1/orders", body, key=secrets.token_hex(8)).ok(201)


@pytest.mark.usefixtures("minute")
def test_the_301st_payment_that_is_begun_in_a_minute_is_refused_and_wechat_is_not_asked(
    operator: Operator, shopper: Shopper
) -> None:
    sku = operator.product(stock=9)["skus"][0]["sku_id"]
    order_id = shopper.place([(sku, 1)])["order_id"]
    pressed("start_payment", shopper, PER_MINUTE)
    before = everything()
    answer = shopper.post(f"/v1/orders/{order_id}/payment")
    answer.refused(429, "too_many_requests")
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert (everything(), shopper.sandbox.trade(order_id)) == (before, None)


@pytest.mark.usefixtures("minute")
def test_another_member_is_not_held_up(operator: Operator, shopper: Shopper) -> None:
    sku = operator.product(stock=9)["skus"][0]["sku_id"]
    pressed("place_order", shopper, PER_MINUTE)
    Shopper.arrive(operator.send, shopper.sandbox).place([(sku, 1)])
