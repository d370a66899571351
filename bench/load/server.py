"""What a mall's processes spend on one call, and on the jobs of one order: their own CPU time, over HTTP at one
kept-alive connection, one call after the other (Linux)."""

from __future__ import annotations

import itertools
import os
import random
import secrets
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from bench.load.http import STOCK, CpuTime
from bench.load.shops.yutang import stock_up
from chalicelib.core import clock
from chalicelib.core import settings as core
from local.client import Answer, Client, Control, Operator, Sandbox, Shopper, over_http
from local.clock import LocalClock
from local.mall import Mall
from local.notices import payment_callback

_T = TypeVar("_T")

_ROUNDS = 3
#: More than a process may remember a catalogue read.
_FORGOTTEN_SECONDS = 1.3
_MINUTE = 60.0
#: Fewer orders of one shopper than may wait for their payment (`unpaid_max` in chalicelib/commerce/orders/settings.py).
_ORDERS_EACH = 40
_IDLE_SECONDS = 5
_HOUR, _DAY = 3600.0, 86400.0
#: An order that was shipped is received by itself after ten days, and completed seven days later.
_LIFE = (10 * _DAY + _HOUR, 7 * _DAY + _HOUR)


class Cpu(NamedTuple):
    """Milliseconds of a process's CPU for one call: the median of the rounds, and each of them."""

    call: str
    median_ms: float
    rounds_ms: list[float]
    calls: int


class Order(NamedTuple):
    """An order and whose it is."""

    shopper: Shopper
    order_id: str


class Bench:
    """A mall with its catalogue, and a shopper and an operator in it."""

    def __init__(self, mall: Mall, mall_clock: LocalClock, calls: int, products: int) -> None:
        self.calls = calls
        self._clock = mall_clock
        self._api = CpuTime([mall.pids["api"]])
        self.send = over_http(mall.api_url)
        self.sandbox = Sandbox(mall.sandbox_url)
        self.operator = Operator.arrive(self.send)
        self.catalogue = stock_up(self.send, mall.sandbox_url, products, STOCK)
        self.shopper = self.arrive()
        self.random = random.Random(20261121)

    def arrive(self) -> Shopper:
        """Someone new."""
        return Shopper.arrive(self.send, self.sandbox)

    def measure(self, name: str, call: Callable[[_T], Answer], arguments: Sequence[_T], *, by_one: bool = False) -> Cpu:
        """Make the call with each of these, a share of them in each round: each in a minute of the mall's clock, where
        one member makes them all and may make so many in a minute."""
        rounds: list[float] = []
        share = len(arguments) // _ROUNDS
        for number in range(_ROUNDS):
            time.sleep(_FORGOTTEN_SECONDS)
            self._clock.advance(_MINUTE if by_one else 0)
            before = self._api.ms()
            for argument in arguments[number * share : (number + 1) * share]:
                answer = call(argument)
                assert answer.status < 300, (name, answer.status, answer.body)
            rounds.append(round((self._api.ms() - before) / share, 2))
        return Cpu(name, statistics.median(rounds), rounds, share)

    def picks(self, of: Sequence[_T]) -> list[_T]:
        """As many of them as there are calls, no two the same in a row of their number."""
        shuffled = self.random.sample(of, len(of))
        return list(itertools.islice(itertools.cycle(shuffled), self.calls * _ROUNDS))


def run(folder: Path, calls: int, products: int) -> list[Cpu]:
    """Every figure, in a mall of its own that is in memory."""
    with Mall(folder) as mall:
        core.use(mall.environment)  # this process plays WeChat, with the mall's keys
        os.environ["YUTANG_TEST_KEYS"] = str(mall.data / "sandbox")
        mall_clock = LocalClock(mall.clock_file)
        clock.use(mall_clock)
        control, worker = Control(mall.control_url), _Worker(mall)
        bench = Bench(mall, mall_clock, calls, products)
        found = [*_reads(bench), *_people(bench), *_cart(bench)]
        worker.begin()
        placed, orders = _checkout(bench)
        found += [*placed, *_orders(bench, orders), _ship(bench, orders)]
        for seconds in _LIFE:
            control.run_jobs(advance=seconds)
        found.append(worker.spent(len(orders)))
        shopper, order_id = orders[-1]
        assert shopper.order(order_id)["state"] == "completed"
        return found


class _Worker:
    """The worker's CPU, without what it spends where there is nothing to do."""

    def __init__(self, mall: Mall) -> None:
        self._cpu = CpuTime([mall.pids["worker"]])
        before = self._cpu.ms()
        time.sleep(_IDLE_SECONDS)
        self._idle = (self._cpu.ms() - before) / _IDLE_SECONDS
        self.begin()
        for seconds in _LIFE:
            Control(mall.control_url).run_jobs(advance=seconds)
        self._days = self._since()

    def begin(self) -> None:
        """From here on."""
        self._from = time.monotonic(), self._cpu.ms()

    def _since(self) -> float:
        begun, before = self._from
        return self._cpu.ms() - before - self._idle * (time.monotonic() - begun)

    def spent(self, orders: int) -> Cpu:
        """For each of so many orders that lived through the same days since."""
        each = round((self._since() - self._days) / orders, 2)
        return Cpu("jobs of an order", each, [each], orders)


