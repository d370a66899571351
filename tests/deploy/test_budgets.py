"""What each call of a purchase may ask of DynamoDB: one round trip more fails here.

`python -m bench` says what the trips cost; docs/bench.md has the figures.
"""

from __future__ import annotations

import pytest

from bench.units.costs import Cost, costs
from bench.units.floors import FLOORS
from bench.units.purchase import Purchase, forget_catalogue, forget_everything
from bench.units.recorder import Recorder
from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from tests.support.operators import owner_token

pytestmark = pytest.mark.slow

#: Round trips of a process that was just started, and of a busy one that meets the product for the first time.
TRIPS = {
    "login (new member)": (7, 4),
    "login (known member)": (5, 3),
    "me": (3, 1),
    "categories": (1, 1),
    "product list": (1, 1),
    "search": (2, 2),
    "product detail": (1, 1),
    "add to cart": (2, 2),
    "get cart": (2, 2),
    "quote": (4, 2),
    "get a coupon": (6, 4),
    "place order, 1 line": (5, 3),
    "place order, 2 lines of the cart": (6, 4),
    "place order, 1 line, with a coupon": (7, 4),
    "start payment": (2, 2),
    "payment callback": (5, 3),
    "payment callback, with a coupon": (5, 3),
    "order detail": (1, 1),
    "order list": (3, 3),
    "cancel": (3, 3),
    "ship": (6, 5),
    "refund request": (6, 4),
    "job: refund push": (4, 4),
    "job: watch (paid)": (2, 2),
    "job: watch (deadline)": (4, 4),
}


@pytest.fixture(scope="module")
def measured(own_tables: None, sandbox: str, sandbox_clock: LocalClock) -> dict[str, Cost]:
    from chalicelib.core import clock

    send = in_process()
    before = clock.use(sandbox_clock)
    with sandbox_clock.standing():  # what a busy process remembers for a second is as old on any machine
        runs = [
            Purchase(send, Sandbox(sandbox), sandbox_clock, Operator(send, owner_token()), forget).run()
            for forget in (forget_everything, forget_catalogue)
        ]
    clock.use(before)
    return {cost.call: cost for cost in costs(*runs)}


@pytest.mark.parametrize("call", list(FLOORS))
def test_round_trips(measured: dict[str, Cost], call: str) -> None:
    cost = measured[call]
    # Fewer are welcome: the table is then to be brought down.
    assert (cost.trips_cold, cost.trips) == TRIPS[call]


@pytest.mark.parametrize("call", list(FLOORS))
def test_units_are_near_the_floor(measured: dict[str, Cost], call: str) -> None:
    assert measured[call].ratio <= 1.2


def test_what_a_filter_takes_away_is_paid_for(dynamodb: str, sandbox: str, mall_clock: LocalClock) -> None:

    send = in_process()
    sku = Operator(send, owner_token()).product()["skus"][0]["sku_id"]
    shopper = Shopper.arrive(send, Sandbox(sandbox))
    for _ in range(3):
        shopper.place([(sku, 1)])
    sizes = []
    for path in ("/v1/orders", "/v1/orders?state=closed"):
        with Recorder().recording() as trips:
            shopper.get(path).ok()
        sizes.append(trips[0].touches[0].size)
    assert sizes[0] == sizes[1] > 0
