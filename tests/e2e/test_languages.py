"""Whatever is wrong with a request, the answer is in the language that was asked for, and in words of the mall."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.client import SHANGHAI, Answer, Client, Operator, Shopper, coupon_template
from tests.support.languages import CHINESE, SENTENCE

#: Method, path, body; "!" before the method: with an Idempotency-Key.
Wrong = tuple[str, str, Any]
#: What would be words of msgspec, DynamoDB, Python, or of the code.
LIBRARY = re.compile(r"Expected `|`|Traceback|Exception|ConditionalCheck|None\b|NoneType|\bint\b|\bstr\b|_fen\b")
NOBODY = "m" + "0" * 25
LONG = "很" * 300


def shoppers(shopper: Shopper, sku: str, sold_out: str, unpaid: str, paid: str) -> Iterator[Wrong]:
    """What a shopper's mini-program may get wrong."""
    order = {"lines": [{"sku_id": sku, "quantity": 1}], "address_id": shopper.address_id, "expected_payable_fen": 1990}
    line = f"/v1/cart/lines/{sku}"
    for body in (
        b"", b"{", b"[]", {}, order | {"lines": []}, order | {"lines": {}}, order | {"lines": [{"sku_id": sku}]},
        order | {"lines": [{"sku_id": "枕", "quantity": 1}]}, order | {"lines": [{"sku_id": sku, "quantity": 0}]},
        order | {"lines": [{"sku_id": sku, "quantity": "1"}]}, order | {"lines": [{"sku_id": sku, "quantity": 1000}]},
        order | {"lines": [{"sku_id": sku, "quantity": 1}] * 2}, order | {"lines": None}, order | {"from_cart": True},
        order | {"lines": None, "from_cart": True}, order | {"lines": [{"sku_id": "pnone-none", "quantity": 1}]},
        order | {"lines": [{"sku_id": sold_out, "quantity": 3}]}, order | {"expected_payable_fen": 1},
        order | {"expected_payable_fen": -1}, order | {"address_id": "nowhere"}, order | {"remark": LONG},
        order | {"remark": 5}, order | {"strange": 1}, order | {"coupon_ids": ["none"]},
        order | {"coupon_ids": 7}, order | {"group": {}}, order | {"group": {"activity_id": "none"}},
        order | {"group": {"lobby_id": "none"}}, order | {"group": {"lobby_id": "none", "size": 2}},
    ):  # fmt: skip
        yield "!POST", "/v1/orders", body
    yield "POST", "/v1/orders", order
    for change in (
        {"phone": "abc"}, {"phone": 13800000000}, {"name": ""}, {"name": LONG}, {"detail": ""},
        {"region_code": "31"}, {"is_default": "yes"}, {"province": None},
    ):  # fmt: skip
        yield "POST", "/v1/me/addresses", SHANGHAI | change
    yield "PUT", "/v1/me/addresses/nowhere", SHANGHAI
    yield "PUT", line, {"quantity": 0}
    yield "PUT", line, {}
    yield "PUT", "/v1/cart/lines/none", {"quantity": 1}
    yield "PUT", "/v1/cart/lines/%E6%9E%95", {"quantity": 1}
    yield "POST", f"/v1/orders/{paid}/cancel", {}
    yield "POST", "/v1/orders/none/payment/check", {}
    yield "POST", f"/v1/orders/{paid}/receive", {}
    yield "!POST", f"/v1/orders/{paid}/refunds", {"reason": "不想要了", "lines": [{"sku_id": sku, "quantity": 9}]}
    yield "!POST", f"/v1/orders/{paid}/refunds", {"reason": "不想要了", "lines": [{"sku_id": "none", "quantity": 1}]}
    yield "!POST", f"/v1/orders/{unpaid}/refunds", {"reason": "不想要了"}
    yield "!POST", f"/v1/orders/{unpaid}/refunds", {"reason": LONG}
    yield "POST", "/v1/orders/none/cancel", {}
    yield "GET", "/v1/orders?cursor=forged", None
    yield "GET", "/v1/orders?limit=0", None
    yield "GET", "/v1/orders?limit=many", None
    yield "GET", "/v1/orders?state=lost", None
    yield "GET", "/v1/products?q=%20", None
    yield "GET", "/v1/products/none", None
    yield "GET", "/v1/nowhere", None
    yield "PUT", "/v1/orders", {}
    yield "POST", "/v1/coupon-templates/none/claim", {}
    yield "POST", "/v1/coupon-codes/redeem", {"code": "WRONG"}
    yield "POST", "/v1/coupon-codes/redeem", {"code": 5}
    yield "POST", "/v1/auth/login", {"code": ""}
    yield "POST", "/v1/auth/login", {"code": "forged"}
    yield "POST", "/v1/me/phone", {"code": "forged"}
    yield "GET", "/v1/lobbies/none", None
    yield "GET", "/v1/distributor/statements/2026-13", None
    yield "!POST", "/v1/distributor/withdrawals", {"amount_fen": 1}
    yield "!POST", "/v1/distributor/withdrawals", {"amount_fen": "1"}
    yield "GET", "/v1/distributor/commissions?from=2026-02-30", None
    yield "GET", "/v1/distributor/commissions?from=2026-03-02&to=2026-03-01", None


