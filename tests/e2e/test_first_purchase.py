"""From an empty shelf to a paid order, as a merchant and a shopper go about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.client import Control, Operator, Sandbox, Shopper, over_http, poll
from local.mall import Mall
from local.processes import ROOT

SHARED = ROOT.parent / "shared" / "data"
MADE = 130


def made_categories() -> Iterator[dict[str, Any]]:
    for root in range(4):
        yield {"category_code": f"r{root}", "name": f"大类 {root}", "parent_code": None, "sort": root}
        for child in range(5):
            yield {"category_code": f"r{root}-{child}", "name": f"小类 {root}.{child}", "parent_code": f"r{root}"}


def made_products() -> Iterator[dict[str, Any]]:
    for number in range(MADE):
        kind = ("荞麦枕", "乳胶枕", "毛巾", "马克杯", "竹纤维袜")[number % 5]
        skus = [
            {
                "sku_code": f"made-{number}-{at}", "specs": {"规格": size}, "price_fen": 1000 + 10 * number + at,
                "list_price_fen": 9000, "stock": 20, "weight_g": 300,
            }
            for at, size in enumerate("大中小")
        ]  # fmt: skip
        yield {
            "product_code": f"made-{number}", "category_code": f"r{number % 4}-{number % 5}",
            "name": f"{kind} {number}", "brief": "只为试验而造",
            "keywords": ["试验"], "unit": "件", "on_sale": True, "sort": number % 9,
            "specs": [{"name": "规格", "values": list("大中小")}], "skus": skus,
        }  # fmt: skip


@pytest.fixture(params=["made", "shared"])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """Files of products and of their categories."""
    if request.param == "shared":
        if not (SHARED / "products.jsonl").exists():
            pytest.skip("no shared catalogue lies beside this repository")
        return SHARED / "products.jsonl", SHARED / "categories.jsonl"
    files = tmp_path / "products.jsonl", tmp_path / "categories.jsonl"
    for file, lines in zip(files, (made_products(), made_categories()), strict=True):
        file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return files


def test_a_shopper_finds_pillows_in_an_imported_catalogue_and_buys_two(
    catalogue: tuple[Path, Path], mall: Mall, operator: Operator, wechat: Sandbox, control: Control,
    arrive: Callable[[], Shopper], differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    products, categories = catalogue
    arguments = ("tools.import_catalogue", str(products), "--categories", str(categories), "--api", mall.api_url)
    lines = [json.loads(line) for line in products.read_text().splitlines() if line.strip()]
    said = mall.run(*arguments)
    assert f"{len(lines)} lines: {len(lines)} created, 0 changed, 0 unchanged, 0 failed" in said
    exported = operator.get("/v1/admin/catalogue/export").body
    again = mall.run(*arguments)
    assert f"{len(lines)} lines: 0 created, 0 changed, {len(lines)} unchanged, 0 failed" in again
    assert operator.get("/v1/admin/catalogue/export").body == exported
    control.run_jobs()

    shopper = arrive()
    pillows = {line["name"] for line in lines if line["on_sale"] and "枕" in line["name"]}
    hits = poll(lambda: shopper.items("/v1/products?q=枕"))
    assert pillows <= {hit["name"] for hit in hits}
    assert len(pillows) >= 2
    cheap = sorted((hit for hit in hits if hit["name"] in pillows and hit["in_stock"]), key=lambda h: h["price_fen"])
    pages = [shopper.get(f"/v1/products/{hit['product_id']}").ok() for hit in cheap[:2]]
    chosen = [next(sku for sku in page["skus"] if sku["stock"] >= 2) for page in pages]
    before = [operator.stock(sku["sku_id"]) for sku in chosen]

    for quantity, sku in enumerate(chosen, 1):
        cart = shopper.put(f"/v1/cart/lines/{sku['sku_id']}", {"quantity": quantity}).ok()
    goods = chosen[0]["price_fen"] + 2 * chosen[1]["price_fen"]
    assert (len(cart["lines"]), cart["selected_total_fen"]) == (2, goods)
    quote = shopper.post("/v1/quotes", {"from_cart": True, "address_id": shopper.address_id}).ok()
    assert (quote["goods_fen"], quote["discount_fen"]) == (goods, 0)
    assert quote["payable_fen"] == goods + quote["freight_fen"]
    body = {"from_cart": True, "address_id": shopper.address_id, "expected_payable_fen": quote["payable_fen"]}
    order = shopper.post("/v1/orders", body | {"remark": "请放门口 🐟"}, key="first").ok(201)
    assert (order["state"], order["payable_fen"], order["paid_fen"]) == ("awaiting_payment", quote["payable_fen"], 0)
    assert (order["address"]["province"], order["address"]["name"]) == ("上海市", "林小鱼 🐟")
    assert order["remark"] == "请放门口 🐟"
    assert {line["sku_id"]: line["quantity"] for line in order["lines"]} == {
        sku["sku_id"]: quantity for quantity, sku in enumerate(chosen, 1)
    }
    assert shopper.get("/v1/cart").ok() == {"lines": [], "selected_total_fen": 0}
    assert shopper.post("/v1/orders", body | {"remark": "请放门口 🐟"}, key="first").ok(201) == order

    order_id = order["order_id"]
    wechat.pay(shopper.start_payment(order_id))
    paid = poll(lambda: (o := shopper.order(order_id))["state"] == "awaiting_shipment" and o)
    assert (paid["paid_fen"], paid["refunded_fen"]) == (quote["payable_fen"], 0)
    sends = poll(lambda: wechat.sends(order_id))  # WeChat notes its send once it is answered: after the order shows it
    assert [(send["status"], send["defect"]) for send in sends] == [(200, None)]
    assert [operator.stock(sku["sku_id"]) for sku in chosen] == [
        (free - quantity, taken + quantity) for quantity, (free, taken) in enumerate(before, 1)
    ]
    assert [(one["amount_fen"], one["state"]) for one in wechat.payments(order_id)] == [
        (quote["payable_fen"], "SUCCESS")
    ]
    assert wechat.refunds(order_id) == []
    entries = operator.get(f"/v1/admin/orders/{order_id}/ledger").ok()["entries"]
    assert (
        sum(leg["amount_fen"] for entry in entries for leg in entry["postings"] if leg["account"] == "wechat")
        == (quote["payable_fen"])
    )
    queue = operator.items("/v1/admin/orders?queue=awaiting_shipment")
    assert order_id in {one["order_id"] for one in queue}
    assert differences() == []

    third = mall.run(*arguments)
    assert f"{len(lines)} lines: 0 created, 0 changed, {len(lines)} unchanged, 0 failed" in third
    assert [operator.stock(sku["sku_id"])[1] for sku in chosen] == [taken + n for n, (_, taken) in enumerate(before, 1)]


def test_nothing_can_be_bought_without_a_login(mall: Mall, operator: Operator) -> None:
    nobody = Operator(over_http(mall.api_url))
    sku = operator.product(stock=3)["skus"][0]["sku_id"]
    nobody.put(f"/v1/cart/lines/{sku}", {"quantity": 1}).refused(401, "unauthenticated")
    body = {"lines": [{"sku_id": sku, "quantity": 1}], "address_id": "a", "expected_payable_fen": 1990}
    nobody.post("/v1/orders", body, key="k").refused(401, "unauthenticated")
    nobody.token = operator.token
    nobody.post("/v1/orders", body, key="k").refused(401, "unauthenticated")
    assert operator.stock(sku) == (3, 0)
