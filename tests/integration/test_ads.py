"""What an ad platform is told: nothing by default, nothing of who has not agreed; of others once that they joined, and
once of each order that a click has brought."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.client import Operator, Sandbox, Shopper
from local.jobs import forget_all
from local.notices import payment_callback
from tests.support.distribution import quick_member, run_jobs

ON = {"enabled": True, "account_id": 7001, "user_action_set_id": 9001}


@pytest.fixture(autouse=True)
def quiet(no_jobs: None) -> None:
    """No job of another test runs."""


@pytest.fixture
def told(sandbox: str) -> Callable[[Shopper], list[dict[str, Any]]]:
    """What the platform was told of this member."""

    def of(who: Shopper) -> list[dict[str, Any]]:
        run_jobs()
        every = Sandbox(sandbox).get("ads")["actions"]
        of_them = [one for one in every if one["user_id"]["wechat_openid"] == who.user]
        return sorted(of_them, key=lambda one: str(one["action_type"]), reverse=True)  # jobs have no order

    return of


@pytest.fixture
def on(operator: Operator) -> Iterator[None]:
    operator.put("/v1/admin/settings/ads", ON).ok()
    yield
    operator.put("/v1/admin/settings/ads", {}).ok()


@pytest.fixture
def newcomer(operator: Operator, sandbox: str) -> Callable[[], Shopper]:
    return lambda: quick_member(operator.send, Sandbox(sandbox))


def clicks(who: Shopper) -> str:
    click = f"gdt.{secrets.token_hex(6)}"
    who.post("/v1/me/visits", {"scene": 1045, "ad": {"click_id": click}}).ok()
    return click


def bought(operator: Operator, who: Shopper) -> dict[str, Any]:
    sku = operator.product()["skus"][0]["sku_id"]
    order: dict[str, Any] = who.place([(sku, 1)])
    who.sandbox.pay(who.start_payment(order["order_id"]), "none")
    for _ in range(2):  # WeChat tells twice
        who.send(*payment_callback(who.sandbox, order["order_id"])).ok()
    return order


def agrees(who: Shopper) -> None:
    who.put("/v1/me/consents/ads", {"version": "2026-11"}).ok(204)


Told = Callable[[Shopper], list[dict[str, Any]]]


def test_without_the_merchant_s_settings_nothing_is_owed(
    operator: Operator, newcomer: Callable[[], Shopper], told: Told
) -> None:
    who = newcomer()
    agrees(who)
    clicks(who)
    bought(operator, who)
    assert told(who) == []
    errors = operator.put("/v1/admin/settings/ads", {"enabled": True}).refused(422, "invalid")["errors"]
    assert [one["field"] for one in errors] == ["account_id", "user_action_set_id"]


def test_of_who_has_not_agreed_nothing_is_told(
    operator: Operator, on: None, newcomer: Callable[[], Shopper], told: Told
) -> None:
    who = newcomer()
    clicks(who)
    bought(operator, who)
    assert told(who) == []


def test_who_agrees_is_told_of_once_and_each_of_their_orders(
    operator: Operator, on: None, newcomer: Callable[[], Shopper], told: Told
) -> None:
    who = newcomer()
    first = clicks(who)
    assert told(who) == []
    agrees(who)
    agrees(who)
    clicks(who)
    order = bought(operator, who)
    joined, ordered = told(who)
    assert (joined["action_type"], joined["outer_action_id"]) == ("REGISTER", who.member_id)
    assert joined["trace"] == {"click_id": first}
    assert "action_param" not in joined
    assert (ordered["action_type"], ordered["outer_action_id"]) == ("COMPLETE_ORDER", order["order_id"])
    assert ordered["action_param"] == {"value": order["payable_fen"]}
    assert {one["set"] for one in (joined, ordered)} == {"7001/9001"}
    assert [one["told"] for one in (joined, ordered)] == [1, 1]
    preferences = who.get("/v1/me/preferences").ok()
    assert [one["what"] for one in preferences["consents"]] == ["ads"]


def test_what_was_agreed_before_the_click_counts_too(
    operator: Operator, on: None, newcomer: Callable[[], Shopper], told: Told
) -> None:
    who = newcomer()
    agrees(who)
    clicks(who)
    assert [one["action_type"] for one in told(who)] == ["REGISTER"]


@pytest.mark.parametrize("how", ["takes it back", "wants nothing personal"])
def test_who_does_not_want_it_any_more_is_told_of_no_more(
    operator: Operator, on: None, newcomer: Callable[[], Shopper], told: Told, how: str
) -> None:
    who = newcomer()
    agrees(who)
    clicks(who)
    bought(operator, who)  # owed already
    if how == "takes it back":
        who.delete("/v1/me/consents/ads").ok(204)
    else:
        who.put("/v1/me/preferences", {"personalised": False}).ok()
    assert told(who) == []
    bought(operator, who)
    assert told(who) == []


def test_who_came_long_after_joining_has_not_joined_by_it(
    operator: Operator, on: None, newcomer: Callable[[], Shopper], told: Told, advance: Callable[[float], None]
) -> None:
    who = newcomer()
    agrees(who)
    advance(3601)
    clicks(who)
    assert told(who) == []


def test_a_platform_that_breaks_off_is_told_again(
    operator: Operator, on: None, newcomer: Callable[[], Shopper], told: Told, sandbox: str,
    advance: Callable[[float], None],
) -> None:  # fmt: skip
    who = newcomer()
    agrees(who)
    Sandbox(sandbox).fault("/v3.0/user_actions/add", "error")
    clicks(who)
    assert told(who) == []
    advance(120)
    assert [(one["action_type"], one["told"]) for one in told(who)] == [("REGISTER", 1)]
    forget_all()


def test_a_platform_that_took_it_and_did_not_answer_counts_it_once(
    operator: Operator, on: None, newcomer: Callable[[], Shopper], told: Told, sandbox: str, short_time_outs: None,
    advance: Callable[[float], None],
) -> None:  # fmt: skip
    who = newcomer()
    agrees(who)
    clicks(who)
    assert len(told(who)) == 1
    Sandbox(sandbox).fault("/v3.0/user_actions/add", "timeout_after_effect")
    order = bought(operator, who)
    told(who)
    advance(120)
    (again,) = [one for one in told(who) if one["action_type"] == "COMPLETE_ORDER"]
    assert (again["outer_action_id"], again["told"]) == (order["order_id"], 2)
    forget_all()