def operators(product: dict[str, Any], paid: str) -> Iterator[Wrong]:
    """What an operator may get wrong."""
    sku = product["skus"][0]["sku_id"]
    skus = [{"sku_code": "a", "specs": {}, "price_fen": 100, "stock": 1}]
    activity = {
        "product_id": product["product_id"], "kind": "fixed", "sizes": [2], "lobby_minutes": 30,
        "prices": [{"sku_id": sku, "size": 2, "price_fen": 900}],
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
    }  # fmt: skip
    for body in (
        {"skus": skus}, {"name": "", "skus": skus}, {"name": "枕", "skus": []}, {"name": "枕", "skus": skus * 2},
        {"name": "枕", "skus": skus, "category_id": "none"}, {"name": "枕", "skus": [skus[0] | {"price_fen": 0.5}]},
        {"name": "枕", "skus": skus, "specs": [{"name": "色", "values": ["红", "红"]}]},
        {"name": "枕", "skus": skus, "specs": [{"name": "色", "values": ["红"]}]},
        {"name": "枕", "skus": skus, "picture_url": "ftp://x"},
    ):  # fmt: skip
        yield "POST", "/v1/admin/products", body
    yield "POST", "/v1/admin/categories", {"name": "类", "parent_id": "none"}
    yield "!POST", f"/v1/admin/skus/{sku}/stock", {"quantity": -(10**6), "reason": "盘点"}
    yield "!POST", f"/v1/admin/skus/{sku}/stock", {"quantity": "x", "reason": "盘点"}
    for change in (
        {"percent_off": 5}, {"amount_fen": None}, {"valid": {}}, {"valid": {"days": 0}}, {"total": -1},
        {"how": ["claim", "claim"]}, {"how": ["beg"]}, {"share_limit": 3}, {"scope": {"products": ["none"]}},
        {"valid": {"from": "2030-01-01T00:00:00Z", "until": "2029-01-01T00:00:00Z"}},
        {"valid": {"from": "2030-01-01T00:00:00", "until": "2031-01-01T00:00:00Z"}},
    ):  # fmt: skip
        yield "POST", "/v1/admin/coupon-templates", coupon_template(**change)
    for change in (
        {"ends_at": "2020-01-01T00:00:00Z"}, {"ends_at": "soon"}, {"sizes": [2, 2]}, {"sizes": [1]}, {"prices": []},
        {"sizes": [2, 3]}, {"product_id": "none"}, {"kind": "raffle"}, {"lobby_minutes": 0}, {"min_fill": 9},
        {"stock": [{"sku_id": sku, "pieces": 10**6}]}, {"lottery": {"winners": 1}},
        {"prices": [{"sku_id": sku, "size": 2, "price_fen": 900, "leader_price_fen": 901}]},
    ):  # fmt: skip
        yield "POST", "/v1/admin/group-activities", activity | change
    yield "POST", f"/v1/admin/orders/{paid}/ship", {"carrier": "SF", "tracking_no": ""}
    parcel = {"carrier": "SF", "tracking_no": "SF1"}
    yield "POST", f"/v1/admin/orders/{paid}/ship", parcel | {"lines": [{"sku_id": "none", "quantity": 1}]}
    yield "POST", f"/v1/admin/orders/{paid}/ship", parcel | {"lines": [{"sku_id": sku, "quantity": 99}]}
    yield "POST", f"/v1/admin/orders/{paid}/refunds/none/approve", {}
    yield "GET", "/v1/admin/orders?queue=lost", None
    yield "GET", "/v1/admin/withdrawals?queue=lost", None
    yield "PUT", "/v1/admin/promotions/p1", {"name": "", "kind": "x"}
    yield "PUT", "/v1/admin/freight-templates/f1", {}
    yield "PUT", "/v1/admin/settings/distribution", {"levels": 3}
    yield "PUT", "/v1/admin/settings/orders", {"pay_minutes": "x"}
    yield "PUT", "/v1/admin/settings/withdrawals", {"min_fen": 500, "max_fen": 100}
    yield "POST", "/v1/admin/operators", {"name": "阿强", "password": "long enough to pass", "roles": ["king"]}
    yield "POST", "/v1/admin/operators", {"name": "aqiang", "password": "1", "roles": ["owner"]}
    yield "PATCH", "/v1/admin/operators/nobody", {"disabled": True}
    yield "PUT", "/v1/admin/me/password", {"password": "wrong", "new_password": "long enough to pass"}
    yield "GET", "/v1/admin/audit?cursor=forged", None
    yield "PUT", f"/v1/admin/skus/{sku}/shards", {"shards": 999}
    yield "PUT", "/v1/admin/settings/group_buy", {"hold_minutes": 0}
    yield "PUT", "/v1/admin/settings/pricing", {"floor_bp": "half"}
    yield "POST", "/v1/admin/distributors/none/approve", {}
    yield "PUT", "/v1/admin/distributors/none/tier", {"tier": "none"}
    yield "POST", "/v1/admin/reconciliation/days/2026-13-01/run", {}
    yield "POST", "/v1/admin/reconciliation/days/2099-01-01/run", {}
    yield "POST", "/v1/admin/jobs/dead/none/retry", {}
    yield "POST", "/v1/admin/catalogue/import?format=xls", b"x"
    yield "POST", "/v1/admin/catalogue/import?format=csv", b""
    yield "POST", "/v1/admin/catalogue/import?format=csv", b"\xff\xfe"


