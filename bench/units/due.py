"""Very many members whom time moves in one second, beside lobbies that end, orders that nobody pays and refunds."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

from bench.units.figures import AtOnce, Late
from bench.units.made_up import bought, owe_look, put_all
from chalicelib.core import clock, ids
from chalicelib.growth.segments.counts.queries import totals
from chalicelib.growth.segments.jobs import PASS, PASS_ON
from chalicelib.growth.segments.tables import due_shard, traits_item
from chalicelib.growth.segments.traits.rules import ms
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.declarations import INSIDE, MANY, OUTSIDE, Lane
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.jobs.timers import GRAIN_MS
from local.client import Operator, Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.jobs import forget_all
from local.notices import payment_callback

#: Who works on what is owed to very many, side by side, and for how long at most (real seconds).
READERS, _PATIENCE_SECONDS = 4, 300.0
_MINUTES, _PRICE_FEN = 15, 1590
_GROUP_BUY = "/v1/admin/settings/group_buy"
#: How often each of the others comes, beside; and real seconds until all is due.
_BESIDE, _AHEAD_SECONDS = 10, 5.0
_TICK_SECONDS, _MINUTE_SECONDS = 0.2, 60.0
#: What is looked at, by the kind of the job that does it.
SHOWN = {
    "groupbuy.settle_lobby": "a lobby's end", "orders.close_unpaid": "the closing of an unpaid order",
    "orders.push_refund": "a refund, as it is handed to WeChat",
}  # fmt: skip


class Bench:
    """Shoppers who order, lead lobbies and send back, in front of workers that look after every lane."""

    def __init__(self, send: Transport, sandbox: Sandbox, mall_clock: LocalClock) -> None:
        self._send, self._sandbox, self._clock = send, sandbox, mall_clock
        self._late: dict[str, list[float]] = defaultdict(list)
        self._passed: list[float] = []

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
        over = threading.Event()
        with self._watched(), ThreadPoolExecutor(READERS + 2) as pool:
            running = [pool.submit(self._work, lane, over) for lane in (INSIDE, OUTSIDE, *[MANY] * READERS)]
            try:
                for order_id in paid:
                    ask = {"reason": "不想要了"}
                    shopper.post(f"/v1/orders/{order_id}/refunds", ask, key=order_id).ok(202)
                    time.sleep(2 * _AHEAD_SECONDS / _BESIDE)
                _wait(lambda: totals("silent").entered - before >= members)
                _wait(lambda: all(len(self._late[kind]) >= _BESIDE for kind in SHOWN))
            finally:
                over.set()
        for one in running:
            one.result()
        late = [Late(what=what, most_ms=round(max(self._late[kind]))) for kind, what in SHOWN.items()]
        return AtOnce(members=members, seconds=round(max(self._passed) - due / 1000, 1), readers=READERS, late=late)

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

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Note how late each job has been done, by its kind, and when those that look at members were."""
        known = worker.run_one

        def run_one(found: Jobs) -> bool:
            done, job = known(found), found
            if job.task.kind in (PASS.name, PASS_ON.name):
                self._passed.append(clock.now().timestamp())
            wanted = clock.from_stamp(job.due.partition("|")[0])
            self._late[job.task.kind].append((clock.now() - wanted).total_seconds() * 1000)
            return done

        worker.run_one = run_one
        try:
            yield
        finally:
            worker.run_one = known

    @staticmethod
    def _work(lane: Lane, over: threading.Event) -> None:
        while not over.is_set():
            worker.run_due(1.0, [lane])
            time.sleep(_TICK_SECONDS)


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < end, "not done in time"
        time.sleep(_TICK_SECONDS)
