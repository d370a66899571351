"""What group-buy costs: each call's round trips and units, and the settlement of the lobbies that are due, beside few
and beside many that are not."""

from __future__ import annotations

import itertools
import secrets
import statistics
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, NamedTuple

from bench.units.costs import total
from bench.units.recorder import Recorder
from bench.units.request_units import Units
from chalicelib.core import clock, ids
from chalicelib.growth.groupbuy.jobs import SETTLE_LOBBY
from chalicelib.growth.groupbuy.lobbies import service as lobby_ends
from chalicelib.growth.groupbuy.rules import Price, Terms
from chalicelib.growth.groupbuy.tables import LOBBY, Lobbies, partition_of, position
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.declarations import INSIDE
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import due_at
from chalicelib.platform.jobs.tables import Task
from chalicelib.platform.store import base
from local.client import Operator, Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.notices import payment_callback

_SIZE = 2
_MINUTES = 10
_WRITE_BATCH = 25
_STORED_DAYS = 20
#: Real seconds before the first expiry at which the worker begins to look ahead.
_AHEAD_SECONDS = 2.0
#: Beyond the last expiry, until the run gives up.
_PATIENCE_SECONDS = 60.0
#: Orders of one shopper that nobody pays: fewer than `unpaid_max` (chalicelib/commerce/orders/settings.py), and
#: than the seats that one may hold here.
_UNPAID = 40


class Call(NamedTuple):
    """One call in a busy process: round trips and request units."""

    call: str
    trips: int
    units: Units


class Settling(NamedTuple):
    """The settlement of `due` lobbies beside `stored` open ones that are not due. Units and milliseconds are for each
    lobby due, its orders' refunds granted; lags in milliseconds from the expiry, of a worker that looks ahead while
    shoppers order."""

    stored: int
    due: int
    reads: float
    writes: float
    ms: float
    lag_median_ms: float
    lag_max_ms: float


class Results(NamedTuple):
    """All about group-buy."""

    calls: list[Call]
    settling: list[Settling]


