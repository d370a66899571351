"""The catalogue's endpoints for operators, over the HTTP edge."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import msgspec
import pytest

from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.references import queries as references
from chalicelib.commerce.catalogue.rules import Named
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.mall.operators import service as operators
from chalicelib.mall.operators.access import passwords
from chalicelib.platform.web import tokens
from local.client import Client, in_process
from tests.integration.test_catalogue_products import fresh

__all__ = ["fresh"]

PASSWORD = "long enough for anyone"
BODY = {
    "name": "青塘粗陶碗 🥣",
    "skus": [
        {"sku_code": "G", "specs": {"釉色": "青"}, "price_fen": 3900, "list_price_fen": 4900, "stock": 5},
        {"sku_code": "W", "specs": {"釉色": "白"}, "price_fen": 4200, "stock": 0},
    ],
    "publish": True,
}


def as_operator(role: str) -> Client:
    name = f"cat-{secrets.token_hex(4)}"
    operators.bootstrap(f"first-{secrets.token_hex(4)}", PASSWORD)
    operators.create(name, PASSWORD, [role])
    return Client(in_process(), tokens.issue("operator", name, clock.now() + timedelta(hours=1)))


@pytest.fixture
def merchant(fresh: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(passwords, "_COST", 16)
    yield as_operator("merchandiser")


def test_a_product_from_creation_to_sale(merchant: Client) -> None:
    made = merchant.post("/v1/admin/products", BODY).ok(201)
    assert (made["version"], made["published"], made["price_fen"], made["in_stock"]) == (1, True, 3900, True)
    assert [(sku["stock"], sku["taken"], sku["supplied"]) for sku in made["skus"]] == [(5, 0, 5), (0, 0, 0)]
    url = f"/v1/admin/products/{made['product_id']}"
    assert merchant.get(url).ok() == made
    public = merchant.get(f"/v1/products/{made['product_id']}").ok()
    assert [sku["stock"] for sku in public["skus"]] == [5, 0]
    assert not {"role", "values", "commission_bp", "version"} & set(public)
    changed = merchant.call("PATCH", url, {"brief": "手作", "version": 1}).ok()
    assert (changed["brief"], changed["version"], changed["skus"]) == ("手作", 2, made["skus"])
    merchant.call("PATCH", url, {"brief": "迟", "version": 1}).refused(409, "conflict")
    assert merchant.post(f"{url}/unpublish").ok()["published"] is False
    merchant.get(f"/v1/products/{made['product_id']}").refused(404, "not_found")
    assert merchant.post(f"{url}/publish").ok()["published"] is True


def test_what_is_wrong_with_a_product_is_named(merchant: Client) -> None:
    twice = {**BODY, "skus": [BODY["skus"][0], {**BODY["skus"][0], "sku_code": "X"}]}  # type: ignore[index, dict-item]
    problem = merchant.post("/v1/admin/products", twice).refused(422, "invalid")
    assert problem["errors"][0]["field"] == "skus[1].specs"
    merchant.post("/v1/admin/products", {**BODY, "colour": 1}).refused(400, "malformed")
    code = secrets.token_hex(4)
    merchant.post("/v1/admin/products", {**BODY, "product_code": code}).ok(201)
    merchant.post("/v1/admin/products", {**BODY, "product_code": code}).refused(409, "code_taken")
    merchant.get("/v1/admin/products/p404").refused(404, "not_found")


def test_stock_by_hand_takes_a_key(merchant: Client) -> None:
    sku = merchant.post("/v1/admin/products", BODY).ok(201)["skus"][1]
    url = f"/v1/admin/skus/{sku['sku_id']}/stock"
    merchant.post(url, {"quantity": 7, "reason": "补货"}).refused(400, "idempotency_key_missing")
    for _ in range(2):
        assert merchant.post(url, {"quantity": 7, "reason": "补货"}, key="k").ok() == {
            "free": 7, "taken": 0, "supplied": 7,
        }  # fmt: skip
    merchant.post(url, {"quantity": -8, "reason": "盘亏"}, key="k2").refused(409, "stock_short")
    assert merchant.get(url).ok()["free"] == 7


def test_operators_list_every_product_and_filter(merchant: Client) -> None:
    scope = merchant.post("/v1/admin/categories", {"name": "碗"}).ok(201)["category_id"]
    on, off = (
        merchant.post("/v1/admin/products", {**BODY, "category_id": scope, "publish": publish}).ok(201)["product_id"]
        for publish in (True, False)
    )

    def listed(more: str = "") -> list[str]:
        answer = merchant.get(f"/v1/admin/products?category_id={scope}{more}").ok()
        return [item["product_id"] for item in answer["items"]]

    assert (listed(), listed("&published=true"), listed("&published=false")) == ([off, on], [on], [off])
    first = merchant.get(f"/v1/admin/products?category_id={scope}&limit=1").ok()
    assert listed(f"&limit=1&cursor={first['next_cursor']}") == [on]
    merchant.call("DELETE", f"/v1/admin/categories/{scope}").refused(409, "category_in_use")


def test_categories_are_named_moved_and_deleted(merchant: Client) -> None:
    top = merchant.post("/v1/admin/categories", {"name": "上", "sort": 3}).ok(201)["category_id"]
    below = merchant.post("/v1/admin/categories", {"name": "下", "parent_id": top}).ok(201)["category_id"]
    url = f"/v1/admin/categories/{below}"
    assert merchant.call("PATCH", url, {"name": "低"}).ok()["parent_id"] == top
    [node] = [node for node in merchant.get("/v1/categories").ok()["items"] if node["category_id"] == top]
    assert [(child["category_id"], child["name"], child["children"]) for child in node["children"]] == [
        (below, "低", [])
    ]
    assert merchant.call("PATCH", url, {"parent_id": None}).ok()["parent_id"] is None
    problem = merchant.call("PATCH", url, {"parent_id": below}).refused(422, "invalid")
    assert problem["errors"][0]["field"] == "parent_id"
    assert merchant.call("DELETE", url).status == 204
    merchant.call("DELETE", url).refused(404, "not_found")


def test_files_in_and_out(merchant: Client) -> None:
    code = f"F{secrets.token_hex(4)}"
    line = f'{{"product_code": "{code}", "name": "碗 🥣", "skus": [{{"sku_code": "A", "price_fen": 5}}]}}\n'
    report = merchant.call("POST", "/v1/admin/catalogue/import", f"\n{line}{{".encode(), Content_Type="text/plain").ok()
    assert (report["created"], report["failed"]) == (1, 1)
    assert [(each["line"], each["outcome"]) for each in report["lines"]] == [(2, "created"), (3, "failed")]
    merchant.call("POST", "/v1/admin/catalogue/import", b" ", Content_Type="text/plain").refused(422, "invalid")
    merchant.call("POST", "/v1/admin/catalogue/import?format=xml", b"x", Content_Type="text/plain").refused(
        400, "malformed"
    )
    out = merchant.get("/v1/admin/catalogue/export?format=csv")
    assert (out.status, out.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    pages = [out]
    while cursor := pages[-1].headers.get("x-next-cursor"):
        pages.append(merchant.get(f"/v1/admin/catalogue/export?format=csv&cursor={cursor}"))
    assert [code.encode() in page.body for page in pages].count(True) == 1
    assert merchant.get("/v1/admin/categories/export").status == 200


def test_a_file_from_excel_and_its_columns_over_http(merchant: Client) -> None:
    code = f"货/{secrets.token_hex(4)} a"
    body = f"编号\t品名\t价\n{code}\t碗\t5.90\n".encode("gb18030")
    columns = quote('{"product_code": "编号", "name": "品名", "price_yuan": "价"}')
    url = f"/v1/admin/catalogue/import?format=csv&columns={columns}"
    report = merchant.call("POST", url, body, Content_Type="text/plain").ok()
    assert (report["encoding"], report["created"], report["failed"]) == ("gb18030", 1, 0)
    made = merchant.get(f"/v1/admin/products/{report['lines'][0]['product_id']}").ok()
    assert (made["product_code"], made["skus"][0]["sku_code"], made["price_fen"]) == (code, code, 590)
    problem = merchant.call("POST", url + "x", body, Content_Type="text/plain").refused(422, "invalid")
    assert problem["errors"][0]["field"] == "columns"
    twice = merchant.call("POST", "/v1/admin/catalogue/import?format=csv", b"name,name\nx,y", Content_Type="text/plain")
    assert twice.refused(422, "invalid")["detail"].startswith("表头中“name”出现了两次")
    lone = merchant.call("POST", "/v1/admin/categories/import?format=csv", b"category_code,name\n")
    assert lone.refused(422, "invalid")["detail"] == "文件只有表头，没有数据"


def test_a_code_is_what_stands_on_the_label_and_the_same_with_blanks_around(merchant: Client) -> None:
    code = f"4058NB/09 碗{secrets.token_hex(3)}"
    skus = [{"sku_code": " a/1 ", "price_fen": 5}]
    made = merchant.post("/v1/admin/products", {"product_code": f" {code} ", "name": " 碗 ", "skus": skus}).ok(201)
    assert (made["product_code"], made["name"], made["skus"][0]["sku_code"]) == (code, "碗", "a/1")
    taken = merchant.post("/v1/admin/products", {"product_code": code, "name": "盘", "skus": skus})
    assert taken.refused(409, "code_taken")["taken"] == code
    url = f"/v1/admin/products/{made['product_id']}"
    changed = merchant.call("PATCH", url, {"skus": [{"sku_code": "a/1", "price_fen": 6}]}).ok()
    assert [(sku["sku_id"], sku["price_fen"]) for sku in changed["skus"]] == [(made["skus"][0]["sku_id"], 6)]
    merchant.call("PATCH", url, {"name": "\u3000"}).refused(400, "malformed")


def test_a_long_detail_is_taken_whole_and_however_its_characters_are_written(merchant: Client) -> None:
    body = {**BODY, "detail": "🥣" * 60_000}
    made = merchant.call("POST", "/v1/admin/products", json.dumps(body).encode()).ok(201)
    assert made["detail"] == body["detail"]
    public = merchant.get(f"/v1/products/{made['product_id']}")
    assert public.ok()["detail"] == body["detail"]
    merchant.post("/v1/admin/products", {**BODY, "detail": "长" * 60_001}).refused(400, "malformed")
    listed = merchant.get("/v1/admin/products?limit=1")
    assert len(listed.body) < 2000


def test_permissions(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_COST", 16)
    service = as_operator("service")
    service.get("/v1/admin/products").ok()
    service.post("/v1/admin/products", BODY).refused(403, "forbidden")
    Client(in_process()).get("/v1/admin/products").refused(401, "unauthenticated")


@pytest.mark.parametrize(
    ("language", "messages"),
    [
        (
            "zh-CN",
            [
                "本行不是合法的 JSON",
                "没有这个分类编码",
                "价格（分）（第 1 项）应为整数",
                "名称最多 64 个字符",
                "编码已被使用：G",
            ],
        ),
        (
            "en",
            [
                "The line is not JSON",
                "There is no such category code",
                "Price in fen (item 1) must be an integer",
                "Name must have at most 64 characters",
                "This code is taken: G",
            ],
        ),
    ],
)
def test_each_line_of_a_file_is_told_in_the_operator_s_language(
    merchant: Client, monkeypatch: pytest.MonkeyPatch, language: str, messages: list[str]
) -> None:
    def taken(*_: object) -> None:
        raise MallError("code_taken", taken="G")

    line = {"product_code": "G", "name": "碗", "skus": [{"sku_code": "A", "price_fen": 100}]}
    lines = [
        b"{",
        *map(
            msgspec.json.encode,
            [
                line | {"category_code": "nowhere"},
                line | {"product_code": "H", "skus": [{"sku_code": "A", "price_fen": "1"}]},
                line | {"product_code": "I", "name": "很" * 65},
                line | {"product_code": "J"},
                line | {"product_code": secrets.token_hex(4), "picture_url": "ftp://x"},
            ],
        ),
    ]
    save = products.save
    monkeypatch.setattr(products, "save", lambda *given: taken() if given[1] == "J" else save(*given))
    headers = {"Content_Type": "text/plain", "Accept_Language": language}
    report = merchant.call("POST", "/v1/admin/catalogue/import", b"\n".join(lines), **headers).ok()
    faults = [each["errors"][0] for each in report["lines"][:5]]
    assert [fault["message"] for fault in faults] == messages
    assert [fault["code"] for fault in faults] == ["not_json", "no_such", "wrong_kind", "too_long", "code_taken"]
    assert [faults[2]["kind"], faults[3]["limit"], faults[4]["taken"]] == ["integer", 64, "G"]
    left_out = report["lines"][5]
    assert (left_out["outcome"], left_out["warnings"][0]["code"]) == ("created", "bad_picture")


def test_what_is_not_there_is_named_by_its_kind(merchant: Client) -> None:
    problem = merchant.get("/v1/admin/products/p404").refused(404, "not_found")
    assert (problem["detail"], problem["errors"][0]["code"]) == ("没有这个商品", "no_such")
    assert merchant.get("/v1/products/p404").refused(404, "not_found")["errors"][0]["code"] == "not_on_sale"
    problem = merchant.get("/v1/admin/products/%E7%A2%97").refused(404, "not_found")
    assert [(each["field"], each["message"]) for each in problem["errors"]] == [("product_id", "没有这个商品")]
    assert merchant.call("DELETE", "/v1/admin/categories/c404").refused(404, "not_found")["detail"] == "没有这个分类"
    named = [Named("a", "category", "c404"), Named("b", "product", "p404"), Named("c", "SKU", "p404-1")]
    with pytest.raises(MallError) as refusal:
        references.check(named)
    assert [error.text("zh", {}) for error in refusal.value.errors] == ["没有这个分类", "没有这个商品", "没有这个规格"]
    assert [error.data()["kind"] for error in refusal.value.errors] == ["category", "product", "sku"]


def test_a_body_that_is_too_large_is_told_how_large_it_may_be(merchant: Client) -> None:
    problem = merchant.call("POST", "/v1/admin/products", b" " * (1024 * 1024 + 1)).refused(413, "too_large")
    assert problem["detail"] == "请求内容过大，最多 1024 KB"
    assert problem["errors"][0]["limit_kb"] == 1024
