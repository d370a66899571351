"""What the API's process spends on a call: its own CPU time, over HTTP at one kept-alive connection (Linux)."""

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

import msgspec

from chalicelib.core import settings as core
from local.mall import Mall
from tests.support.client import Answer, Operator, Sandbox, Shopper, over_http
from tests.support.wechat import payment_callback

_T = TypeVar("_T")

PRODUCTS = 1000
_IMPORT_LINES = 100
_ROUNDS = 3
_SORTS = ("default", "new", "sales", "price_asc", "price_desc")
_PAGE = 20
#: More than a process may remember a catalogue read.
_FORGOTTEN_SECONDS = 1.3
_DETAIL = "产自舟山渔场，船上速冻，冷链到家。每条 450 到 500 克，去鳞去内脏，真空独立包装。" * 8


class Cpu(NamedTuple):
    """Milliseconds of the server's CPU for one call: the median of the rounds, and each of them."""

    call: str
    median_ms: float
    rounds_ms: list[float]
    calls: int


class Bench:
    """A mall with its catalogue, and a shopper and an operator in it."""

    def __init__(self, mall: Mall, calls: int) -> None:
        self.calls = calls
        self._clock = _cpu_clock(mall._servers["api"].pid)
        core.use(mall.environment)  # this process plays WeChat, with the mall's keys
        os.environ["YUTANG_TEST_KEYS"] = str(mall.data / "sandbox")
        self.send = over_http(mall.api_url)
        self.sandbox = Sandbox(mall.sandbox_url)
        self.shopper = Shopper.arrive(self.send, self.sandbox)
        self.operator = Operator.arrive(self.send)
        self.random = random.Random(20261121)
        self.products: list[str] = []
        self.skus: list[str] = []

    def stock_up(self, products: int) -> None:
        """Import the products, two SKUs each."""
        for start in range(0, products, _IMPORT_LINES):
            lines = [msgspec.json.encode(_product(n)) for n in range(start, min(start + _IMPORT_LINES, products))]
            headers = {"Content_Type": "text/plain; charset=utf-8"}
            path = "/v1/admin/catalogue/import?format=jsonl"
            report = self.operator.call("POST", path, b"\n".join(lines), **headers).ok()
            failed = [line for line in report["lines"] if line["outcome"] != "created"]
            assert not failed, failed[:3]
        for path in self.pages("default"):
            self.products += [card["product_id"] for card in self.shopper.get(path).ok()["items"]]
        assert len(self.products) == products, len(self.products)
        for product in self.products:
            self.skus.append(self.shopper.get(f"/v1/products/{product}").ok()["skus"][0]["sku_id"])

    def pages(self, sort: str) -> Iterator[str]:
        """The path of each page of the whole list; a page is asked for, to know the next one."""
        path = base = f"/v1/products?limit={_PAGE}&sort={sort}"
        while True:
            yield path
            cursor = self.shopper.get(path).ok()["next_cursor"]
            if cursor is None:
                return
            path = f"{base}&cursor={cursor}"

    def measure(self, name: str, call: Callable[[_T], Answer], arguments: Sequence[_T]) -> Cpu:
        """Make the call with each of these, a share of them in each round."""
        rounds: list[float] = []
        share = len(arguments) // _ROUNDS
        for number in range(_ROUNDS):
            time.sleep(_FORGOTTEN_SECONDS)
            before = time.clock_gettime(self._clock)
            for argument in arguments[number * share : (number + 1) * share]:
                answer = call(argument)
                assert answer.status < 300, (name, answer.status, answer.body)
            rounds.append(round((time.clock_gettime(self._clock) - before) * 1000 / share, 2))
        return Cpu(name, statistics.median(rounds), rounds, share)

    def picks(self, of: list[str]) -> list[str]:
        """As many of them as there are calls, no two the same in a row of their number."""
        shuffled = self.random.sample(of, len(of))
        return list(itertools.islice(itertools.cycle(shuffled), self.calls * _ROUNDS))


def _cpu_clock(pid: int) -> int:
    """The clock of another process's CPU time (see clock_getcpuclockid(3))."""
    return (~pid << 3) | 2


