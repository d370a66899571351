"""The crash sweep over stock in shards: spread, spread anew, supplied, consolidated for an order, given back."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from local.jobs import forget_all
from tests.support.operators import owner_token
from tests.support.outside import Outside, may_change
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once

STOCK, PRICE = 10, 500


@dataclass
class Rush(World):
    """A SKU of STOCK pieces, and a shopper with an order of it, or about to place it."""

    shopper: Shopper
    sku: str
    key: str
    body: dict[str, Any] | None = None
    order_id: str = ""

    def spread(self, shards: int) -> None:
        self.operator.put(f"/v1/admin/skus/{self.sku}/shards", {"shards": shards})

    def supply(self, quantity: int) -> None:
        body = {"quantity": quantity, "reason": "盘点"}
        self.operator.post(f"/v1/admin/skus/{self.sku}/stock", body, key=self.key)

    def prepare(self, quantity: int) -> None:
        self.body = self.shopper.order_body([(self.sku, quantity)], quantity * PRICE)

    def place(self) -> None:
        answer = self.shopper.post("/v1/orders", self.body, key=self.key)
        if answer.status == 201:
            self.order_id = answer.json["order_id"]

    def cancel(self) -> None:
        self.shopper.post(f"/v1/orders/{self.order_id}/cancel")


@dataclass
class Flow(Steps[Rush]):
    """And how it must end: over how many shards, with how many free and how many in the order."""

    shards: int
    free: int
    held: int


@pytest.fixture
def sweep(dynamodb: str, sandbox: str, mall_clock: LocalClock, outside: Outside) -> Sweep[Flow, Rush]:
    send = in_process()
    operator = Operator(send, owner_token())

    def new_world(_: Flow) -> Rush:
        forget_all()
        sku = operator.product(stock=STOCK, price_fen=PRICE)["skus"][0]["sku_id"]
        shopper = Shopper.arrive(send, Sandbox(sandbox))
        return Rush(send, Sandbox(sandbox), mall_clock, operator, shopper, sku, secrets.token_hex(8))

    return Sweep(outside, new_world, _check, may_change)


def _spread(shards: int) -> Callable[[Rush], None]:
    return lambda world: world.spread(shards)


def _four(world: Rush) -> None:
    world.spread(4)


def _four_and_a_body(world: Rush) -> None:
    """Five pieces in one order: no shard of ten in four has so many."""
    world.spread(4)
    world.prepare(5)


def _four_and_an_order(world: Rush) -> None:
    world.spread(4)
    world.prepare(2)
    world.place()
    assert world.order_id


def _an_order_of_earlier_shards(world: Rush) -> None:
    _four_and_an_order(world)
    world.spread(2)


def _supply(world: Rush) -> None:
    world.supply(7)


def _take_away(world: Rush) -> None:
    world.supply(-6)


FLOWS = [
    Flow("spread", lambda world: None, _spread(4), _spread(4), 4, 10, 0),
    Flow("spread anew", _four_and_an_order, _spread(3), _spread(3), 3, 8, 2),
    Flow("spread no more", _four_and_an_order, _spread(0), _spread(0), 0, 8, 2),
    Flow("supply", _four, _supply, _supply, 4, 17, 0),
    Flow("take away", _four, _take_away, _take_away, 4, 4, 0),
    Flow("order what lies in bits", _four_and_a_body, Rush.place, Rush.place, 4, 5, 5),
    Flow("cancel", _four_and_an_order, Rush.cancel, Rush.cancel, 4, 10, 0),
    Flow("cancel what came of earlier shards", _an_order_of_earlier_shards, Rush.cancel, Rush.cancel, 2, 10, 0),
]


test_wherever_it_is_struck_no_piece_is_lost = struck_once(FLOWS)
test_when_every_call_fails_at_first_no_piece_is_lost = struck_again_and_again(FLOWS)


def _check(flow: Flow, world: Rush) -> None:
    from chalicelib.commerce.catalogue.stock import queries as stock_queries
    from chalicelib.commerce.orders.queries import load
    from tests.support import shards

    kept = stock_queries.stock_of(world.sku)
    assert (len(shards.shards(world.sku)), kept.free, kept.taken) == (flow.shards, flow.free, flow.held)
    orders = [load(world.order_id)] if world.order_id else []
    assert shards.differences(world.sku, orders) == []
    assert dead_jobs() == []
