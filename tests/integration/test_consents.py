"""What members agree to, take back and want: here, and in WeChat's own settings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from chalicelib.customers.members import queries as member_queries
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import tools
from local.client import SHANGHAI, Client, Operator, Sandbox, Shopper, coupon_template
from local.clock import LocalClock
from local.notices import MESSAGES, message, payment_callback
from tests.support.distribution import come_by, completed, deliver, distributor, run_jobs, set_rules

DAY = 86400
PHONE = "13800138000"


@pytest.fixture
def operator(operator: Operator) -> Iterator[Operator]:
    set_rules(operator)
    yield operator
    set_rules(operator, enabled=False)


@pytest.fixture
def member(shopper: Shopper) -> Shopper:
    """Somebody with a phone number, a name, a picture and an address."""
    give_phone(shopper)
    picture = "https://thirdwx.qlogo.cn/mmopen/vi_32/a/132"
    shopper.call("PATCH", "/v1/me", {"nickname": "钓鱼的人", "avatar_url": picture}).ok()
    shopper.post("/v1/me/addresses", SHANGHAI).ok(201)
    return shopper


def give_phone(shopper: Shopper, **more: Any) -> Any:
    code = shopper.sandbox.post("phone", {"user": shopper.user, "phone": PHONE})["code"]
    return shopper.post("/v1/me/phone", {"code": code, **more}).ok()


def published(operator: Operator, **more: Any) -> str:
    template_id: str = operator.post("/v1/admin/coupon-templates", coupon_template(**more)).ok(201)["template_id"]
    operator.post(f"/v1/admin/coupon-templates/{template_id}/publish").ok()
    return template_id


def openid(shopper: Shopper) -> str:
    return member_queries.profile(shopper.member_id).openid


def told(shopper: Shopper, event: str, ago: float = 0, **fields: Any) -> None:
    answer = shopper.send(*message(openid(shopper), event, ago, **fields))
    assert (answer.status, answer.body) == (200, b"success")


def shown(shopper: Shopper) -> dict[str, Any]:
    me = shopper.get("/v1/me").ok()
    return {name: me.get(name) for name in ("nickname", "avatar_url", "phone")}


def consents(shopper: Shopper) -> list[tuple[str, str, bool]]:
    kept = shopper.get("/v1/me/preferences").ok()["consents"]
    assert all(datetime.fromisoformat(one["at"]).tzinfo for one in kept)
    return [(one["what"], one["version"], "withdrawn_at" in one) for one in kept]


def test_which_privacy_text_was_agreed_to_is_kept_once_with_its_time(shopper: Shopper) -> None:
    for version in ("2026-10", "2026-10", "2026-11"):
        code = shopper.sandbox.post("login", {"user": shopper.user})["code"]
        Client(shopper.send).post("/v1/auth/login", {"code": code, "consent": {"version": version}}).ok()
    assert consents(shopper) == [("privacy", "2026-10", False), ("privacy", "2026-11", False)]
    export = shopper.get("/v1/me/export").ok()["sections"]
    assert [one["version"] for one in export["profile"][0]["consents"]] == ["2026-10", "2026-11"]


def test_a_phone_number_is_given_with_its_text_and_taken_back(shopper: Shopper) -> None:
    assert give_phone(shopper, consent={"version": "p1"})["phone"] == PHONE
    assert consents(shopper) == [("phone", "p1", False)]
    for _ in range(2):
        shopper.delete("/v1/me/phone").ok(204)
        assert shown(shopper)["phone"] is None
        assert consents(shopper) == [("phone", "p1", True)]
    assert give_phone(shopper)["phone"] == PHONE
    assert consents(shopper) == [("phone", "p1", True), ("phone", "", False)]


def test_what_is_taken_back_in_wechat_is_forgotten(member: Shopper) -> None:
    told(member, "user_authorization_revoke", RevokeInfo="13")
    assert shown(member)["phone"] == PHONE
    told(member, "user_authorization_revoke", RevokeInfo="8")
    assert (shown(member)["phone"], shown(member)["nickname"]) == (None, "钓鱼的人")
    assert consents(member) == [("phone", "", True)]
    for _ in range(2):
        told(member, "user_authorization_revoke", RevokeInfo="6,2")
        assert shown(member) == {"nickname": "", "avatar_url": "", "phone": None}
        assert member.get("/v1/me/addresses").ok()["items"] == []


def test_the_same_word_again_takes_back_nothing_that_was_given_after_it(member: Shopper) -> None:
    again = message(openid(member), "user_authorization_revoke", RevokeInfo="2,6")
    assert member.send(*again).body == b"success"
    member.put("/v1/me", {"nickname": "新名字"}).ok()
    member.post("/v1/me/addresses", SHANGHAI).ok(201)
    assert member.send(*again).body == b"success"
    assert shown(member)["nickname"] == "新名字"
    assert len(member.get("/v1/me/addresses").ok()["items"]) == 1


def test_a_balance_keeps_who_closed_their_account_for_half_a_year(
    member: Shopper, operator: Operator, sandbox: str, mall_clock: LocalClock
) -> None:
    distributor(operator, member)
    owed = earn(operator, member, sandbox, mall_clock)
    assert owed > 0
    told(member, "user_authorization_cancellation")
    run_jobs()
    assert member.get("/v1/me/addresses").ok()["items"] == []
    mall_clock.advance(20 * DAY)
    member.log_in()
    run_jobs()
    member.get("/v1/me").ok()
    mall_clock.advance(165 * DAY)
    run_jobs()
    assert member_queries.found(member.member_id) is None


def earn(operator: Operator, member: Shopper, sandbox: str, mall_clock: LocalClock) -> int:
    """A customer of the member's buys, and what the member has of it can be withdrawn; how much that is, in fen."""
    code = member.get("/v1/distributor").ok()["invite_code"]
    customer = Shopper.arrive(operator.send, Sandbox(sandbox))
    come_by(customer, code)
    run_jobs()
    order_id = customer.place([(operator.product(price_fen=10_000)["skus"][0]["sku_id"], 1)])["order_id"]
    customer.sandbox.pay(customer.start_payment(order_id), notify="none")
    customer.send(*payment_callback(customer.sandbox, order_id)).ok()
    deliver(operator, customer, order_id)
    completed(mall_clock)
    run_jobs()
    mall_clock.advance(60 * DAY)
    run_jobs()
    member.log_in()
    fen: int = member.get("/v1/distributor").ok()["available_fen"]
    return fen


