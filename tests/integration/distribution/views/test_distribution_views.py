"""What a distributor sees of their own: balances, customers, commissions, statements; nothing of others."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import timedelta
from typing import Any

from chalicelib.core import clock
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.distribution import (
    deliver,
    quick_member,
    run_jobs,
    set_rules,
)
from tests.support.distribution_views import PRICE, bought, give_back, items, month_of, new

DAY = 86400


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
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock, completed_at_once: None
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
        while month_of(clock.now() - timedelta(minutes=2)) <= months[-1]:  # a month is closed a minute after its end
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
