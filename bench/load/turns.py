"""The API's CPU of a purchase's calls in two checkouts, in turn on one machine (Linux).

    git worktree add /tmp/old 0123abc && python -m bench.load.turns /tmp/old

Each checkout plays itself, in a process of its own with a mall of its own: this file is all that both run.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

ROUNDS = 5
#: Of each call, in one turn; and turns of each side in a round, so that what disturbs the machine disturbs both.
_CALLS, _TURNS = 10, 8
_PRODUCTS = 60
_CHECKOUT = ("add to cart", "quote", "place order", "start payment", "payment callback")


def _play(out: Any) -> None:
    """In a checkout: a turn for each line that comes in, answered by a line of milliseconds for one call of each."""
    from bench.load.http import STOCK, CpuTime
    from bench.load.shops.yutang import stock_up
    from chalicelib.core import clock
    from chalicelib.core import settings as core
    from local.client import Sandbox, Shopper, over_http
    from local.clock import LocalClock
    from local.mall import Mall

    with tempfile.TemporaryDirectory() as folder, Mall(Path(folder)) as mall:
        core.use(mall.environment)  # this process plays WeChat, with the mall's keys
        os.environ["YUTANG_TEST_KEYS"] = str(mall.data / "sandbox")
        clock.use(LocalClock(mall.clock_file))
        send, sandbox, cpu = over_http(mall.api_url), Sandbox(mall.sandbox_url), CpuTime([mall.pids["api"]])
        catalogue = stock_up(send, mall.sandbox_url, _PRODUCTS, STOCK)
        products, skus = cycle(catalogue.products), cycle(catalogue.skus)

        def each(call: Callable[[Any], Any], arguments: Iterable[Any]) -> float:
            before = cpu.ms()
            for argument in arguments:
                answer = call(argument)
                assert answer.status < 300, (answer.status, answer.body)
            return (cpu.ms() - before) / _CALLS

        print(file=out, flush=True)
        for _ in sys.stdin:
            shopper = Shopper.arrive(send, sandbox)
            print(json.dumps(dict(_turn(shopper, sandbox, each, products, skus))), file=out, flush=True)


def _turn(
    shopper: Any, sandbox: Any, each: Callable[..., float], products: Iterator[str], skus: Iterator[str]
) -> Iterator[tuple[str, float]]:
    from local.notices import payment_callback

    chosen = list(islice(skus, _CALLS))
    payable = {sku: shopper.quote([(sku, 1)])["payable_fen"] for sku in chosen}
    orders: list[str] = []
    payments: list[Any] = []

    def place(sku: str) -> Any:
        answer = shopper.post("/v1/orders", shopper.order_body([(sku, 1)], payable[sku]), key=secrets.token_hex(8))
        orders.append(answer.ok(201)["order_id"])
        return answer

    def start(order_id: str) -> Any:
        answer = shopper.post(f"/v1/orders/{order_id}/payment")
        payments.append(answer.ok())
        return answer

    def quote(sku: str) -> Any:
        lines = [{"sku_id": sku, "quantity": 1}]
        return shopper.post("/v1/quotes", {"lines": lines, "address_id": shopper.address_id})

    details = [f"/v1/products/{product}" for product in islice(products, _CALLS)]
    yield "product detail, another one each time", each(shopper.get, details)
    yield "add to cart", each(lambda sku: shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 1}), chosen)
    yield "get cart", each(shopper.get, ["/v1/cart"] * _CALLS)
    yield "quote", each(quote, chosen)
    yield "place order", each(place, chosen)
    yield "start payment", each(start, list(orders))
    for payment in payments:
        sandbox.pay(payment, notify="none")
    notices = [payment_callback(sandbox, order_id) for order_id in orders]
    yield "payment callback", each(lambda notice: shopper.send(*notice), notices)
    yield "order detail", each(lambda order_id: shopper.get(f"/v1/orders/{order_id}"), orders)
    yield "me", each(shopper.get, ["/v1/me"] * _CALLS)


class _Side:
    """A checkout that plays."""

    def __init__(self, checkout: Path) -> None:
        self.rounds: list[dict[str, float]] = []
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, "--play"], cwd=checkout, env=os.environ | {"PYTHONPATH": str(checkout)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def hear(self) -> str:
        """The next line that it says."""
        assert self._process.stdout
        return self._process.stdout.readline()

    def turn(self) -> dict[str, float]:
        """One turn."""
        assert self._process.stdin
        print(file=self._process.stdin, flush=True)
        found: dict[str, float] = json.loads(self.hear())
        return found | {"whole checkout": sum(found[part] for part in _CHECKOUT)}

    def end(self) -> None:
        """Let it stop its mall."""
        self._process.communicate()

    def middle(self, call: str) -> float:
        """The median of its rounds."""
        return statistics.median(each[call] for each in self.rounds)


def main() -> None:
    """Play, and print a line for each call."""
    parser = argparse.ArgumentParser(prog="python -m bench.load.turns", description="The API's CPU, old and new.")
    parser.add_argument("old", type=Path, help="another checkout of this repository")
    old, new = _Side(parser.parse_args().old.resolve()), _Side(Path(__file__).parents[2])
    for side in (old, new):
        side.hear()
        side.turn()  # warms up
    for _ in range(ROUNDS):
        pairs = [(old.turn(), new.turn()) for _ in range(_TURNS)]
        for side, turns in zip((old, new), zip(*pairs, strict=True), strict=True):
            side.rounds.append({call: statistics.fmean(turn[call] for turn in turns) for call in turns[0]})
    for call in old.rounds[0]:
        before, after = old.middle(call), new.middle(call)
        print(f"{call:40} old {before:6.2f} ms  new {after:6.2f} ms  {after / before:.2f}")
    for side in (old, new):
        side.end()


if __name__ == "__main__":
    if sys.argv[1:] == ["--play"]:
        told, sys.stdout = sys.stdout, sys.stderr
        _play(told)
    else:
        main()