def test_an_old_word_of_wechats_takes_back_nothing_that_was_given_after_it(
    member: Shopper, mall_clock: LocalClock
) -> None:
    mall_clock.advance(100)
    give_phone(member)
    told(member, "user_authorization_revoke", ago=50, RevokeInfo="8")
    assert shown(member)["phone"] == PHONE
    told(member, "user_authorization_revoke", RevokeInfo="8")
    assert shown(member)["phone"] is None


def test_who_closes_their_account_at_wechat_is_forgotten(member: Shopper) -> None:
    closed = openid(member)
    told(member, "user_authorization_cancellation")
    run_jobs()
    member.get("/v1/me").refused(401, "unauthenticated")
    answer = member.send(*message(closed, "user_authorization_cancellation"))
    assert (answer.status, answer.body) == (200, b"success")
    again = Shopper.arrive(member.send, member.sandbox, member.user)
    assert again.member_id != member.member_id


def test_who_closes_their_account_with_an_order_under_way_gets_it_and_is_forgotten_then(
    member: Shopper, operator: Operator, mall_clock: LocalClock
) -> None:
    order_id = member.place([(operator.product()["skus"][0]["sku_id"], 1)])["order_id"]
    member.sandbox.pay(member.start_payment(order_id), notify="none")
    member.send(*payment_callback(member.sandbox, order_id)).ok()
    for _ in range(2):  # WeChat repeats what it says
        told(member, "user_authorization_cancellation")
    run_jobs()
    assert shown(member) == {"nickname": "", "avatar_url": "", "phone": None}
    assert operator.get(f"/v1/admin/orders/{order_id}").ok()["address"]["detail"] == SHANGHAI["detail"]
    assert len([item for item in tools.scan(Jobs) if item.task.key == member.member_id]) == 1
    operator.ship(order_id)
    for days in (11, 8, 2, 2):  # received by time, completed by time, asked again, and once more
        mall_clock.advance(days * DAY)
        run_jobs()
    member.get("/v1/me").refused(401, "unauthenticated")
    assert SHANGHAI["detail"] not in str(operator.get(f"/v1/admin/orders/{order_id}").ok()["address"])


@pytest.mark.parametrize("event", ["user_authorization_revoke", "user_authorization_cancellation", "wxa_new_event"])
def test_what_wechat_tells_of_nobody_is_answered_and_let_go(member: Shopper, event: str) -> None:
    before = shown(member)
    answer = member.send(*message("o-nobody", event, RevokeInfo="8"))
    assert (answer.status, answer.body) == (200, b"success")
    assert shown(member) == before


def test_nobody_else_speaks_for_wechat(member: Shopper) -> None:
    _, path, headers, body = message(openid(member), "user_authorization_cancellation")
    for wrong_path, wrong_body in (
        (MESSAGES, body), (path.replace("msg_signature=", "msg_signature=0"), body), (path, body[:-9] + b'AAAAAA="}'),
    ):  # fmt: skip
        assert member.send("POST", wrong_path, headers, wrong_body).status == 401
    assert member.send(*message(openid(member), "user_authorization_cancellation", 301)).status == 401
    assert member.send("GET", f"{MESSAGES}?echostr=x&signature=y&timestamp=1&nonce=2", {}, None).status == 401
    run_jobs()
    assert shown(member)["phone"] == PHONE


def test_who_wants_no_personal_offers_gets_those_for_everybody(member: Shopper, operator: Operator) -> None:
    def offered() -> set[str]:
        return {one["template_id"] for one in member.get("/v1/coupon-templates").ok()["items"]}

    for_segment = published(operator, audience={"segments": ["new"]})
    for_all = published(operator)
    assert {for_segment, for_all} <= offered()
    assert member.put("/v1/me/preferences", {"personalised": False}).ok()["personalised"] is False
    assert offered() & {for_segment, for_all} == {for_all}
    member.post(f"/v1/coupon-templates/{for_segment}/claim").refused(422, "not_for_you")
    member.put("/v1/me/preferences", {"personalised": True}).ok()
    assert {for_segment, for_all} <= offered()


def test_the_export_tells_of_links_shares_and_to_whom_one_is_bound(
    member: Shopper, operator: Operator, sandbox: str
) -> None:
    seller = Shopper.arrive(operator.send, Sandbox(sandbox))
    code = distributor(operator, seller)["invite_code"]
    seller.call("PATCH", "/v1/me", {"nickname": "沈老板"}).ok()
    link = seller.post("/v1/distributor/links", {"channel": "moments"}).ok()["token"]
    come_by(member, code)
    run_jobs()
    template = published(operator, how=["share"], share_limit=1)
    token = member.post("/v1/me/coupons/share", {"template_id": template}).ok()["share_token"]
    sections = member.get("/v1/me/export").ok()["sections"]
    assert [one["to"] for one in sections["bound_to"]] == ["沈**"]
    assert {"template_id": template, "share_token": token, "rewards": 0} in sections["coupon_shares"]
    assert [one["token"] for one in seller.get("/v1/me/export").ok()["sections"]["links"]] == [link]