def send(client: Client, wrong: Wrong, language: str) -> Answer:
    method, path, body = wrong
    key = secrets.token_hex(6) if method.startswith("!") else ""
    return client.call(method.removeprefix("!"), path, body, key=key, Accept_Language=language)


def texts_of(document: Any) -> list[str]:
    return [document["detail"], *(error["message"] for error in document.get("errors", []))]


def check(text: str, language: str, names: str) -> None:
    """The text is a sentence of that language; names that people gave their things stay as they are."""
    rest = text.replace(names, "")
    assert not LIBRARY.search(rest), text
    if language == "en":
        assert re.search("[a-z]", rest) and not CHINESE.search(rest), text
    else:
        assert CHINESE.search(rest) and not SENTENCE.search(rest), text


def fault_of(answer: Answer, language: str, names: str) -> str | None:
    """What is wrong with this refusal, if anything."""
    try:
        assert 400 <= answer.status < 500, answer.status
        assert answer.headers["content-type"] == "application/problem+json"
        for text in texts_of(answer.json):
            check(text, language[:2], names)
        assert all(re.fullmatch(r"[a-z0-9_]+", error["code"]) for error in answer.json.get("errors", []))
    except AssertionError as fault:
        return str(fault).partition("\n")[0]
    return None


def check_all(client: Client, wrongs: list[Wrong], names: str) -> None:
    faults = []
    for wrong in wrongs:
        for language in ("zh-CN,zh;q=0.9", "en-GB"):
            answer = send(client, wrong, language)
            if (fault := fault_of(answer, language, names)) is not None:
                faults.append((wrong, language, fault, answer.body.decode()[:300]))
    assert faults == [], "\n".join(str(one) for one in faults)


