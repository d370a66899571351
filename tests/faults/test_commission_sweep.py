"""The crash sweep over distribution: binding, and commissions made, released, taken back and rewarded.

Each flow with a fault at its k-th call that may change something, for every k, and once with every second call failing;
then what is owed is done, and every balance must be what the rule says, and what its entries come to.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from local.jobs import forget_all
from tests.support.distribution import (
    balance,
    balance_differences,
    come_by,
    deliver,
    inviter_of,
    pay,
    quick_distributor,
    quick_member,
    set_rules,
)
from tests.support.operators import owner_token
from tests.support.outside import Outside, may_change
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once

PRICE, DAY = 1990, 86400
#: Of two pieces: the seller's part, and that of who brought the seller.
FIRST, SECOND = 2 * PRICE // 10, 2 * PRICE // 20
REWARD = 500


@dataclass
class Trade(World):
    """A customer, who brought them, who brought those; and an order of two pieces."""

    above: Shopper
    seller: Shopper
    customer: Shopper
    code: str
    sku: str
    order_id: str = ""
    key: str = ""

    def place(self) -> None:
        body = self.customer.order_body([(self.sku, 2)], 2 * PRICE)
        self.order_id = self.customer.post("/v1/orders", body, key=self.key).ok(201)["order_id"]

    def paid(self) -> None:
        come_by(self.customer, self.code)
        self.work("member.")
        self.key = secrets.token_hex(8)
        self.place()
        pay(self.customer, self.order_id)

    def earned(self) -> None:
        self.paid()
        self.work("")

    def received(self) -> None:
        self.earned()
        deliver(self.operator, self.customer, self.order_id)

    def due(self) -> None:
        self.received()
        self.work("")
        self.clock.advance(DAY)

    def released(self) -> None:
        self.due()
        self.work("")

    def over(self) -> None:
        """The days for refunds are over."""
        self.released()
        self.clock.advance(6 * DAY)

    def counted(self) -> None:
        self.over()
        self.work("")

    def refund_one(self) -> None:
        body = {"reason": "破损", "lines": [{"sku_id": self.sku, "quantity": 1}]}
        self.operator.post(f"/v1/admin/orders/{self.order_id}/refunds", body, key="one")
        self.work("")

    def nothing(self) -> None:
        """Nobody does anything about it."""


@dataclass
class Flow(Steps[Trade]):
    """And how it must end: what the seller and who brought them have, pending and available."""

    seller: tuple[int, int] = (0, 0)
    above: tuple[int, int] = (0, 0)
    bound: bool = True


def _visit(world: Trade) -> None:
    world.customer.post("/v1/me/visits", {"inviter": world.code})
    world.work("")


def _prepare(world: Trade) -> None:
    world.key = secrets.token_hex(8)
    come_by(world.customer, world.code)
    forget_all()


def _place(world: Trade) -> None:
    body = world.customer.order_body([(world.sku, 2)], 2 * PRICE)
    world.customer.post("/v1/orders", body, key=world.key)


def _place_again(world: Trade) -> None:
    world.place()
    pay(world.customer, world.order_id)


def _unpaid(world: Trade) -> None:
    _prepare(world)
    world.place()


def _cancel(world: Trade) -> None:
    world.customer.post(f"/v1/orders/{world.order_id}/cancel")
    world.work("referred_order.")


HALF = (FIRST // 2, SECOND // 2)

FLOWS = [
    Flow("bind by a visit", Trade.nothing, _visit, _visit),
    Flow("bind by an order", _prepare, _place, _place_again, (FIRST, 0), (SECOND, 0)),
    Flow("earn", Trade.paid, lambda w: w.work(""), Trade.nothing, (FIRST, 0), (SECOND, 0)),
    Flow("take back while pending", Trade.earned, Trade.refund_one, Trade.refund_one, (HALF[0], 0), (HALF[1], 0)),
    Flow(
        "begin the days", Trade.received, lambda w: w.work(""), lambda w: w.clock.advance(DAY),
        (0, FIRST), (0, SECOND),
    ),
    Flow("release", Trade.due, lambda w: w.work(""), Trade.nothing, (0, FIRST), (0, SECOND)),
    Flow("count, and reward", Trade.over, lambda w: w.work(""), Trade.nothing, (0, FIRST + REWARD), (0, SECOND)),
    Flow(
        "take back what was released", Trade.released, Trade.refund_one, Trade.refund_one, (0, HALF[0]), (0, HALF[1]),
    ),
    Flow(
        "take back what was counted", Trade.counted, Trade.refund_one, Trade.refund_one,
        (0, HALF[0] + REWARD), (0, HALF[1]),
    ),
    Flow("close what was never paid", _unpaid, _cancel, _cancel, bound=False),
]  # fmt: skip


@pytest.fixture
def sweep(dynamodb: str, sandbox: str, mall_clock: LocalClock, outside: Outside) -> Iterator[Sweep[Flow, Trade]]:
    send = in_process()
    operator = Operator(send, owner_token())
    tiers = [{"tier_id": "silver", "name": "银牌", "customers": 1, "reward_fen": REWARD}]
    set_rules(operator, freeze_days=1, tiers=tiers)
    sku = operator.product(price_fen=PRICE, stock=100_000)["skus"][0]["sku_id"]

    def new_world(_: Flow) -> Trade:
        forget_all()
        wechat = Sandbox(sandbox)
        above, seller, customer = (quick_member(send, wechat) for _ in range(3))
        come_by(seller, quick_distributor(above.member_id))
        world = Trade(
            send, wechat, mall_clock, operator, above, seller, customer, quick_distributor(seller.member_id), sku
        )
        world.work("member.")
        assert inviter_of(seller) == above.member_id
        return world

    yield Sweep(outside, new_world, _check, may_change)
    set_rules(operator, enabled=False)


def _check(flow: Flow, world: Trade) -> None:
    assert dead_jobs() == []
    assert inviter_of(world.customer) == (world.seller.member_id if flow.bound else None)
    assert (balance(world.seller), balance(world.above)) == (flow.seller, flow.above)
    assert balance_differences(world.seller.member_id, world.above.member_id) == []


test_it_heals_wherever_it_was_struck = struck_once(FLOWS)
test_it_heals_when_every_second_call_fails = struck_again_and_again(FLOWS)