class Bench:
    """A shopper who opens lobbies, others who join, and a recorder."""

    def __init__(self, send: Transport, sandbox: Sandbox, mall_clock: LocalClock, operator: Operator) -> None:
        self._send, self._sandbox, self._clock, self._operator = send, sandbox, mall_clock, operator
        self._recorder = Recorder()
        self._shoppers = [Shopper.arrive(send, sandbox) for _ in range(_SIZE + 1)]
        operator.put("/v1/admin/settings/group_buy", {"held_seats": 50}).ok()  # one shopper leads many lobbies
        product = operator.product(stock=1_000_000, price_fen=9900)
        self._sku = product["skus"][0]["sku_id"]
        self._activity = self._open_activity(product["product_id"])
        self._stored = 0

    def run(self, stored: Iterable[int], due: int) -> Results:
        """Everything; `stored` says beside how many open lobbies the due ones are settled."""
        calls = self._calls()
        return Results(calls, [self._settling(count, due) for count in stored])

    def _open_activity(self, product_id: str) -> str:
        now = clock.now()
        body = {
            "product_id": product_id, "kind": "fixed", "sizes": [_SIZE], "lobby_minutes": _MINUTES,
            "prices": [{"sku_id": self._sku, "size": _SIZE, "price_fen": 5900}], "starts_at": clock.stamp(now),
            "ends_at": clock.stamp(now + timedelta(days=2 * _STORED_DAYS)),
        }  # fmt: skip
        activity: str = self._operator.post("/v1/admin/group-activities", body).ok(201)["activity_id"]
        return activity

    # The calls

    def _calls(self) -> list[Call]:
        leader, member, looker = self._shoppers
        found: list[Call] = []

        def record(name: str, work: Callable[[], Any]) -> Any:
            with self._recorder.recording() as trips:
                result = work()
            found.append(Call(name, len(trips), total(trips)))
            return result

        self._pay(leader, self._order(leader, {"activity_id": self._activity, "size": _SIZE}))  # now it remembers
        opened = record("open a lobby (order)", lambda: self._order(leader, {"activity_id": self._activity}))
        notice = self._paid_at_wechat(leader, opened)
        record("its payment (callback): the lobby is open", lambda: self._send(*notice).ok())
        lobby = opened["group"]["lobby_id"]
        record("lobbies to join", lambda: looker.get(f"/v1/group-activities/{self._activity}/lobbies").ok())
        record("a lobby", lambda: looker.get(f"/v1/lobbies/{lobby}").ok())
        joined = record("join (order)", lambda: self._order(member, {"lobby_id": lobby}))
        notice = self._paid_at_wechat(member, joined)
        record("its payment (callback): the last seat", lambda: self._send(*notice).ok())
        asked = {"lines": [{"sku_id": self._sku, "quantity": 1}], "address_id": looker.address_id}
        body = asked | {"group": {"lobby_id": lobby}, "expected_payable_fen": 5900}
        record(
            "join a full lobby: refused", lambda: looker.post("/v1/orders", body, key="k").refused(409, "lobby_full")
        )
        record("both orders to shipping (jobs)", lambda: worker.run_due(lanes=[INSIDE]))
        return found

    def _order(self, shopper: Shopper, group: dict[str, Any]) -> Any:
        body = {
            "lines": [{"sku_id": self._sku, "quantity": 1}], "address_id": shopper.address_id, "group": group,
            "expected_payable_fen": 5900,
        }  # fmt: skip
        return shopper.post("/v1/orders", body, key=secrets.token_hex(8)).ok(201)

    def _paid_at_wechat(self, shopper: Shopper, order: Any) -> Any:
        self._sandbox.pay(shopper.start_payment(order["order_id"]), notify="none")
        return payment_callback(self._sandbox, order["order_id"])

    def _pay(self, shopper: Shopper, order: Any) -> None:
        self._send(*self._paid_at_wechat(shopper, order)).ok()

    # The settlement

    def _settling(self, stored: int, due: int) -> Settling:
        self._fill(stored)
        self._run_all()
        self._open(due)
        self._clock.advance(_MINUTES * 60 + 5)
        with self._recorder.recording() as trips:
            worker.run_due(seconds=600, lanes=[INSIDE])
        units = total(trips)
        self._run_all()
        begun = clock.monotonic()
        self._open(due)
        opened = clock.monotonic() - begun
        self._clock.advance(_MINUTES * 60 - opened - _AHEAD_SECONDS)
        lags, ms = self._lags(opened + _AHEAD_SECONDS, due)
        assert len(lags) == due, f"{len(lags)} of {due} lobbies were settled"
        return Settling(
            stored, due, round(units.reads / due, 1), round(units.writes / due, 1), round(ms, 1),
            round(statistics.median(lags)), round(max(lags)),
        )  # fmt: skip

    def _open(self, count: int) -> None:
        """So many lobbies that have only their leader."""
        for _ in range(count):
            leader = self._shoppers[0]
            self._pay(leader, self._order(leader, {"activity_id": self._activity}))

    def _run_all(self) -> None:
        while worker.run_due():
            pass

    def _lags(self, seconds: float, due: int) -> tuple[list[float], float]:
        """Let a worker look ahead for so many real seconds, and then until so many lobbies are settled, while a shopper
        orders; milliseconds after each expiry at which its lobby was settled, and the median of those that one
        settlement took."""
        lags: list[float] = []
        took: list[float] = []
        known = lobby_ends.settle_lobby

        def settle(job: Job) -> None:
            expiry = due_at(job.due)
            begun = clock.monotonic()
            known(job)
            took.append((clock.monotonic() - begun) * 1000)
            lags.append((clock.now() - expiry).total_seconds() * 1000)

        lobby_ends.settle_lobby = settle
        over, end = threading.Event(), clock.monotonic() + seconds + _PATIENCE_SECONDS
        with ThreadPoolExecutor(1) as shoppers:
            shopping = shoppers.submit(self._shop, over)
            try:
                worker.run_due(seconds, [INSIDE], ahead=True)
                while len(lags) < due and clock.monotonic() < end:  # a busy machine: late, and that is a figure too
                    worker.run_due(_AHEAD_SECONDS, [INSIDE], ahead=True)
            finally:
                over.set()
                lobby_ends.settle_lobby = known
        shopping.result()
        return lags, statistics.median(took) if took else 0.0

    def _shop(self, over: threading.Event) -> None:
        """Order without pause; nobody more often than a mall lets them without paying."""
        for number in itertools.count():
            if over.is_set():
                return
            if number % _UNPAID == 0:
                shopper = Shopper.arrive(self._send, self._sandbox)
            self._order(shopper, {"activity_id": self._activity})

    def _fill(self, count: int) -> None:
        """Bring the open lobbies that are not due up to so many, with the job that each is owed."""
        expires_at = clock.now() + timedelta(days=_STORED_DAYS)
        missing, self._stored = range(self._stored, count), max(count, self._stored)
        batches = [missing[start : start + _WRITE_BATCH] for start in range(0, len(missing), _WRITE_BATCH)]

        def write(batch: range) -> None:
            lobbies, owed = [], []
            for number in batch:
                at = expires_at + timedelta(seconds=number)
                terms = self._terms(ids.derived("g", "bench", str(number)))
                item = Lobbies(
                    terms.lobby_id, LOBBY, terms=terms, state="open", free=1, held=0, taken=1,
                    paid_fen=5900, expires_at=clock.stamp(at), partition=partition_of(terms),
                    position=position(terms, "open", 1, at),
                )  # fmt: skip
                lobbies.append(item)
                owed.append(queue.item(Task(SETTLE_LOBBY.name, terms.lobby_id), SETTLE_LOBBY.lane, at))
            for items in (lobbies, owed):
                table = items[0].Meta.table_name
                put = [{"PutRequest": {"Item": item.serialize()}} for item in items]
                base.call("BatchWriteItem", {"RequestItems": {table: put}})

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, batches))

    def _terms(self, lobby_id: str) -> Terms:
        now = clock.now()
        return Terms(
            lobby_id=lobby_id, activity_id=self._activity, product_id="p", kind="fixed", variant="control", size=_SIZE,
            prices=[Price(sku_id=self._sku, size=_SIZE, price_fen=5900)], lobby_minutes=_MINUTES, opened_at=now,
            latest_end_at=now, leader_id=self._shoppers[0].member_id,
        )  # fmt: skip
