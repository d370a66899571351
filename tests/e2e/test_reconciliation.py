"""A mall by itself compares every day with WeChat's bills, as its operator sees it."""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.core.clock import SHANGHAI
from local.client import Control, Operator, Sandbox, Shopper, Transport, poll

PRICE = 1990


def now(control: Control) -> datetime:
    return datetime.fromisoformat(control.status()["now"]).astimezone(SHANGHAI)


def to(control: Control, then: datetime) -> None:
    """Move the mall to that time, and do what is due."""
    control.run_jobs(advance=(then - now(control)).total_seconds())


def test_what_went_wrong_yesterday_is_on_the_operator_s_desk_this_morning(
    send: Transport, wechat: Sandbox, control: Control, operator: Operator, shopper: Shopper
) -> None:
    sku = operator.product(price_fen=PRICE)["skus"][0]["sku_id"]
    good, bad = shopper.buy([(sku, 1)]), shopper.buy([(sku, 2)])
    day = now(control).date()
    wechat.post(f"bills/{day}", {"kind": "amount", "number": bad, "amount_fen": 1})
    wechat.post(f"bills/{day}", {"kind": "add", "bill": "fund_flow", "number": "ByHand", "amount_fen": 500})
    tomorrow = datetime.combine(day + timedelta(days=1), datetime.min.time(), SHANGHAI)
    to(control, tomorrow.replace(hour=10, minute=6))

    operator = Operator.arrive(send)
    compared = poll(lambda: [one for one in operator.items("/v1/admin/reconciliation/days") if one["day"] == str(day)])
    assert compared[0]["differences"] >= 2
    listed = operator.items("/v1/admin/reconciliation/differences")
    mine = {one["number"]: one for one in listed if one["number"] in (good, bad, "ByHand")}
    assert {number: (one["kind"], one["ours_fen"], one["theirs_fen"]) for number, one in mine.items()} == {
        bad: ("amount", 2 * PRICE, 1),
        "ByHand": ("missing_here", None, 500),
    }

    path = f"/v1/admin/reconciliation/differences/{mine['ByHand']['difference_id']}/close"
    assert operator.post(path, {"reason": "财务手工转账"}).ok()["closed_by"] == "operator:admin"
    wechat.post(f"bills/{day}", {"kind": "nothing"})
    to(control, now(control) + timedelta(days=1))
    operator = Operator.arrive(send)
    closed = poll(
        lambda: {
            one["number"]: one["reason"]
            for one in operator.items("/v1/admin/reconciliation/differences?state=closed")
            if one["number"] in mine
        }.get(bad)
    )
    assert closed == "resolved"
