"""What an order earns: pending when paid, taken back by refunds, available when the days are over."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.client import Operator, Shopper
from local.clock import LocalClock
from tests.support.distribution import (
    RULES,
    balance,
    bought,
    come_by,
    completed,
    deliver,
    distributor,
    give_back,
    new,
    pay,
    run_jobs,
    set_rules,
)

DAY = 86400
PRICE = 2000


def test_an_order_pays_who_brought_its_member_and_who_brought_them(
    operator: Operator, people: list[Shopper], mall_clock: LocalClock
) -> None:
    a, b, c = people
    skus: list[Any] = [operator.product(price_fen=price)["skus"][0]["sku_id"] for price in (1999, 777, 5000)]
    order_id = c.place([(skus[0], 2), (skus[1], 1), (skus[2], 3)])["order_id"]
    run_jobs()
    assert balance(b) == (0, 0)
    pay(c, order_id)
    run_jobs()
    assert (balance(b), balance(a)) == ((399 + 77 + 1500, 0), (199 + 38 + 750, 0))
    c.refund(order_id, [(skus[0], 1)])
    run_jobs()
    assert (balance(b), balance(a)) == ((199 + 77 + 1500, 0), (99 + 38 + 750, 0))
    deliver(operator, c, order_id)
    run_jobs()
    mall_clock.advance(7 * DAY - 60)
    run_jobs()
    assert balance(b) == (1776, 0)
    mall_clock.advance(61)
    run_jobs()
    assert (balance(b), balance(a)) == ((0, 1776), (0, 887))
    give_back(operator, order_id, skus[2], 1)
    assert (balance(b), balance(a)) == ((0, 1276), (0, 637))


def test_the_base_is_what_was_paid_for_goods_after_the_coupon_and_without_freight(
    operator: Operator, people: list[Shopper]
) -> None:
    a, b, c = people
    freight = {"name": "八元", "by": "piece", "rules": [{"first": 999, "first_fen": 800}]}
    operator.put("/v1/admin/freight-templates/eight-yuan", freight).ok()
    products = [operator.product(price_fen=price, freight_template_id="eight-yuan") for price in (1999, 3001, 900)]
    skus: list[Any] = [product["skus"][0]["sku_id"] for product in products]
    coupon_template = operator.post(
        "/v1/admin/coupon-templates",
        {
            "name": "十元券", "kind": "amount_off", "amount_fen": 1000, "threshold_fen": 2000, "total": 10,
            "limit_per_member": 1, "valid": {"days": 7}, "how": ["claim"],
        },
    ).ok(201)["template_id"]  # fmt: skip
    coupon = c.post(f"/v1/coupon-templates/{coupon_template}/claim").ok(201)["coupon_id"]
    order_id = bought(c, [(skus[0], 2), (skus[1], 1), (skus[2], 1)], coupon_ids=[coupon])
    lines = c.order(order_id)["lines"]
    assert c.order(order_id)["freight_fen"] == 800
    assert sum(line["payable_fen"] for line in lines) == 1999 * 2 + 3001 + 900 - 1000
    assert balance(b)[0] == sum(line["payable_fen"] // 10 for line in lines)
    assert balance(a)[0] == sum(line["payable_fen"] // 20 for line in lines)
    entries = operator.get(f"/v1/admin/orders/{order_id}/ledger").ok()["entries"]
    money = {leg["account"]: leg["amount_fen"] for entry in entries for leg in entry["postings"]}
    assert (money["discounts:coupons"], money["sales:goods"]) == (1000, -(1999 * 2 + 3001 + 900))
    give_back(operator, order_id, skus[0], 2)
    assert balance(b)[0] == sum(line["payable_fen"] // 10 for line in lines[1:])


def test_a_third_level_earns_nothing_and_cannot_be_set(operator: Operator, sandbox: str, sku: str) -> None:
    a = new(operator, sandbox)
    b = new(operator, sandbox, a)
    c = new(operator, sandbox, b)
    d = new(operator, sandbox, c, sells=False)
    bought(d, [(sku, 1)])
    assert [balance(one)[0] for one in (a, b, c)] == [0, 100, 200]
    refusal = operator.put("/v1/admin/settings/distribution", RULES | {"levels": 3})
    assert refusal.status == 400
    assert [error["field"] for error in refusal.json["errors"]] == ["levels"]


def test_a_purchase_of_ones_own_earns_only_where_the_mall_says_so(operator: Operator, sandbox: str, sku: str) -> None:
    a = new(operator, sandbox)
    b = new(operator, sandbox, a)
    bought(b, [(sku, 1)])
    assert (balance(b)[0], balance(a)[0]) == (0, 200)
    set_rules(operator, self_purchase=True)
    bought(b, [(sku, 2)])
    assert (balance(b)[0], balance(a)[0]) == (400, 200 + 200)


def test_switched_off_nothing_new_is_earned_and_what_was_earned_stays(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    a, b, c = people
    first = bought(c, [(sku, 1)])
    waiting = c.place([(sku, 1)])["order_id"]
    set_rules(operator, enabled=False)
    pay(c, waiting)
    bought(c, [(sku, 2)])
    assert (balance(b)[0], balance(a)[0]) == (200, 100)
    set_rules(operator)
    deliver(operator, c, waiting)
    deliver(operator, c, first)
    run_jobs()
    mall_clock.advance(8 * DAY)
    run_jobs()
    assert (balance(b), balance(a)) == ((0, 200), (0, 100))


def test_the_switch_changes_no_other_setting_and_what_was_earned_keeps_its_days_and_its_rules(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    _, b, c = people
    tiers = [{"tier_id": "gold", "name": "金牌", "orders": 9, "reward_fen": 50}]
    before = set_rules(operator, freeze_days=3, order_cap_bp=2000, tiers=tiers)
    order_id = bought(c, [(sku, 1)])
    for _ in range(2):  # twice is no error
        assert operator.post("/v1/admin/distribution/off").ok() == before | {"enabled": False}
    bought(c, [(sku, 2)])
    assert operator.post("/v1/admin/distribution/on").ok() == before
    assert operator.get("/v1/admin/settings/distribution").ok() == before
    set_rules(operator, freeze_days=30, rates_bp=[1, 1], order_cap_bp=1)
    deliver(operator, c, order_id)
    run_jobs()
    mall_clock.advance(3 * DAY)
    run_jobs()
    assert balance(b) == (0, 200)
    version = operator.get(f"/v1/admin/commissions?order_id={order_id}").ok()["items"][0]["rules_version"]
    assert operator.get(f"/v1/admin/settings/distribution?version={version}").ok() == before


def test_in_a_stopped_region_nothing_new_is_earned_and_what_was_earned_stays(
    operator: Operator, people: list[Shopper], sku: str
) -> None:
    _, b, c = people  # C lives in 310115
    first = bought(c, [(sku, 1)])
    for pieces, regions, earned in (
        (2, ["440000", "310000"], 0), (3, ["310100"], 0), (4, ["310115"], 0), (5, ["310104", "320000"], 5 * 200),
    ):  # fmt: skip
        set_rules(operator, stopped_regions=regions)
        bought(c, [(sku, pieces)])
        assert balance(b)[0] == 200 + earned
    set_rules(operator, stopped_regions=["310000"])
    give_back(operator, first, sku, 1)
    assert balance(b)[0] == 5 * 200
    refusal = operator.put("/v1/admin/settings/distribution", RULES | {"stopped_regions": ["31"]})
    assert refusal.refused(400, "malformed")["errors"][0]["field"] == "stopped_regions[0]"


def test_a_suspended_distributor_earns_nothing_and_whoever_brought_them_still_does(
    operator: Operator, people: list[Shopper], sku: str
) -> None:
    a, b, c = people
    operator.post(f"/v1/admin/distributors/{b.member_id}/suspend").ok()
    bought(c, [(sku, 1)])
    assert (balance(b)[0], balance(a)[0]) == (0, 100)
    distributor(operator, b)
    bought(c, [(sku, 2)])
    assert (balance(b)[0], balance(a)[0]) == (400, 300)


def test_what_was_available_may_fall_below_zero_and_the_next_commission_makes_it_good(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    from chalicelib.core import clock
    from chalicelib.ledger import rules as entries
    from chalicelib.ledger import service as ledger
    from chalicelib.platform.store.transaction import Transaction

    set_rules(operator, freeze_days=0)
    _, b, c = people
    order_id = bought(c, [(sku, 2)])
    deliver(operator, c, order_id)
    run_jobs()
    assert balance(b) == (0, 400)
    tx = Transaction()
    ledger.post(tx, entries.withdrawal_begun(f"w{order_id}", b.member_id, clock.now(), 400), short="short")
    tx.commit()
    asked = c.refund(order_id, [(sku, 1)])
    operator.post(f"/v1/admin/orders/{order_id}/refunds/{asked['refund_id']}/approve", {"restock": True}).ok()
    run_jobs()
    assert balance(b) == (0, -200)
    second = bought(c, [(sku, 3)])
    deliver(operator, c, second)
    run_jobs()
    assert balance(b) == (0, 400)


def test_a_group_order_earns_when_its_lobby_succeeds_and_nothing_when_it_fails(
    operator: Operator, people: list[Shopper], sandbox: str, mall_clock: LocalClock
) -> None:
    _, b, c = people
    activity = operator.group_activity({2: 1500})
    sku_id = activity["prices"][0]["sku_id"]
    joiner = new(operator, sandbox, sells=False)
    lead = c.take_seat(sku_id, activity_id=activity["activity_id"], size=2).ok(201)
    pay(c, lead["order_id"])
    run_jobs()
    assert balance(b)[0] == 0
    joined = joiner.take_seat(sku_id, lobby_id=lead["group"]["lobby_id"]).ok(201)
    pay(joiner, joined["order_id"])
    run_jobs()
    assert balance(b)[0] == 150
    alone = c.take_seat(sku_id, activity_id=activity["activity_id"], size=2).ok(201)
    pay(c, alone["order_id"])
    mall_clock.advance(31 * 60)
    run_jobs()
    assert (c.order(alone["order_id"])["state"], balance(b)[0]) == ("closed", 150)


def test_the_products_rate_goes_first_then_the_tiers_then_the_default_and_the_cap_holds(
    operator: Operator, people: list[Shopper]
) -> None:
    a, b, c = people
    set_rules(operator, tiers=[{"tier_id": "gold", "name": "金牌", "rates_bp": [2000, 800]}])
    operator.put(f"/v1/admin/distributors/{b.member_id}/tier", {"tier": "gold"}).ok()
    plain, own, none = (
        operator.product(price_fen=1000, **more)["skus"][0]["sku_id"]
        for more in ({}, {"commission_bp": 300}, {"commission_bp": 0})
    )
    bought(c, [(plain, 1), (own, 1), (none, 1)])
    assert (balance(b)[0], balance(a)[0]) == (200 + 30, 50 + 30)
    set_rules(operator, rates_bp=[1000, 500], order_cap_fen=100)
    bought(c, [(plain, 2)])
    assert (balance(b)[0] - 230, balance(a)[0] - 80) == (67, 33)
    operator.put("/v1/admin/distributors/nobody/tier", {"tier": "standard"}).refused(404, "not_found")
    operator.put(f"/v1/admin/distributors/{a.member_id}/tier", {"tier": "iron"}).refused(422, "invalid")


def test_the_cap_is_that_of_the_goods_that_were_kept(operator: Operator, people: list[Shopper]) -> None:
    a, b, c = people
    set_rules(operator, levels=1, order_cap_bp=2500)
    half, none = (operator.product(price_fen=1000, commission_bp=own)["skus"][0]["sku_id"] for own in (5000, 0))
    order_id = bought(c, [(half, 1), (none, 1)])
    assert balance(b)[0] == 500
    give_back(operator, order_id, none, 1)
    assert (balance(b)[0], balance(a)[0]) == (250, 0)


def test_a_tier_is_reached_by_what_was_kept_and_rewards_once(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    tiers = [
        {"tier_id": "silver", "name": "银牌", "rates_bp": [1500], "orders": 1, "reward_fen": 50},
        {"tier_id": "gold", "name": "金牌", "rates_bp": [2000], "sales_fen": 3000, "customers": 1, "reward_fen": 500},
    ]
    set_rules(operator, freeze_days=0, tiers=tiers)
    _, b, c = people
    deliver(operator, c, bought(c, [(sku, 1)]))
    run_jobs()
    assert (b.post("/v1/distributor").ok()["tier"], balance(b)) == ("standard", (0, 200))  # it may still be given back
    completed(mall_clock)
    assert (b.post("/v1/distributor").ok()["tier"], balance(b)) == ("silver", (0, 200 + 50))
    second = bought(c, [(sku, 2)])
    assert balance(b) == (600, 250)
    deliver(operator, c, second)
    completed(mall_clock)
    assert (b.post("/v1/distributor").ok()["tier"], balance(b)) == ("gold", (0, 850 + 500))
    operator.put(f"/v1/admin/distributors/{b.member_id}/tier", {"tier": "standard"}).ok()
    deliver(operator, c, bought(c, [(sku, 3)]))
    completed(mall_clock)
    assert (b.post("/v1/distributor").ok()["tier"], balance(b)) == ("gold", (0, 1350 + 600))


def test_sales_that_are_given_back_in_time_reach_no_tier(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    tiers = [{"tier_id": "silver", "name": "银牌", "orders": 1, "reward_fen": 50},
             {"tier_id": "gold", "name": "金牌", "sales_fen": 3000, "reward_fen": 500}]  # fmt: skip
    set_rules(operator, freeze_days=0, tiers=tiers)
    _, b, c = people
    whole, part = bought(c, [(sku, 3)]), bought(c, [(sku, 2)])
    for order_id in (whole, part):
        deliver(operator, c, order_id)
    run_jobs()
    assert balance(b) == (0, 1000)
    give_back(operator, whole, sku, 3)
    give_back(operator, part, sku, 1)
    completed(mall_clock)
    told = operator.get(f"/v1/admin/distributors/{b.member_id}").ok()
    assert [told[name] for name in ("tier", "sales_fen", "orders", "customers", "rewarded")] == [
        "silver", 2000, 1, 1, ["silver"],
    ]  # fmt: skip
    assert balance(b) == (0, 200 + 50)
    give_back(operator, part, sku, 1, "2")  # the mall's own doing: what is reached is kept
    assert operator.get(f"/v1/admin/distributors/{b.member_id}").ok()["sales_fen"] == 0
    assert balance(b) == (0, 50)


def test_who_stands_in_a_tier_that_is_removed_is_placed_by_what_they_have_reached_and_never_rewarded_twice(
    operator: Operator, people: list[Shopper], sku: str, completed_at_once: None
) -> None:
    tiers = [{"tier_id": "silver", "name": "银牌", "orders": 1, "reward_fen": 50},
             {"tier_id": "gold", "name": "金牌", "orders": 2, "reward_fen": 500}]  # fmt: skip
    set_rules(operator, freeze_days=0, tiers=tiers)
    _, b, c = people
    for quantity in (1, 2):
        deliver(operator, c, bought(c, [(sku, quantity)]))
        run_jobs()
    assert (b.post("/v1/distributor").ok()["tier"], balance(b)) == ("gold", (0, 600 + 550))
    again = [one | {"tier_id": f"new-{one['tier_id']}"} for one in tiers]
    set_rules(operator, freeze_days=0, tiers=[*again, {"tier_id": "top", "name": "至尊", "orders": 4, "reward_fen": 7}])
    assert b.get("/v1/distributor").ok()["tier_progress"]["tier_id"] == "top"
    for quantity, tier, reward in ((3, "new-gold", 0), (4, "top", 7)):
        deliver(operator, c, bought(c, [(sku, quantity)]))
        before = balance(b)[1]
        run_jobs()
        assert (b.post("/v1/distributor").ok()["tier"], balance(b)[1]) == (tier, before + 200 * quantity + reward)


def test_a_customer_counts_once_for_a_distributor_however_often_they_come_back(
    operator: Operator, sandbox: str, sku: str, mall_clock: LocalClock
) -> None:
    tiers = [{"tier_id": "silver", "name": "银牌", "customers": 2, "reward_fen": 50}]
    set_rules(operator, freeze_days=0, protection_days=5, tiers=tiers)
    seller, other = new(operator, sandbox), new(operator, sandbox)
    customer = new(operator, sandbox, sells=False)
    for time, who in enumerate((seller, seller, other, seller), 1):
        come_by(customer, who.post("/v1/distributor").ok()["invite_code"])
        run_jobs()
        deliver(operator, customer, bought(customer, [(sku, time)]))
        completed(mall_clock)
    told = [operator.get(f"/v1/admin/distributors/{one.member_id}").ok() for one in (seller, other)]
    assert [(one["orders"], one["customers"], one["tier"]) for one in told] == [(3, 1, "standard"), (1, 1, "standard")]
    second = new(operator, sandbox, seller, sells=False)
    deliver(operator, second, bought(second, [(sku, 1)]))
    completed(mall_clock)
    told = [operator.get(f"/v1/admin/distributors/{seller.member_id}").ok()]
    assert [(one["orders"], one["customers"], one["tier"]) for one in told] == [(4, 2, "silver")]


def test_told_in_any_order_and_by_many_at_once_the_commissions_are_the_same(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    from chalicelib.core.errors import MallError
    from chalicelib.growth.distribution.commissions.service import settle

    set_rules(operator, freeze_days=0)
    a, b, c = people
    order_id = c.place([(sku, 3)])["order_id"]
    pay(c, order_id)
    deliver(operator, c, order_id)
    settle(order_id)  # received, before anybody was told that it was paid
    assert balance(b) == (0, 0)

    def told(_: int) -> None:
        with contextlib.suppress(MallError):  # busy: whoever is told by a job is told again
            settle(order_id, paid_now=True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(told, range(8)))
    run_jobs()
    assert (balance(b), balance(a)) == ((0, 600), (0, 300))