def _product(number: int) -> dict[str, Any]:
    code = f"bench-{number:05d}"
    skus = [
        {"sku_code": f"{code}-{size}", "specs": {"规格": size}, "price_fen": 1000 + number, "stock": 100_000}
        for size in ("S", "M")
    ]
    return {
        "product_code": code, "name": f"东海大黄鱼 {number}", "brief": "船上速冻，冷链到家", "skus": skus,
        "keywords": ["海鲜", "冷冻"], "picture_url": f"https://img.example.com/{code}/0.jpg", "on_sale": True,
        "specs": [{"name": "规格", "values": ["S", "M"]}], "detail": _DETAIL,
        "gallery": [f"https://img.example.com/{code}/{n}.jpg" for n in range(4)],
    }  # fmt: skip


def run(folder: Path, calls: int, products: int = PRODUCTS) -> list[Cpu]:
    """Every figure, in a mall of its own that is in memory."""
    with Mall(folder) as mall:
        bench = Bench(mall, calls)
        bench.stock_up(products)
        return [*_reads(bench), *_cart(bench), *_checkout(bench)]


def _reads(bench: Bench) -> list[Cpu]:
    get = bench.shopper.get
    pages = bench.picks([path for sort in _SORTS for path in bench.pages(sort)])
    products = bench.picks([f"/v1/products/{product}" for product in bench.products])
    return [
        bench.measure("list of 20, another page each time", get, pages),
        bench.measure("list of 20, the same page", get, pages[:1] * len(pages)),
        bench.measure("product detail, another one each time", get, products),
        bench.measure("product detail, the same one", get, products[:1] * len(products)),
    ]


def _cart(bench: Bench) -> list[Cpu]:
    """Each line added anew: one goes as another comes, so that the cart stays at one line."""
    shopper, skus = bench.shopper, bench.picks(bench.skus)

    def remove(sku: str) -> Answer:
        return shopper.call("DELETE", f"/v1/cart/lines/{sku}")

    def add_and_remove(sku: str) -> Answer:
        shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 1}).ok()
        return remove(sku)

    remove(skus[0]).ok()  # makes the cart: that is done once in a member's life
    both = bench.measure("add and remove", add_and_remove, skus)
    gone = bench.measure("remove", remove, skus)
    rounds = [round(two - one, 2) for two, one in zip(both.rounds_ms, gone.rounds_ms, strict=True)]
    return [Cpu("add to cart, another product each time", statistics.median(rounds), rounds, both.calls)]


def _checkout(bench: Bench) -> list[Cpu]:
    shopper, skus = bench.shopper, bench.picks(bench.skus)
    payable = {sku: shopper.quote([(sku, 1)])["payable_fen"] for sku in dict.fromkeys(skus)}
    orders: list[str] = []
    payments: list[Any] = []

    def quote(sku: str) -> Answer:
        body = {"lines": [{"sku_id": sku, "quantity": 1}], "address_id": shopper.address_id}
        return shopper.post("/v1/quotes", body)

    def place(sku: str) -> Answer:
        answer = shopper.post("/v1/orders", shopper.order_body([(sku, 1)], payable[sku]), key=secrets.token_hex(8))
        orders.append(answer.ok(201)["order_id"])
        return answer

    def start(order_id: str) -> Answer:
        answer = shopper.post(f"/v1/orders/{order_id}/payment")
        payments.append(answer.ok())
        return answer

    parts = [
        bench.measure("quote", quote, skus),
        bench.measure("place order", place, skus),
        bench.measure("start payment", start, orders),
    ]
    for payment in payments:
        bench.sandbox.pay(payment, notify="none")
    notices = [payment_callback(bench.sandbox, order_id) for order_id in orders]
    parts.append(bench.measure("payment callback", lambda notice: bench.send(*notice), notices))
    rounds = [round(sum(each), 2) for each in zip(*(part.rounds_ms for part in parts), strict=True)]
    return [*parts, Cpu("whole checkout (these four)", statistics.median(rounds), rounds, parts[0].calls)]
