"""A bad day of DynamoDB: every fifth call throttled, timed out, broken or lost, while many shop at once.

Whoever asks is answered: as asked, refused by a rule, or told to come again (503 with Retry-After), never otherwise.
When the day is over and what is owed has been done, every fen, piece, seat, coupon and commission is where it belongs.
"""

from __future__ import annotations

import contextlib
import random
import secrets
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from local.client import Answer, Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.distribution import quick_distributor, quick_member, set_rules
from tests.support.operators import owner_token
from tests.support.outside import Outside
from tests.support.own_tables import own_tables
from tests.support.sweep import World

SHOPPERS, AT_ONCE, SHARE = 40, 4, 0.2
PRICE = 1990


class Shop:
    """What they shop in, and what they were answered."""

    def __init__(self, operator: Operator, sandbox: str) -> None:
        self.operator, self.wechat = operator, Sandbox(sandbox)
        self.answers: Counter[int] = Counter()
        #: A little less than they ask for, so that somebody goes away without.
        self.sku = operator.product(price_fen=PRICE, stock=SHOPPERS)["skus"][0]["sku_id"]
        activity = operator.group_activity({2: 1500}, pieces=SHOPPERS)
        self.group = {"activity_id": activity["activity_id"], "size": 2}
        self.group_sku = activity["prices"][0]["sku_id"]
        self.template = operator.post(
            "/v1/admin/coupon-templates",
            {
                "name": "三元券", "kind": "amount_off", "amount_fen": 300, "threshold_fen": 0, "total": SHOPPERS // 2,
                "limit_per_member": 1, "valid": {"days": 30}, "how": ["claim"],
            },
        ).ok(201)["template_id"]  # fmt: skip

    def ask(self, client: Any, method: str, path: str, body: Any = None, key: str = "") -> Answer:
        """Ask until it is answered; each answer is one that the contract knows."""
        while True:
            answer: Answer = client.call(method, path, body, key=key)
            self.answers[answer.status] += 1
            assert answer.status < 500 or (answer.status == 503 and int(answer.headers["retry-after"]) > 0), answer
            if answer.status != 503 and not (answer.status == 409 and answer.json["code"] == "conflict"):
                return answer

    def live(self, shopper: Shopper, chance: random.Random, code: str) -> None:
        """One shopper's day."""
        self.ask(shopper, "POST", "/v1/me/visits", {"inviter": code})
        coupons: Any = []
        if chance.random() < 0.7:
            claimed = self.ask(shopper, "POST", f"/v1/coupon-templates/{self.template}/claim", {})
            coupons = "best" if claimed.status == 201 else []
        group = self.group if chance.random() < 0.3 else None
        line = {"sku_id": self.group_sku if group else self.sku, "quantity": 1 if group else chance.randint(1, 2)}
        asked = {"lines": [line], "address_id": shopper.address_id, "coupon_ids": coupons, "group": group}
        quote = self.ask(shopper, "POST", "/v1/quotes", asked)
        if quote.status != 200:
            return
        body = asked | {"expected_payable_fen": quote.json["payable_fen"]}
        placed = self.ask(shopper, "POST", "/v1/orders", body, key=secrets.token_hex(8))
        if placed.status != 201:
            return
        order_id, fate = placed.json["order_id"], chance.random()
        if fate < 0.15:
            self.ask(shopper, "POST", f"/v1/orders/{order_id}/cancel", {})
            return
        payment = self.ask(shopper, "POST", f"/v1/orders/{order_id}/payment", {})
        if payment.status != 200 or fate < 0.25:
            return
        self.wechat.pay(payment.json, notify="none")
        if fate < 0.35:
            return  # the callback is lost
        callback = payment_callback(self.wechat, order_id)
        while (told := self.operator.send(*callback)).status != 200:
            assert told.status == 503, told
        if fate < 0.6:
            self.ask(shopper, "POST", f"/v1/orders/{order_id}/refunds", {"reason": "不想要了"}, key="all")
            return
        parcel = {"carrier": "SF", "tracking_no": f"SF{order_id[-10:]}"}
        if group is None and self.ask(self.operator, "POST", f"/v1/admin/orders/{order_id}/ship", parcel).status == 200:
            self.ask(shopper, "POST", f"/v1/orders/{order_id}/receive", {})


@pytest.fixture
def shop(
    dynamodb: str, sandbox: str, mall_clock: LocalClock, outside: Outside
) -> Iterator[tuple[Shop, list[Shopper], str]]:
    with own_tables("load"):
        send = in_process()
        operator = Operator(send, owner_token())
        set_rules(operator, freeze_days=0)
        wechat = Sandbox(sandbox)
        seller = quick_member(send, wechat)
        shoppers = [quick_member(in_process(), wechat) for _ in range(SHOPPERS)]
        yield Shop(operator, sandbox), shoppers, quick_distributor(seller.member_id)


def test_on_a_bad_day_everybody_is_answered_and_in_the_end_everything_adds_up(
    shop: tuple[Shop, list[Shopper], str], outside: Outside, mall_clock: LocalClock
) -> None:
    from chalicelib.core.errors import MallError
    from chalicelib.platform.jobs import queue, worker
    from tools.audit import read

    where, shoppers, code = shop
    outside.storm(SHARE, random.Random(3))
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        days = [
            crowd.submit(where.live, shopper, random.Random(number), code) for number, shopper in enumerate(shoppers)
        ]
        for day in days:
            day.result()
    for _ in range(20):
        with contextlib.suppress(MallError):  # an invocation that fails; the next one goes on
            worker.run_due(5.0)
        mall_clock.advance(60)
    assert outside.stormed > 200
    outside.disarm()
    world = World(where.operator.send, where.wechat, mall_clock, where.operator)
    for days_on in (0, 1, 30, 30):
        mall_clock.advance(days_on * 86400)
        world.rest()
    assert queue.counts().dead == 0
    books = read(None)
    mine = [order.order_id for order in books.orders]
    payments, refunds = world.books(mine)
    assert {order.state for order in books.orders} <= {"closed", "completed"} | {"awaiting_shipment"}
    assert where.answers[503] > 0
    assert len(payments) > SHOPPERS // 3
    assert msgspec.structs.replace(books, payments=payments, refunds=refunds).differences() == []
