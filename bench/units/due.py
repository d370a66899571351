"""Very many members whom time moves in one second, beside lobbies that end, orders that nobody pays and refunds."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from bench.units.beside import at_work, wait, watched
from bench.units.figures import AtOnce, Late
from bench.units.made_up import bought, owe_look, put_all
from chalicelib.core import clock, ids
from chalicelib.growth.segments.counts.queries import totals
from chalicelib.growth.segments.jobs import PASS, PASS_ON
from chalicelib.growth.segments.tables import due_shard, traits_item
from chalicelib.growth.segments.traits.rules import ms
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.declarations import INSIDE, MANY, OUTSIDE
from chalicelib.platform.jobs.timers import GRAIN_MS
from local.client import Operator, Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.jobs import forget_all
from local.notices import payment_callback

#: Who works on what is owed to very many, side by side.
READERS = 4
_MINUTES, _PRICE_FEN = 15, 1590
_GROUP_BUY = "/v1/admin/settings/group_buy"
#: How often each of the others comes, beside; and real seconds until all is due.
_BESIDE, _AHEAD_SECONDS = 10, 5.0
_MINUTE_SECONDS = 60.0
#: What is looked at, by the kind of the job that does it.
SHOWN = {
    "groupbuy.settle_lobby": "a lobby's end", "orders.close_unpaid": "the closing of an unpaid order",
    "orders.push_refund": "a refund, as it is handed to WeChat",
}  # fmt: skip


class Bench:
    """Shoppers who order, lead lobbies and send back, in front of workers that look after every lane."""

    def __init__(self, send: Transport, sandbox: Sandbox, mall_clock: LocalClock) -> None:
        self._send, self._sandbox, self._clock = send, sandbox, mall_clock

    def run(self, members: int) -> AtOnce:
        """So many members are due in one second, while lobbies, orders and refunds come to theirs."""
        forget_all()
        ends = clock.now() + timedelta(minutes=_MINUTES)
        shopper, paid = self._prepare()
        due = -(-ms(ends) // GRAIN_MS) * GRAIN_MS - 2_000
        self._make_due(members, due)
        before = totals("silent").entered
        self._until(ends, _MINUTE_SECONDS)
        while worker.run_due():  # what looks after an order before its time is over
            pass
        self._until(ends, _AHEAD_SECONDS)
        with watched() as watch, at_work([INSIDE, OUTSIDE, *[MANY] * READERS]):
            for order_id in paid:
                ask = {"reason": "不想要了"}
                shopper.post(f"/v1/orders/{order_id}/refunds", ask, key=order_id).ok(202)
                time.sleep(2 * _AHEAD_SECONDS / _BESIDE)
            wait(lambda: totals("silent").entered - before >= members)
            wait(lambda: all(len(watch.late[kind]) >= _BESIDE for kind in SHOWN))
        late = [Late(what=what, most_ms=round(max(watch.late[kind]))) for kind, what in SHOWN.items()]
        seconds = round(watch.last(PASS.name, PASS_ON.name) - due / 1000, 1)
        return AtOnce(members=members, seconds=seconds, readers=READERS, late=late)

    def _until(self, instant: datetime, seconds: float) -> None:
        self._clock.advance((instant - clock.now()).total_seconds() - seconds)

    def _prepare(self) -> tuple[Shopper, list[str]]:
        """Lobbies that nobody joins, orders that nobody pays, and paid ones to send back, all of one shopper."""
        operator, shopper = Operator.arrive(self._send), Shopper.arrive(self._send, self._sandbox)
        operator.put(_GROUP_BUY, {"held_seats": 50}).ok()
        product = operator.product(stock=10_000)
        sku = product["skus"][0]["sku_id"]
        activity = operator.group_activity({2: _PRICE_FEN}, product=product, lobby_minutes=_MINUTES)
        for _ in range(_BESIDE):
            shopper.place([(sku, 1)])
        for _ in range(_BESIDE):
            self._pay(shopper, shopper.take_seat(sku, activity_id=activity["activity_id"], size=2).ok(201)["order_id"])
        paid = [shopper.place([(sku, 1)])["order_id"] for _ in range(_BESIDE)]
        for order_id in paid:
            self._pay(shopper, order_id)
        operator.put(_GROUP_BUY, {}).ok()
        return shopper, paid

    def _pay(self, shopper: Shopper, order_id: str) -> None:
        self._sandbox.pay(shopper.start_payment(order_id), notify="none")
        self._send(*payment_callback(self._sandbox, order_id)).ok()

    @staticmethod
    def _make_due(members: int, due: int) -> None:
        """So many members are due in the second from `due` (Unix milliseconds) on, in all shards."""
        made = [(ids.new("m"), due + number * 1000 // members) for number in range(members)]
        put_all([traits_item(bought(member_id, at, 3, 0), 1, at) for member_id, at in made])
        for member_id in {due_shard(member_id): member_id for member_id, _ in made}.values():
            owe_look(member_id, due)