def test_what_a_shopper_gets_wrong_is_told_in_the_shopper_s_language(
    shopper: Shopper, operator: Operator, arrive: Callable[[], Shopper]
) -> None:
    product = operator.product(stock=50, name="棉麻抱枕")
    scarce = operator.product(stock=2, name="棉麻抱枕")["skus"][0]["sku_id"]
    sku = product["skus"][0]["sku_id"]
    paid, unpaid = shopper.buy([(sku, 1)]), shopper.place([(sku, 1)])["order_id"]
    wrongs = list(shoppers(shopper, sku, scarce, unpaid, paid))
    assert len(wrongs) >= 60
    check_all(shopper, wrongs, "棉麻抱枕")
    check_all(Client(shopper.send), [("GET", "/v1/me", None), ("GET", "/v1/orders/x", None)], "")


def test_what_an_operator_gets_wrong_is_told_in_the_operator_s_language(shopper: Shopper, operator: Operator) -> None:
    product = operator.product(stock=50, name="棉麻抱枕")
    paid = shopper.buy([(product["skus"][0]["sku_id"], 1)])
    wrongs = list(operators(product, paid))
    assert len(wrongs) >= 60
    check_all(operator, wrongs, "棉麻抱枕")
    check_all(Client(operator.send), [("POST", "/v1/admin/login", {"name": "nobody", "password": "x"})], "")


EN_PHONE = (
    "Phone number is wrong: give a mobile number of 11 digits, a landline with its area code, or + and a country's code"
)


@pytest.mark.parametrize(
    ("language", "short", "phone", "cancel"),
    [
        (
            "zh-CN",
            "库存不足：棉麻抱枕 只剩 2 件",
            "手机号不正确，请填写 11 位手机号、带区号的座机号，或以 + 和国家（地区）代码开头的号码",
            "订单已付款，不能取消，可申请退款",
        ),
        (
            "en",
            "Out of stock: 棉麻抱枕, only 2 left",
            EN_PHONE,
            "The order is paid and cannot be cancelled; ask for a refund",
        ),
    ],
)
def test_a_shopper_is_told_what_it_is_about_and_what_to_do(
    shopper: Shopper, operator: Operator, language: str, short: str, phone: str, cancel: str
) -> None:
    scarce = operator.product(stock=2, name="棉麻抱枕")["skus"][0]["sku_id"]
    order = shopper.order_body([(scarce, 3)], 1990)
    refusal = shopper.post("/v1/orders", order, key="k", Accept_Language=language).refused(409, "out_of_stock")
    assert refusal["detail"] == short
    assert (refusal["skus"], refusal["errors"][0]["field"]) == ([scarce], "lines[0].sku_id")
    wrong = shopper.post("/v1/me/addresses", SHANGHAI | {"phone": "138"}, Accept_Language=language)
    assert wrong.refused(400, "malformed")["detail"] == phone
    paid = shopper.buy([(scarce, 1)])
    late = shopper.post(f"/v1/orders/{paid}/cancel", Accept_Language=language)
    assert late.refused(409, "order_state")["detail"] == cancel
