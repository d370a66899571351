"""Yutang as bench/load/http.py drives it: the mall that `make run` opened, or whose ports and folder are in PORT,
SANDBOX_PORT, CONTROL_PORT and YUTANG_LOCAL.

A checkout is all five calls that come to the API: the product into the cart, the quote, the order of the cart, the
start of the payment, and WeChat's notice that it was paid, which is made here with the keys of the local WeChat.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from bench.load import http
from chalicelib.core import clock, settings
from local.client import Answer, Client, Operator, Sandbox, Transport
from local.client import Shopper as Member
from local.clock import LocalClock
from local.mall import running
from local.notices import payment_callback

SORTS = ("default", "new", "sales", "price_asc", "price_desc")
PAGE = 20
_IMPORT_LINES = 100
_DETAIL = "产自舟山渔场，船上速冻，冷链到家。每条 450 到 500 克，去鳞去内脏，真空独立包装。" * 8


class Catalogue(NamedTuple):
    """What can be asked for: products with the first SKU of each, and the paths of all pages of the lists."""

    sandbox_url: str
    products: list[str]
    skus: list[str]
    pages: list[str]


def prepare(session: http.Session, products: int, stock: int) -> Catalogue:
    """Import the products, and walk through the lists once. Raises StartError when no mall runs."""
    mall = running()
    assert session.url == mall.api_url, f"the mall of PORT and YUTANG_LOCAL is at {mall.api_url}"
    settings.use(mall.environment)  # this process plays WeChat, with the mall's keys
    os.environ["YUTANG_TEST_KEYS"] = str(mall.data / "sandbox")
    clock.use(LocalClock(mall.clock_file))
    send = _transport(session)
    return stock_up(send, mall.sandbox_url, products, stock)


def arrive(session: http.Session, catalogue: Catalogue) -> Shopper:
    """A new member with an address and a cart."""
    member = Member.arrive(_transport(session), Sandbox(catalogue.sandbox_url))
    member.delete(f"/v1/cart/lines/{catalogue.skus[0]}").ok()  # makes the cart: that is done once in a member's life
    return Shopper(member, catalogue)


class Shopper:
    """A member who chooses at random."""

    def __init__(self, member: Member, catalogue: Catalogue) -> None:
        self._member = member
        self._catalogue = catalogue
        skus = catalogue.skus
        self._others = random.sample(skus, min(len(skus), http.OPERATIONS_EACH))

    def product_list(self) -> None:
        """One call: any page of any order of the list."""
        _ok(self._member.get(random.choice(self._catalogue.pages)))

    def product_detail(self) -> None:
        """One call: any product."""
        _ok(self._member.get(f"/v1/products/{random.choice(self._catalogue.products)}"))

    def add_to_cart(self) -> None:
        """One call: a product that is not in the cart."""
        _ok(self._member.put(f"/v1/cart/lines/{self._others.pop()}", {"quantity": 1}))

    def checkout(self) -> bool:
        """Five calls: cart, quote, order, start of the payment, notice of the payment."""
        member = self._member
        _ok(member.put(f"/v1/cart/lines/{random.choice(self._catalogue.skus)}", {"quantity": 1}))
        cart = {"from_cart": True, "address_id": member.address_id}
        payable = member.post("/v1/quotes", cart).ok()["payable_fen"]
        placed = member.post("/v1/orders", cart | {"expected_payable_fen": payable}, key=secrets.token_hex(8))
        if placed.status == 409 and placed.json["code"] == "out_of_stock":
            return False
        order_id = placed.ok(201)["order_id"]
        payment = member.start_payment(order_id)
        member.sandbox.pay(payment, notify="none")
        member.send(*payment_callback(member.sandbox, order_id)).ok()
        return True


def _ok(answer: Answer) -> None:
    """Fail unless it is an answer; what it says is not read, as the one who measures must not be the slower one."""
    assert answer.status == 200, (answer.status, answer.body)


def _transport(session: http.Session) -> Transport:
    return lambda method, path, headers, body: Answer(*session.call(method, path, headers, body))


def stock_up(send: Transport, sandbox_url: str, products: int, stock: int) -> Catalogue:
    """Import so many products of two SKUs with so many pieces each."""
    operator, batch = Operator.arrive(send), secrets.token_hex(4)
    found: list[str] = []
    for start in range(0, products, _IMPORT_LINES):
        numbers = range(start, min(start + _IMPORT_LINES, products))
        lines = [msgspec.json.encode(_product(f"{batch}-{number:05d}", number, stock)) for number in numbers]
        headers = {"Content_Type": "text/plain; charset=utf-8"}
        report = operator.call("POST", "/v1/admin/catalogue/import?format=jsonl", b"\n".join(lines), **headers).ok()
        failed = [line for line in report["lines"] if line["outcome"] != "created"]
        assert not failed, failed[:3]
        found += [line["product_id"] for line in report["lines"]]
    anyone = Client(send)
    skus = [anyone.get(f"/v1/products/{product}").ok()["skus"][0]["sku_id"] for product in found]
    pages = [path for sort in SORTS for path in _pages(anyone, sort)]
    return Catalogue(sandbox_url, found, skus, pages)


def _pages(anyone: Client, sort: str) -> Iterator[str]:
    """The path of each page of the whole list; a page is asked for, to know the next one."""
    path = base = f"/v1/products?limit={PAGE}&sort={sort}"
    while True:
        yield path
        cursor = anyone.get(path).ok()["next_cursor"]
        if cursor is None:
            return
        path = f"{base}&cursor={cursor}"


def _product(code: str, number: int, stock: int) -> dict[str, Any]:
    skus = [
        {"sku_code": f"{code}-{size}", "specs": {"规格": size}, "price_fen": 1000 + number, "stock": stock}
        for size in ("S", "M")
    ]
    return {
        "product_code": code, "name": f"东海大黄鱼 {number}", "brief": "船上速冻，冷链到家", "skus": skus,
        "keywords": ["海鲜", "冷冻"], "limit_per_order": 999,
        "picture_url": f"https://img.example.com/{code}/0.jpg", "on_sale": True,
        "specs": [{"name": "规格", "values": ["S", "M"]}], "detail": _DETAIL,
        "gallery": [f"https://img.example.com/{code}/{n}.jpg" for n in range(4)],
    }  # fmt: skip