def _reads(bench: Bench) -> Iterator[Cpu]:
    get = bench.shopper.get
    catalogue = bench.catalogue
    pages = bench.picks(catalogue.pages)
    products = bench.picks([f"/v1/products/{product}" for product in catalogue.products])
    words = bench.picks([f"/v1/products?limit=20&q={number}" for number in range(len(catalogue.products))])
    yield bench.measure("list of 20, another page each time", get, pages)
    yield bench.measure("list of 20, the same page", get, pages[:1] * len(pages))
    yield bench.measure("product detail, another one each time", get, products)
    yield bench.measure("product detail, the same one", get, products[:1] * len(products))
    yield bench.measure("search", get, words)
    yield bench.measure("categories", get, ["/v1/categories"] * len(pages))


def _people(bench: Bench) -> Iterator[Cpu]:
    """Logins with codes that WeChat gave out before; each shopper comes once new and once known."""
    users = [secrets.token_hex(8) for _ in range(bench.calls * _ROUNDS)]
    anyone = Client(bench.send)

    def login(code: str) -> Answer:
        return anyone.post("/v1/auth/login", {"code": code})

    for name in ("login (new member)", "login (known member)"):
        codes = [bench.sandbox.post("login", {"user": user})["code"] for user in users]
        yield bench.measure(name, login, codes)
    yield bench.measure("me", bench.shopper.get, ["/v1/me"] * len(users), by_one=True)


def _cart(bench: Bench) -> Iterator[Cpu]:
    """Each line added anew: one goes as another comes, so that the cart stays at one line."""
    shopper, skus = bench.shopper, bench.picks(bench.catalogue.skus)

    def remove(sku: str) -> Answer:
        return shopper.call("DELETE", f"/v1/cart/lines/{sku}")

    def add_and_remove(sku: str) -> Answer:
        shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 1}).ok()
        return remove(sku)

    remove(skus[0]).ok()  # makes the cart: that is done once in a member's life
    both = bench.measure("add and remove", add_and_remove, skus, by_one=True)
    gone = bench.measure("remove", remove, skus, by_one=True)
    rounds = [round(two - one, 2) for two, one in zip(both.rounds_ms, gone.rounds_ms, strict=True)]
    yield Cpu("add to cart, another product each time", statistics.median(rounds), rounds, both.calls)
    for sku in skus[:2]:
        shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 1}).ok()
    yield bench.measure("get cart", shopper.get, ["/v1/cart"] * len(skus), by_one=True)


def _checkout(bench: Bench) -> tuple[list[Cpu], list[Order]]:
    """The parts of a checkout without the cart, and the paid orders."""
    skus = bench.picks(bench.catalogue.skus)
    payable = {sku: bench.shopper.quote([(sku, 1)])["payable_fen"] for sku in dict.fromkeys(skus)}
    shoppers = [bench.arrive() for _ in range(0, len(skus), _ORDERS_EACH)]
    wanted = [(shoppers[number // _ORDERS_EACH], sku) for number, sku in enumerate(skus)]
    orders: list[Order] = []
    payments: list[Any] = []

    def quote(one: tuple[Shopper, str]) -> Answer:
        shopper, sku = one
        body = {"lines": [{"sku_id": sku, "quantity": 1}], "address_id": shopper.address_id}
        return shopper.post("/v1/quotes", body)

    def place(one: tuple[Shopper, str]) -> Answer:
        shopper, sku = one
        answer = shopper.post("/v1/orders", shopper.order_body([(sku, 1)], payable[sku]), key=secrets.token_hex(8))
        orders.append(Order(shopper, answer.ok(201)["order_id"]))
        return answer

    def start(order: Order) -> Answer:
        answer = order.shopper.post(f"/v1/orders/{order.order_id}/payment")
        payments.append(answer.ok())
        return answer

    parts = [
        bench.measure("quote", quote, wanted),
        bench.measure("place order", place, wanted),
        bench.measure("start payment", start, orders),
    ]
    for payment in payments:
        bench.sandbox.pay(payment, notify="none")
    notices = [payment_callback(bench.sandbox, order_id) for _, order_id in orders]
    parts.append(bench.measure("payment callback", lambda notice: bench.send(*notice), notices))
    rounds = [round(sum(each), 2) for each in zip(*(part.rounds_ms for part in parts), strict=True)]
    return [*parts, Cpu("whole checkout (these four)", statistics.median(rounds), rounds, parts[0].calls)], orders


def _orders(bench: Bench, orders: Sequence[Order]) -> Iterator[Cpu]:
    shopper = orders[0].shopper
    yield bench.measure("order detail", lambda order: order.shopper.get(f"/v1/orders/{order.order_id}"), orders)
    yield bench.measure("order list", shopper.get, ["/v1/orders?limit=20"] * len(orders), by_one=True)


def _ship(bench: Bench, orders: Sequence[Order]) -> Cpu:
    def ship(order: Order) -> Answer:
        parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.token_hex(6)}"}
        return bench.operator.post(f"/v1/admin/orders/{order.order_id}/ship", parcel)

    return bench.measure("ship", ship, orders)
