"""What a distributor and an operator see: balances, customers, commissions, statements, links; nothing of others."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.core import clock
from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from local.processes import ROOT
from tests.support.distribution import (
    come_by,
    deliver,
    pay,
    quick_distributor,
    quick_member,
    run_jobs,
    set_rules,
)
from tests.support.operators import owner_token

DAY = 86400
PRICE = 2000


@pytest.fixture
def operator(dynamodb: str, sandbox: str, mall_clock: LocalClock) -> Iterator[Operator]:
    operator = Operator(in_process(), owner_token())
    set_rules(operator)
    yield operator
    set_rules(operator, enabled=False)


@pytest.fixture
def product(operator: Operator) -> Any:
    return operator.product(price_fen=PRICE, stock=1000, brief="一口就懂", picture_url="https://cdn.example/tea.png")


@pytest.fixture
def sku(product: Any) -> str:
    return str(product["skus"][0]["sku_id"])


def new(operator: Operator, sandbox: str, nickname: str = "", brought_by: Shopper | None = None) -> Shopper:
    """A distributor, brought by another one or by nobody."""
    shopper = quick_member(operator.send, Sandbox(sandbox))
    if nickname:
        shopper.call("PATCH", "/v1/me", {"nickname": nickname}).ok()
    if brought_by is not None:
        come_by(shopper, brought_by.get("/v1/distributor").ok()["invite_code"])
        run_jobs()
    quick_distributor(shopper.member_id)
    return shopper


@pytest.fixture
def people(operator: Operator, sandbox: str) -> list[Shopper]:
    """A, B whom A brought, and C whom B brought."""
    a = new(operator, sandbox, "林小鱼")
    b = new(operator, sandbox, "沈知鱼", a)
    return [a, b, new(operator, sandbox, "何小满", b)]


def bought(shopper: Shopper, *lines: tuple[str, int]) -> str:
    """An order of these lines, paid, and its commissions made."""
    order_id: str = shopper.place(list(lines))["order_id"]
    pay(shopper, order_id)
    run_jobs()
    return order_id


def give_back(operator: Operator, order_id: str, sku: str, quantity: int) -> None:
    body = {"reason": "补偿", "lines": [{"sku_id": sku, "quantity": quantity}]}
    operator.post(f"/v1/admin/orders/{order_id}/refunds", body, key="1").ok(202)
    run_jobs()


def items(shopper: Shopper, path: str, limit: int = 20, **query: Any) -> list[Any]:
    return shopper.items(f"{path}?{urlencode(query)}", limit)


def month_of(instant: Any) -> str:
    return clock.day(instant).isoformat()[:7]


def test_a_distributor_sees_what_they_have_and_how_far_the_next_tier_is(
    operator: Operator, people: list[Shopper], sku: str
) -> None:
    gold = {"tier_id": "gold", "name": "金牌", "rates_bp": [2000], "sales_fen": 9000, "orders": 2, "rights": "优先发货"}
    set_rules(operator, rights="每单都有佣金", tiers=[{"tier_id": "hand", "name": "特邀"}, gold])
    _, b, c = people
    order_id = bought(c, (sku, 3))
    give_back(operator, order_id, sku, 1)
    told = b.get("/v1/distributor").ok()
    assert {name: told[name] for name in told if name.endswith("_fen")} == {
        "pending_fen": 400, "available_fen": 0, "withdrawing_fen": 0, "withdrawn_fen": 0, "today_fen": 400,
        "month_fen": 400,
    }  # fmt: skip
    assert (told["distributor_id"], told["state"], told["tier"]) == (b.member_id, "active", "standard")
    assert told["rates_bp"] == [1000, 500]
    assert told["rights"] == {"mall": "每单都有佣金", "tier": ""}
    assert told["tier_progress"] == {
        "tier_id": "gold", "name": "金牌", "sales_fen": 0, "sales_needed_fen": 9000, "orders": 0, "orders_needed": 2,
        "customers": 0, "customers_needed": 0,
    }  # fmt: skip
    operator.put(f"/v1/admin/distributors/{b.member_id}/tier", {"tier": "gold"}).ok()
    told = b.get("/v1/distributor").ok()
    assert (told["rates_bp"], told["rights"]["tier"], told["tier_progress"]) == ([2000, 500], "优先发货", None)


def test_today_and_the_month_end_at_midnight_in_shanghai(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    _, b, c = people
    bought(c, (sku, 1))
    assert b.get("/v1/distributor").ok()["today_fen"] == 200
    day, month = clock.day(clock.now()), month_of(clock.now())
    while clock.day(clock.now()) == day:
        mall_clock.advance(3600)
    told = b.get("/v1/distributor").ok()
    assert (told["today_fen"], told["pending_fen"]) == (0, 200)
    assert told["month_fen"] == (200 if month_of(clock.now()) == month else 0)


def test_customers_are_named_and_never_told_by_id_or_phone(
    operator: Operator, people: list[Shopper], sandbox: str, sku: str
) -> None:
    a, b, c = people
    others = [new(operator, sandbox, name, b) for name in ("", "周一", "吴二")]
    bought(c, (sku, 2))
    bought(c, (sku, 1))
    shown = items(b, "/v1/distributor/customers", level=1, limit=2)
    assert [(one["nickname"], one["orders"], one["paid_fen"]) for one in shown] == [
        ("吴二", 0, 0), ("周一", 0, 0), ("微信用户", 0, 0), ("何小满", 2, 3 * PRICE),
    ]  # fmt: skip
    assert [one["nickname"] for one in items(a, "/v1/distributor/customers")] == ["沈知鱼"]
    second = items(a, "/v1/distributor/customers", level=2, limit=1)
    assert [one["nickname"] for one in second] == ["吴**", "周**", "微信用户", "何**"]
    page = b.get("/v1/distributor/customers?limit=1").ok()
    text = page["next_cursor"].rpartition(".")[0]
    packed = base64.urlsafe_b64decode(text.lstrip(".") + "==")
    said = (zlib.decompress(packed) if text.startswith(".") else packed).decode() + json.dumps(page)
    assert not [one for one in [*people, *others] if one.member_id in said or one.user in said]


def test_level_two_goes_through_many_of_level_one_in_pages(operator: Operator, sandbox: str) -> None:
    top = new(operator, sandbox, "顶上")
    expected = []
    for branch in range(3):
        first = new(operator, sandbox, f"{branch}级", top)
        quiet = new(operator, sandbox, "无客", top)  # nobody is asked for customers of who has none
        assert items(quiet, "/v1/distributor/customers") == []
        expected.append([f"{name}**" for name in "甲乙丙"])
        for name in "甲乙丙":
            new(operator, sandbox, name, first)
    for limit in (1, 2, 4, 100):
        shown = [one["nickname"] for one in items(top, "/v1/distributor/customers", level=2, limit=limit)]
        assert shown == ["丙**", "乙**", "甲**"] * 3, limit
    set_rules(operator, levels=1)
    assert items(top, "/v1/distributor/customers", level=2) == []
    top.get("/v1/distributor/customers?level=3").refused(400, "malformed")


def test_who_is_bound_no_longer_is_no_customer(
    operator: Operator, sandbox: str, people: list[Shopper], mall_clock: LocalClock
) -> None:
    set_rules(operator, protection_days=3)
    seller = new(operator, sandbox, "卖家")
    new(operator, sandbox, "一时", seller)
    assert len(items(seller, "/v1/distributor/customers")) == 1
    mall_clock.advance(4 * DAY)
    assert items(seller, "/v1/distributor/customers") == []


def test_every_line_explains_its_commission(operator: Operator, people: list[Shopper], sku: str) -> None:
    _, b, c = people
    own, none = (operator.product(price_fen=1000, commission_bp=bp)["skus"][0]["sku_id"] for bp in (300, 0))
    order_id = bought(c, (sku, 2), (own, 1), (none, 1))
    give_back(operator, order_id, sku, 1)
    shown = items(b, "/v1/distributor/commissions", limit=1)
    fields = ("order_id", "line", "level", "base_fen", "rate_bp", "rate_source", "amount_fen", "reversed_fen", "state")
    assert [tuple(one[field] for field in fields) for one in shown] == [
        (order_id, sku, 1, PRICE, 1000, "default", 200, 200, "pending"),
        (order_id, own, 1, 1000, 300, "product", 30, 0, "pending"),
        (order_id, none, 1, 1000, 0, "product", 0, 0, "pending"),
    ]
    assert len({one["commission_id"] for one in shown}) == 3
    assert {one["available_at"] for one in shown} == {None}
    set_rules(operator, order_cap_fen=150)
    bought(c, (sku, 1))
    latest = b.get("/v1/distributor/commissions?limit=1").ok()["items"][0]
    assert latest["amount_fen"] + latest["capped_fen"] == 200
    assert latest["capped_fen"] > 0


def test_commissions_are_found_by_state_and_by_day(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    set_rules(operator, freeze_days=0)
    _, b, c = people
    first = bought(c, (sku, 1))
    deliver(operator, c, first)
    run_jobs()
    early = clock.day(clock.now())
    mall_clock.advance(2 * DAY)
    second = bought(c, (sku, 2))
    gone = bought(c, (sku, 3))
    c.refund(gone)
    run_jobs()
    late = clock.day(clock.now())

    def found(**query: Any) -> list[str]:
        return [one["order_id"] for one in items(b, "/v1/distributor/commissions", limit=1, **query)]

    assert found() == [gone, second, first]
    assert found(state="available") == [first]
    assert found(state="pending") == [second]
    assert found(state="reversed") == [gone]
    assert found(to=early) == [first]
    assert found(**{"from": late}) == [gone, second]
    assert found(**{"from": early}, to=late) == [gone, second, first]
    assert found(**{"from": early}, to=early, state="pending") == []
    for query, status, code, field in [
        (f"from={late}&to={early}", 422, "invalid", "to"),
        ("from=9999-12-31", 422, "invalid", "from"),
        ("to=9999-12-31", 422, "invalid", "to"),
        ("from=gestern", 400, "malformed", "from"),
        ("state=paid", 400, "malformed", "state"),
        ("cursor=forged", 400, "cursor_invalid", "cursor"),
    ]:
        refusal = b.get(f"/v1/distributor/commissions?{query}").refused(status, code)
        assert [error["field"] for error in refusal["errors"]] == [field]


def test_statements_close_over_the_months(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    set_rules(
        operator, freeze_days=0,
        tiers=[{"tier_id": "silver", "name": "银牌", "rates_bp": [1500], "orders": 1, "reward_fen": 50}],
    )  # fmt: skip
    _, b, c = people
    months = [month_of(clock.now())]
    order_id = bought(c, (sku, 2))
    deliver(operator, c, order_id)
    run_jobs()

    def to_next_month() -> None:
        while month_of(clock.now()) == months[-1]:
            mall_clock.advance(DAY)
        months.append(month_of(clock.now()))

    to_next_month()
    give_back(operator, order_id, sku, 1)
    to_next_month()
    bought(c, (sku, 1))
    names = ("opening_fen", "earned_fen", "rewarded_fen", "reversed_fen", "withdrawn_fen", "closing_fen", "closed")
    told = [b.get(f"/v1/distributor/statements/{name}").ok() for name in months]
    assert [tuple(one[name] for name in names) for one in told] == [
        (0, 400, 50, 0, 0, 450, True),
        (450, 0, 0, 200, 0, 250, True),
        (250, 300, 0, 0, 0, 550, False),
    ]
    assert told[-1]["closing_fen"] == sum(b.get("/v1/distributor").ok()[f"{k}_fen"] for k in ("pending", "available"))
    year = clock.day(clock.now()).year
    for nonsense in (f"{year + 1}-01", "2001-01", f"{year}-13", f"{year}-1", "now", "2026-11-01"):
        b.get(f"/v1/distributor/statements/{nonsense}").refused(404, "not_found")


def test_a_month_is_closed_a_minute_after_its_end_when_its_last_entry_is_written(
    people: list[Shopper], mall_clock: LocalClock
) -> None:
    _, b, _ = people
    now = clock.now().astimezone(clock.SHANGHAI)
    ends = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
    mall_clock.advance((ends - now).total_seconds() + 5)
    statement = f"/v1/distributor/statements/{month_of(now)}"
    assert b.get(statement).ok()["closed"] is False
    mall_clock.advance(60)
    assert b.get(statement).ok()["closed"] is True


def test_the_account_is_told_in_words_and_adds_up(operator: Operator, people: list[Shopper], sku: str) -> None:
    set_rules(operator, freeze_days=0)
    _, b, c = people
    order_id = bought(c, (sku, 2))
    deliver(operator, c, order_id)
    run_jobs()
    give_back(operator, order_id, sku, 1)
    lines = items(b, "/v1/distributor/ledger", limit=2)
    assert [(one["what"], one["pending_fen"], one["available_fen"]) for one in lines] == [
        ("commission_taken_back", 0, -200), ("commission_released", -400, 400), ("commission_earned", 400, 0),
    ]  # fmt: skip
    assert {one["about"] for one in lines} == {order_id}
    assert lines[0]["text"] == "订单退款，扣回佣金"
    english = b.get("/v1/distributor/ledger", Accept_Language="en").ok()["items"]
    assert english[0]["text"] == "Commission taken back by a refund"


def test_the_leaderboard_names_nobody_in_full_and_is_there_only_where_the_mall_has_one(
    operator: Operator, people: list[Shopper], sandbox: str, sku: str, mall_clock: LocalClock
) -> None:
    a, b, c = people
    a.get("/v1/distributor/leaderboard").refused(404, "not_found")
    while clock.day(clock.now()).day != 2:  # a month of its own: other tests sell too
        mall_clock.advance(DAY)
    set_rules(operator, leaderboard=True)
    rival = new(operator, sandbox, "钱七")
    customer = new(operator, sandbox, "孙八", rival)
    order_id = bought(c, (sku, 3))
    bought(customer, (sku, 2))
    give_back(operator, order_id, sku, 2)
    told = b.get("/v1/distributor/leaderboard").ok()
    assert told["items"] == [
        {"rank": 1, "nickname": "钱**", "sales_fen": 2 * PRICE},
        {"rank": 2, "nickname": "沈**", "sales_fen": PRICE},
    ]
    assert (told["month"], told["mine"]) == (month_of(clock.now()), {"rank": 2, "sales_fen": PRICE})
    assert a.get("/v1/distributor/leaderboard").ok()["mine"] == {"rank": None, "sales_fen": 0}
    operator.post(f"/v1/admin/distributors/{rival.member_id}/suspend").ok()
    assert [one["rank"] for one in b.get("/v1/distributor/leaderboard").ok()["items"]] == [1]
    assert b.get("/v1/distributor/leaderboard?month=2020-01").ok()["items"] == []
    b.get("/v1/distributor/leaderboard?month=2099-01").refused(404, "not_found")
    b.get("/v1/distributor/leaderboard?month=2020-13").refused(400, "malformed")


def test_a_link_is_the_same_each_time_fits_a_code_and_brings_customers(
    operator: Operator, people: list[Shopper], sandbox: str, product: Any
) -> None:
    _, b, _ = people
    body = {"product_id": product["product_id"], "channel": "poster-1"}
    link = b.post("/v1/distributor/links", body).ok()
    assert b.post("/v1/distributor/links", body).ok() == link
    assert 1 <= len(link["token"]) <= 32
    assert link["path"] == f"pages/product/product?id={product['product_id']}&s={link['token']}"
    assert link["qr_code_url"].endswith(f"/v1/links/{link['token']}/code")
    assert link["poster"] == {
        "title": product["name"], "price_fen": PRICE, "list_price_fen": product["list_price_fen"], "text": "一口就懂",
        "picture_url": "https://cdn.example/tea.png", "nickname": "沈知鱼", "avatar_url": "",
    }  # fmt: skip
    home = b.post("/v1/distributor/links", {}).ok()
    assert home["path"] == f"pages/index/index?s={home['token']}"
    assert home["poster"]["price_fen"] is None
    page = b.post("/v1/distributor/links", {"page": "pages/topic/topic"}).ok()
    assert page["path"] == f"pages/topic/topic?s={page['token']}"
    assert len({link["token"], home["token"], page["token"]}) == 3
    anybody = Shopper(operator.send, Sandbox(sandbox))
    assert anybody.get(f"/v1/links/{link['token']}").ok() == {
        "page": "pages/product/product", "nickname": "沈**", "product_id": product["product_id"], "channel": "poster-1",
    }  # fmt: skip
    code = b.get("/v1/distributor").ok()["invite_code"]
    assert anybody.get(f"/v1/links/{code}").ok() == {"page": "pages/index/index", "nickname": "沈**"}
    visitor = quick_member(operator.send, Sandbox(sandbox))
    come_by(visitor, link["token"])
    run_jobs()
    assert len(items(b, "/v1/distributor/customers")) == 2
    set_rules(operator, product_page="packages/goods/detail")
    moved = b.post("/v1/distributor/links", body).ok()
    assert moved["path"].startswith("packages/goods/detail?")
    assert anybody.get(f"/v1/links/{link['token']}").ok()["page"] == "pages/product/product"  # as it was printed


def test_links_are_for_active_distributors_and_products_on_sale(
    operator: Operator, people: list[Shopper], sandbox: str, product: Any
) -> None:
    _, b, _ = people
    b.post("/v1/distributor/links", {"product_id": "nothing"}).refused(404, "not_found")
    hidden = operator.product(publish=False)["product_id"]
    b.post("/v1/distributor/links", {"product_id": hidden}).refused(409, "product_unavailable")
    for wrong in ({"page": "/pages/x"}, {"page": "pages/x?y=1"}, {"channel": "中文"}, {"products": "x"}):
        refusal = b.post("/v1/distributor/links", wrong).refused(400, "malformed")
        assert [error["field"] for error in refusal["errors"]] == list(wrong)
    visitor = quick_member(operator.send, Sandbox(sandbox))
    visitor.post("/v1/distributor/links", {}).refused(404, "not_found")
    visitor.post("/v1/distributor").ok()
    visitor.post("/v1/distributor/links", {}).refused(409, "distributor_state")
    operator.post(f"/v1/admin/distributors/{b.member_id}/suspend").ok()
    b.post("/v1/distributor/links", {}).refused(409, "distributor_state")
    b.get("/v1/distributor").ok()  # what was earned stays theirs to see


def test_the_picture_of_a_code_is_asked_of_wechat_once_and_kept_by_clients(
    operator: Operator, people: list[Shopper], sandbox: str
) -> None:
    wechat = Sandbox(sandbox)
    anybody = Shopper(operator.send, wechat)
    link = people[0].post("/v1/distributor/links", {"channel": "picture"}).ok()
    path = f"/v1/links/{link['token']}/code"
    other = people[0].post("/v1/distributor/links", {"channel": "another"}).ok()
    wechat.fault("/wxa/getwxacodeunlimit", "error")
    anybody.get("/v1/links/lnobodymadethisone/code").refused(404, "not_found")
    anybody.get(path).refused(503, "unavailable")  # so nobody had asked WeChat before
    picture = anybody.get(path, Accept="image/avif,image/webp")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
    assert picture.body.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.headers["cache-control"] == "public, max-age=86400"
    wechat.fault("/wxa/getwxacodeunlimit", "error")
    assert anybody.get(path).body == picture.body
    same = anybody.get(path, If_None_Match=picture.headers["etag"])
    assert (same.status, same.body) == (304, b"")
    anybody.get(f"/v1/links/{other['token']}/code").refused(503, "unavailable")


def test_who_never_applied_is_told_that_there_is_nothing(operator: Operator, sandbox: str) -> None:
    visitor = quick_member(operator.send, Sandbox(sandbox))
    set_rules(operator, leaderboard=True)
    for path in ("", "/customers", "/commissions", f"/statements/{month_of(clock.now())}", "/ledger", "/leaderboard"):
        visitor.get(f"/v1/distributor{path}").refused(404, "not_found")


def test_nobody_goes_on_in_another_members_list(operator: Operator, people: list[Shopper], sku: str) -> None:
    a, b, c = people
    bought(c, (sku, 1))
    bought(c, (sku, 2))
    for path in ("/v1/distributor/commissions", "/v1/distributor/ledger"):
        cursor = b.get(f"{path}?limit=1").ok()["next_cursor"]
        assert cursor
        a.get(f"{path}?cursor={cursor}").refused(400, "cursor_invalid")


def test_operators_see_distributors_by_state_and_where_every_fen_comes_from(
    operator: Operator, people: list[Shopper], sandbox: str, sku: str
) -> None:
    set_rules(operator, freeze_days=0)
    a, b, c = people
    waiting = [quick_member(operator.send, Sandbox(sandbox)) for _ in range(3)]
    for one in waiting:
        one.post("/v1/distributor").ok()
    as_shopper: Any = operator
    pending = [one["member_id"] for one in items(as_shopper, "/v1/admin/distributors", limit=1)]
    assert pending[-3:] == [one.member_id for one in waiting]
    order_id = bought(c, (sku, 2))
    deliver(operator, c, order_id)
    run_jobs()
    active = items(as_shopper, "/v1/admin/distributors", state="active", limit=2)
    row = next(one for one in active if one["member_id"] == b.member_id)
    assert row["nickname"] == "沈知鱼"
    figures = ("sales_fen", "orders", "customers", "pending_fen", "available_fen", "withdrawing_fen", "withdrawn_fen")
    assert [row[name] for name in figures] == [2 * PRICE, 1, 1, 0, 400, 0, 0]
    detail = operator.get(f"/v1/admin/distributors/{b.member_id}").ok()
    assert {name: detail[name] for name in row} == row
    assert (detail["tie"]["inviter"], detail["tie"]["live"], detail["rewarded"]) == (a.member_id, True, [])
    lines = operator.get(f"/v1/admin/distributors/{b.member_id}/ledger").ok()["items"]
    assert [line["what"] for line in lines] == ["commission_released", "commission_earned"]
    assert sum(leg["amount_fen"] for line in lines for leg in line["postings"]) == 0
    of_order = operator.get(f"/v1/admin/commissions?order_id={order_id}").ok()["items"]
    assert [(one["level"], one["member_id"], one["amount_fen"]) for one in of_order] == [
        (1, b.member_id, 400), (2, a.member_id, 200),
    ]  # fmt: skip
    of_member = operator.get(f"/v1/admin/commissions?member_id={a.member_id}").ok()["items"]
    assert [one["order_id"] for one in of_member] == [order_id]
    assert operator.get(f"/v1/admin/orders/{order_id}").ok()["chain"] == [b.member_id, a.member_id]
    for query in ("", "?order_id=x&member_id=y"):
        refusal = operator.get(f"/v1/admin/commissions{query}").refused(422, "invalid")
        assert [error["field"] for error in refusal["errors"]] == ["order_id"]
    for path in ("", "/ledger", "/audit"):
        operator.get(f"/v1/admin/distributors/nobody{path}").refused(404, "not_found")


def test_operators_see_who_has_sold_most_before_the_others(
    operator: Operator, people: list[Shopper], sandbox: str, sku: str
) -> None:
    set_rules(operator, freeze_days=0)
    _, b, c = people
    rival = new(operator, sandbox)
    customer = new(operator, sandbox, brought_by=rival)
    new_ones = [new(operator, sandbox) for _ in range(6)]  # who have sold nothing, in every shard

    def sold() -> list[tuple[str, int]]:
        rows = items(operator, "/v1/admin/distributors", limit=3, state="active", sort="sales")  # type: ignore[arg-type]
        by_time = items(operator, "/v1/admin/distributors", limit=50, state="active")  # type: ignore[arg-type]
        assert sorted(row["member_id"] for row in rows) == sorted(row["member_id"] for row in by_time)
        assert [row["sales_fen"] for row in rows] == sorted((row["sales_fen"] for row in by_time), reverse=True)
        ours = {one.member_id for one in (b, rival, *new_ones)}
        return [(row["member_id"], row["sales_fen"]) for row in rows if row["member_id"] in ours and row["sales_fen"]]

    assert sold() == []
    order_id = bought(c, (sku, 3))
    deliver(operator, c, order_id)
    deliver(operator, customer, bought(customer, (sku, 2)))
    run_jobs()
    assert sold() == [(b.member_id, 3 * PRICE), (rival.member_id, 2 * PRICE)]
    give_back(operator, order_id, sku, 2)
    assert sold() == [(rival.member_id, 2 * PRICE), (b.member_id, PRICE)]
    operator.post(f"/v1/admin/distributors/{rival.member_id}/suspend").ok()
    assert sold() == [(b.member_id, PRICE)]
    suspended = items(operator, "/v1/admin/distributors", state="suspended", sort="sales")  # type: ignore[arg-type]
    row = next(row for row in suspended if row["member_id"] == rival.member_id)
    assert (row["sales_fen"], row["earned_fen"], row["available_fen"]) == (2 * PRICE, 400, 400)
    operator.post(f"/v1/admin/distributors/{rival.member_id}/approve").ok()
    assert sold() == [(rival.member_id, 2 * PRICE), (b.member_id, PRICE)]


def test_a_list_by_sales_goes_on_only_where_it_was_begun(operator: Operator, people: list[Shopper]) -> None:
    cursor = operator.get("/v1/admin/distributors?state=active&sort=sales&limit=1").ok()["next_cursor"]
    for query in ("state=active", "state=pending&sort=sales"):
        operator.get(f"/v1/admin/distributors?{query}&cursor={cursor}").refused(400, "cursor_invalid")
    operator.get("/v1/admin/distributors?sort=name").refused(400, "malformed")


def test_operators_see_the_commissions_of_a_day_the_latest_first(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    a, b, c = people
    as_shopper: Any = operator
    while clock.day(clock.now()) == clock.day(clock.now() - timedelta(hours=1)):  # to the first hour of a new day
        mall_clock.advance(3600)
    orders = []
    for _ in range(3):
        orders.append(bought(c, (sku, 1)))
        mall_clock.advance(60)
    today = clock.day(clock.now())
    for limit in (1, 4, 20):
        of_today = items(as_shopper, "/v1/admin/commissions", limit, day=today.isoformat())
        ours = [(one["order_id"], one["level"]) for one in of_today if one["member_id"] in (a.member_id, b.member_id)]
        assert ours == [(order_id, level) for order_id in orders[::-1] for level in (2, 1)]
    give_back(operator, orders[0], sku, 1)  # which changes nothing of when it was made
    mall_clock.advance(DAY)
    bought(c, (sku, 1))
    still = items(as_shopper, "/v1/admin/commissions", day=today.isoformat())
    assert [one["order_id"] for one in still if one["member_id"] == b.member_id] == orders[::-1]
    assert operator.get("/v1/admin/commissions?day=2020-02-29").ok()["items"] == []
    operator.get("/v1/admin/commissions?day=2026-02-30").refused(400, "malformed")
    operator.get(f"/v1/admin/commissions?day={today}&member_id=y").refused(422, "invalid")


def test_an_operator_can_have_one_account_recomputed(operator: Operator, people: list[Shopper], sku: str) -> None:
    from chalicelib.ledger.tables import NOW, Balances
    from chalicelib.platform.store.transaction import Transaction

    _, b, c = people
    bought(c, (sku, 1))
    path = f"/v1/admin/distributors/{b.member_id}/audit"
    assert operator.get(path).ok() == {"entries": 1, "differences": []}
    tx = Transaction()
    tx.update(Balances, (b.member_id, NOW), [Balances.available.add(7)])
    tx.commit()
    told = operator.get(path).ok()
    assert {one["about"] for one in told["differences"]} == {b.member_id}
    assert "available 7" in told["differences"][0]["what"]
    tx = Transaction()
    tx.update(Balances, (b.member_id, NOW), [Balances.available.add(-7)])
    tx.commit()


def test_an_account_with_too_many_entries_for_one_answer_names_the_page_with_the_command(
    operator: Operator, people: list[Shopper], sku: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.ledger import queries as ledger_queries

    _, b, c = people
    for _ in range(3):
        bought(c, (sku, 1))
    path = f"/v1/admin/distributors/{b.member_id}/audit"
    monkeypatch.setattr(ledger_queries, "ALL_MAX", 3)
    assert operator.get(path).ok() == {"entries": 3, "differences": []}
    monkeypatch.setattr(ledger_queries, "ALL_MAX", 2)
    refusal = operator.get(path).refused(422, "too_many_entries")
    assert refusal["limit"] == 2
    assert "docs/operations.md" in refusal["detail"]
    command = "`python -m tools.audit --tables PREFIX --region REGION` audits a deployed mall"
    assert command in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_all_that_was_done_here_agrees(operator: Operator, people: list[Shopper], sku: str, sandbox: str) -> None:
    """The audit of the whole mall of these tests, and of these people before and after a purchase."""
    from tools import audit

    _, _, c = people
    order_id = bought(c, (sku, 3))
    give_back(operator, order_id, sku, 1)
    mine = {order_id, *(one.member_id for one in people)}
    books = audit.read(None)
    assert [one for one in books.distribution.commissions if one.order_id == order_id]
    assert [one for one in books.differences() if one.about.split()[0] in mine] == []
