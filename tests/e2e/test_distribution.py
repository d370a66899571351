"""Distribution from outside: one brings another who brings a third, whose purchase pays both; and it is withdrawn."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.client import Answer, Control, Operator, Sandbox, Shopper, over_http, poll
from local.mall import Mall
from tests.support.groups import agree

DAY = 86400


@pytest.fixture
def people(distribution: Callable[..., Any], mall: Mall, wechat: Sandbox, operator: Operator) -> list[Shopper]:
    """A, B whom A invited, and C whom B invited."""
    found: list[Shopper] = []
    code = ""
    for _ in range(3):
        person = Shopper.arrive(over_http(mall.api_url), wechat)
        login = {"code": wechat.post("login", {"user": person.user})["code"]}
        person.post("/v1/auth/login", login | ({"source": {"inviter": code}} if code else {})).ok()
        told = person.post("/v1/distributor").ok()
        operator.post(f"/v1/admin/distributors/{told['distributor_id']}/approve").ok()
        code = told["invite_code"]
        if found:
            poll(lambda before=found[-1]: before.get("/v1/distributor/customers?level=1").ok()["items"])  # type: ignore[misc]
        found.append(person)
    return found


def money(person: Shopper) -> tuple[int, int, int, int]:
    told = person.get("/v1/distributor").ok()
    return tuple(told[f"{kind}_fen"] for kind in ("pending", "available", "withdrawing", "withdrawn"))  # type: ignore[return-value]


def earn(person: Shopper, customer: Shopper, operator: Operator, control: Control, price_fen: int) -> None:
    """The person can withdraw 10 % of this price."""
    before = money(person)[1]
    order_id = customer.buy([(operator.product(price_fen=price_fen)["skus"][0]["sku_id"], 1)])
    received(operator, customer, order_id)
    control.run_jobs()
    assert poll(lambda: money(person)[1] == before + price_fen // 10)


def received(operator: Operator, customer: Shopper, order_id: str) -> None:
    parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.token_hex(5)}"}
    operator.post(f"/v1/admin/orders/{order_id}/ship", parcel).ok()
    customer.post(f"/v1/orders/{order_id}/receive").ok()


def withdraw(person: Shopper, fen: int, key: str = "") -> Answer:
    return person.post("/v1/distributor/withdrawals", {"amount_fen": fen}, key=key or secrets.token_hex(8))


def withdrawal(person: Shopper, number: str) -> Any:
    return person.get(f"/v1/distributor/withdrawals/{number}").ok()


def test_three_lines_with_a_coupon_and_freight_pay_two_levels_and_a_refund_takes_back_its_part(
    people: list[Shopper], operator: Operator, control: Control, differences: Callable[[], list[str]]
) -> None:
    a, b, c = people
    freight = {"name": "八元", "by": "piece", "rules": [{"first": 999, "first_fen": 800}]}
    operator.put("/v1/admin/freight-templates/eight-yuan", freight).ok()
    products = [operator.product(price_fen=price, freight_template_id="eight-yuan") for price in (1999, 3001, 777)]
    skus = [product["skus"][0]["sku_id"] for product in products]
    template = operator.post(
        "/v1/admin/coupon-templates",
        {
            "name": "十元券", "kind": "amount_off", "amount_fen": 1000, "threshold_fen": 0, "total": 10,
            "limit_per_member": 1, "valid": {"days": 30}, "how": ["claim"],
        },
    ).ok(201)  # fmt: skip
    coupon = c.post(f"/v1/coupon-templates/{template['template_id']}/claim").ok(201)["coupon_id"]
    body = {
        "lines": [{"sku_id": sku, "quantity": quantity} for sku, quantity in zip(skus, (2, 1, 3), strict=True)],
        "address_id": c.address_id, "coupon_ids": [coupon],
    }  # fmt: skip
    quote = c.post("/v1/quotes", body).ok()
    body["expected_payable_fen"] = quote["payable_fen"]
    order_id = c.post("/v1/orders", body, key="three").ok(201)["order_id"]
    c.pay(order_id)
    paid = [line["payable_fen"] for line in quote["lines"]]
    assert (quote["freight_fen"], quote["payable_fen"]) == (800, sum(paid) + 800)
    assert sum(paid) == 2 * 1999 + 3001 + 3 * 777 - 1000
    first, second = [fen // 10 for fen in paid], [fen // 20 for fen in paid]
    poll(lambda: money(b) == (sum(first), 0, 0, 0))
    assert money(a) == (sum(second), 0, 0, 0)
    shown = b.get("/v1/distributor/commissions").ok()["items"]
    assert sorted((one["line"], one["base_fen"], one["rate_bp"], one["amount_fen"]) for one in shown) == sorted(
        (sku, fen, 1000, fen // 10) for sku, fen in zip(skus, paid, strict=True)
    )
    c.refund(order_id, [(skus[0], 2)])
    poll(lambda: (money(b), money(a)) == ((sum(first[1:]), 0, 0, 0), (sum(second[1:]), 0, 0, 0)))
    received(operator, c, order_id)
    control.run_jobs(advance=7 * DAY + 1)
    assert money(b) == (0, sum(first[1:]), 0, 0)
    assert money(a) == (0, sum(second[1:]), 0, 0)
    month = control.status()["now"][:7]
    statement = b.get(f"/v1/distributor/statements/{month}").ok()
    assert statement["closing_fen"] == sum(first[1:])
    agree(differences)


def test_below_the_cap_a_refund_of_one_line_takes_nothing_of_another(
    people: list[Shopper], distribution: Callable[..., Any], operator: Operator, differences: Callable[[], list[str]]
) -> None:
    distribution(rates_bp=[1500, 700])
    a, b, c = people
    kept, gone = (
        operator.product(price_fen=price, commission_bp=own)["skus"][0]["sku_id"]
        for price, own in ((1000, 4000), (10_000, 350))
    )
    order_id = c.buy([(kept, 1), (gone, 1)])
    poll(lambda: (money(b)[0], money(a)[0]) == (400 + 350, 70 + 350))
    c.refund(order_id, [(gone, 1)])
    poll(lambda: (money(b)[0], money(a)[0]) == (400, 70))
    shown = {one["line"]: one for one in b.get("/v1/distributor/commissions").ok()["items"]}
    fields = ("amount_fen", "capped_fen", "reversed_fen")
    assert [tuple(shown[sku][field] for field in fields) for sku in (kept, gone)] == [(400, 0, 0), (0, 0, 350)]
    agree(differences)


def test_fifty_withdrawals_at_once_against_a_balance_for_one_are_one(
    people: list[Shopper], distribution: Callable[..., Any], operator: Operator, control: Control, wechat: Sandbox,
    mall: Mall, differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    distribution(freeze_days=0)
    _, b, c = people
    earn(b, c, operator, control, 20_000)

    def attempt(_: int) -> Answer:
        mine = Shopper(over_http(mall.api_url), wechat, b.user, b.token, b.member_id)
        answer = withdraw(mine, 2000)
        while answer.status == 503:  # too many at one balance at once: told to come again
            answer = withdraw(mine, 2000)
        return answer

    with ThreadPoolExecutor(25) as crowd:
        answers = list(crowd.map(attempt, range(50)))
    assert Counter(answer.status for answer in answers if answer.status == 201) == {201: 1}
    assert {answer.json["code"] for answer in answers if answer.status != 201} <= {"balance_short", "conflict"}
    number = next(answer.json["withdrawal_id"] for answer in answers if answer.status == 201)
    assert money(b) == (0, 0, 2000, 0)
    waits = poll(lambda: (now := withdrawal(b, number))["state"] == "awaiting_confirmation" and now)
    assert waits["package_info"]
    wechat.post(f"transfers/{number}", {"outcome": "confirm"})
    poll(lambda: withdrawal(b, number)["state"] == "succeeded")
    assert money(b) == (0, 0, 0, 2000)
    told = wechat.get(f"ledger?out_bill_no={number}")["transfers"]
    assert [(one["amount_fen"], one["state"]) for one in told] == [(2000, "SUCCESS")]
    agree(differences)


#: What the receiver does, what WeChat tells of it, and how the withdrawal ends.
OUTCOMES = [
    ("confirm", "normal", "succeeded"),
    ("confirm", "none", "succeeded"),
    ("confirm", "duplicate", "succeeded"),
    ("fail", "normal", "failed"),
    ("expire", "none", "failed"),
]


def test_however_a_transfer_ends_the_balance_agrees_with_wechat(
    people: list[Shopper], distribution: Callable[..., Any], operator: Operator, control: Control, wechat: Sandbox,
    differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    distribution(freeze_days=0)
    _, b, c = people
    earn(b, c, operator, control, 10_000 * len(OUTCOMES))
    left, gone = 1000 * len(OUTCOMES), 0
    for outcome, notify, ends in OUTCOMES:
        number = withdraw(b, 1000).ok(201)["withdrawal_id"]
        poll(lambda number=number: withdrawal(b, number)["state"] == "awaiting_confirmation")  # type: ignore[misc]
        wechat.post(f"transfers/{number}", {"outcome": outcome, "notify": notify})
        if notify == "none":
            control.run_jobs(advance=3600)
        poll(lambda number=number, ends=ends: withdrawal(b, number)["state"] == ends)  # type: ignore[misc]
        if ends == "succeeded":
            left, gone = left - 1000, gone + 1000
        assert money(b) == (0, left, 0, gone)
        told = wechat.get(f"ledger?out_bill_no={number}")["transfers"]
        assert [one["state"] for one in told] == ["SUCCESS" if ends == "succeeded" else "FAIL"]
    agree(differences)


def test_nobody_knows_for_an_hour_whether_the_money_was_sent_and_it_is_sent_once(
    people: list[Shopper], distribution: Callable[..., Any], operator: Operator, control: Control, wechat: Sandbox,
    differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    distribution(freeze_days=0)
    _, b, c = people
    earn(b, c, operator, control, 10_000)
    wechat.fault("/v3/fund-app/mch-transfer/transfer-bills", "timeout_after_effect", seconds=5.2)
    wechat.fault("/v3/fund-app/mch-transfer/transfer-bills", "error", times=14)
    number = withdraw(b, 1000).ok(201)["withdrawal_id"]
    for _ in range(6):
        control.run_jobs(advance=600)
        assert (withdrawal(b, number)["state"], money(b)) == ("processing", (0, 0, 1000, 0))

    def known() -> bool:
        control.run_jobs(advance=600)
        return bool(withdrawal(b, number)["state"] == "awaiting_confirmation")

    poll(known)
    wechat.post(f"transfers/{number}", {"outcome": "confirm"})
    poll(lambda: withdrawal(b, number)["state"] == "succeeded")
    assert money(b) == (0, 0, 0, 1000)
    agree(differences)
