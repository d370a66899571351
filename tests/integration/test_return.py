"""Who deletes their account and comes back is known for 180 days: what each person has once, they have had."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.commerce.coupons.rules import GUESSES_MAX
from chalicelib.core.settings import settings
from chalicelib.customers.members.returning import service as returning
from chalicelib.customers.members.tables import Identities, left_identity, mini_identity
from chalicelib.mall.files.rules import A_DAY_MAX
from chalicelib.platform.store import tools
from local.client import Operator, Sandbox, Shopper, coupon_template
from local.clock import LocalClock
from tests.support.coupons import at_once, fresh
from tests.support.distribution import come_by, complete, deliver, distributor, inviter_of, pay, run_jobs, set_rules
from tests.support.returning import after_following, back, leave, lives, log_in
from tests.support.uploads import begin
from tests.support.withdrawals import balance, earns, owes
from tools import audit

pytestmark = pytest.mark.usefixtures("own_tables")

DAY = 86400
LIVES = 12
TEMPLATES = "/v1/admin/coupon-templates"


#: Who returns logs in at once; or follows the official account first, as they did before they left.
BOTH_WAYS = pytest.mark.parametrize("way", ["login", "follow"], indirect=True)


@pytest.fixture
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "follow":
        after_following(monkeypatch)


@pytest.fixture(autouse=True)
def nothing_remembered(operator: Operator) -> None:
    fresh()


@pytest.fixture
def others(operator: Operator, sandbox: str) -> Callable[[], Shopper]:
    return lambda: Shopper.arrive(operator.send, Sandbox(sandbox))


@pytest.fixture
def agree() -> Iterator[None]:
    """The books say nothing after the test that they did not say before."""
    before = audit.differences(None)
    yield
    assert [one for one in audit.differences(None) if one not in before] == []


def template(operator: Operator, **more: Any) -> str:
    made: str = operator.post(TEMPLATES, coupon_template(**{"total": 100} | more)).ok(201)["template_id"]
    return made


def claim(shopper: Shopper, template_id: str, **body: str) -> Any:
    return shopper.post(f"/v1/coupon-templates/{template_id}/claim", body)


def had(operator: Operator, shopper: Shopper, lines: list[tuple[str, int]]) -> str:
    """The shopper has ordered this, paid and kept it."""
    order_id: str = shopper.place(lines)["order_id"]
    pay(shopper, order_id)
    deliver(operator, shopper, order_id)
    complete(order_id)
    return order_id


def seat(shopper: Shopper, sku: str, **group: Any) -> Any:
    """The shopper has taken a seat, and paid."""
    placed = shopper.take_seat(sku, **group).ok(201)
    pay(shopper, placed["order_id"])
    return placed


@BOTH_WAYS
def test_twelve_lives_get_one_coupon(way: None, operator: Operator, shopper: Shopper, agree: None) -> None:
    once, two = template(operator), template(operator, limit_per_member=2)
    welcome = template(operator, audience={"new_customers": True}, limit_per_member=9)
    newly = template(operator, audience={"segments": ["new"]}, limit_per_member=9)
    told = [[claim(life, each).status for each in (once, two, welcome, newly)] for life in lives(shopper, LIVES)]
    assert told == [[201, 201, 201, 201], [409, 201, 422, 422], *[[409, 409, 422, 422]] * (LIVES - 2)]


@BOTH_WAYS
def test_twelve_lives_have_ten_guesses(way: None, operator: Operator, shopper: Shopper) -> None:
    told = [
        shopper.post("/v1/coupon-codes/redeem", {"code": f"WRNG-{number:04}-{life:04}-AAAA"}).status
        for life, shopper in enumerate(lives(shopper, LIVES))
        for number in range(2)
    ]
    assert told == [404] * GUESSES_MAX + [429] * (2 * LIVES - GUESSES_MAX)


def test_a_friend_of_twelve_lives_brings_one_reward(
    operator: Operator, shopper: Shopper, others: Callable[[], Shopper], agree: None
) -> None:
    shared = template(operator, how=["share"], limit_per_member=50, share_limit=50)
    sharer = others()
    token = sharer.post("/v1/me/coupons/share", {"template_id": shared}).ok()["share_token"]
    told = [claim(life, shared, share_token=token).status for life in lives(shopper, LIVES)]
    run_jobs()
    assert told == [201, *[409] * (LIVES - 1)]
    assert sharer.post("/v1/me/coupons/share", {"template_id": shared}).ok()["rewards"] == 1


@BOTH_WAYS
def test_a_sharer_of_several_lives_has_no_more_rewards_than_the_template_says(
    way: None, operator: Operator, shopper: Shopper, others: Callable[[], Shopper], agree: None
) -> None:
    shared = template(operator, how=["share"], limit_per_member=50, share_limit=3)
    rewards = []
    for life in lives(shopper, 4):
        token = life.post("/v1/me/coupons/share", {"template_id": shared}).ok()["share_token"]
        for _ in range(2):
            claim(others(), shared, share_token=token).ok(201)
        run_jobs()
        rewards.append(life.post("/v1/me/coupons/share", {"template_id": shared}).ok()["rewards"])
    assert rewards == [2, 3, 3, 3]


@pytest.mark.parametrize("bought", [True, False], ids=["bought", "only looked"])
def test_who_returns_has_the_price_for_new_customers_no_more(
    bought: bool, operator: Operator, shopper: Shopper, agree: None
) -> None:
    sku = operator.product(price_fen=5000)["skus"][0]["sku_id"]
    promotion = f"/v1/admin/promotions/p-{secrets.token_hex(6)}"
    operator.put(promotion, {
        "kind": "new_customer_price", "name": "新客价", "prices": [{"sku_id": sku, "price_fen": 100}],
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
    }).ok()  # fmt: skip
    try:
        assert shopper.quote([(sku, 1)])["goods_fen"] - shopper.quote([(sku, 1)])["discount_fen"] == 100
        if bought:
            had(operator, shopper, [(sku, 1)])
        for life in list(lives(shopper, 3))[2:]:
            assert shopper.member_id != life.member_id
            assert life.quote([(sku, 1)])["discount_fen"] == 0
            had(operator, life, [(sku, 1)])
    finally:
        operator.delete(promotion).ok(204)


@BOTH_WAYS
def test_pieces_of_limited_products_and_group_buys_count_on(
    way: None, operator: Operator, shopper: Shopper, others: Callable[[], Shopper], agree: None
) -> None:
    product = operator.product(limit_per_member=3)
    sku = product["skus"][0]["sku_id"]
    activity = operator.group_activity({2: 900}, limit_per_member=1)
    joined = operator.group_activity({2: 900}, new_customers_only=True)
    group, new_only = activity["prices"][0]["sku_id"], joined["prices"][0]["sku_id"]
    had(operator, shopper, [(sku, 2)])
    lead = seat(shopper, group, activity_id=activity["activity_id"])
    seat(others(), group, lobby_id=lead["group"]["lobby_id"])
    run_jobs()
    deliver(operator, shopper, lead["order_id"])
    complete(lead["order_id"])
    for life in lives(shopper, 3):
        if life is shopper:
            continue
        body = life.order_body([(sku, 1)]) | {"lines": [{"sku_id": sku, "quantity": 2}], "expected_payable_fen": 3980}
        refused = life.post("/v1/orders", body, key=secrets.token_hex(8)).refused(422, "purchase_limit")
        assert refused["errors"][0]["left"] == 1
        life.take_seat(group, activity_id=activity["activity_id"]).refused(422, "purchase_limit")
        lead = seat(others(), new_only, activity_id=joined["activity_id"])
        life.take_seat(new_only, lobby_id=lead["group"]["lobby_id"]).refused(422, "not_for_you")
        shown = life.get("/v1/me/export").ok()["sections"]
        assert shown["limited_products"] == [{"product_id": product["product_id"], "pieces": 2}]
        assert shown["group_purchases"] == [{"activity_id": activity["activity_id"], "pieces": 1}]
    had(operator, life, [(sku, 1)])


@BOTH_WAYS
def test_where_they_were_and_what_they_did_not_want_count_on(way: None, operator: Operator, shopper: Shopper) -> None:
    asked = {"name": "旅程", "entry": {"api": True}, "first": "rest", "steps": {"rest": {"wait": {"days": 9}}}}
    journey = f"/v1/admin/journeys/{operator.post('/v1/admin/journeys', asked).ok(201)['journey_id']}"
    operator.post(f"{journey}/publish").ok()
    shopper.put("/v1/me/preferences", {"marketing": False}).ok()
    for number, life in enumerate(lives(shopper, 3)):
        told = operator.post(f"{journey}/enter", {"members": [life.member_id]}, key=secrets.token_hex(8)).ok()
        assert told["refused"] == ({"re_entry": 1} if number else {})
        assert life.get("/v1/me/preferences").ok()["marketing"] is False


@BOTH_WAYS
def test_a_binding_for_ever_outlasts_the_account(
    way: None, operator: Operator, shopper: Shopper, others: Callable[[], Shopper], agree: None
) -> None:
    set_rules(operator, protection_days=0, bind_on="first_visit")
    try:
        first, second = others(), others()
        codes = [distributor(operator, one)["invite_code"] for one in (first, second)]
        come_by(shopper, codes[0])
        run_jobs()
        sku = operator.product()["skus"][0]["sku_id"]
        had(operator, shopper, [(sku, 1)])
        run_jobs()
        for _ in range(2):
            leave(shopper)
            shopper = back(shopper, inviter=codes[1])
            run_jobs()
            assert inviter_of(shopper) == first.member_id
        had(operator, shopper, [(sku, 1)])
        run_jobs()
        commissions = first.get("/v1/distributor/commissions").ok()["items"]
        assert len(commissions) == 2
        assert second.get("/v1/distributor/commissions").ok()["items"] == []
    finally:
        set_rules(operator, enabled=False)


@BOTH_WAYS
def test_a_debt_is_charged_to_who_returns_as_a_distributor(way: None, operator: Operator, shopper: Shopper) -> None:
    set_rules(operator)
    try:
        distributor(operator, shopper)
        owes(shopper, 70)
        assert balance(shopper) == (-70, 0, 0)
        for _ in range(2):  # once they have only looked
            leave(shopper)
            gone, shopper = shopper, back(shopper)
            assert (balance(gone), balance(shopper)) == ((0, 0, 0), (0, 0, 0))
        for _ in range(2):
            distributor(operator, shopper)
        assert balance(shopper) == (-70, 0, 0)
        (line,) = operator.get(f"/v1/admin/distributors/{shopper.member_id}/ledger").ok()["items"]
        assert (line["what"], line["cause"]) == ("debt_charged", "charged")
        assert sum(posting["amount_fen"] for posting in line["postings"]) == 0
        leave(shopper)
        last = back(shopper)
        distributor(operator, last)
        assert balance(last) == (-70, 0, 0)
        members = {gone.member_id, shopper.member_id, last.member_id}
        assert [one for one in audit.differences(None) if one.about.partition(" ")[0] in members] == []
    finally:
        set_rules(operator, enabled=False)


def test_a_debt_is_charged_once_however_late_it_is_handed_on(
    operator: Operator, shopper: Shopper, others: Callable[[], Shopper]
) -> None:
    set_rules(operator)
    try:
        distributor(operator, shopper)
        owes(shopper, 70)
        leave(shopper)
        second = back(shopper)
        distributor(operator, second)
        earns(second, 70)
        assert balance(second) == (0, 0, 0)
        returning.hand_on(shopper.member_id, second.member_id)
        leave(second)
        third = back(second)
        returning.hand_on(second.member_id, third.member_id)
        distributor(operator, third)
        assert balance(third) == (0, 0, 0)
        owes(third, 30)
        leave(third)
        fourth = back(third)
        returning.hand_on(second.member_id, third.member_id)
        distributor(operator, fourth)
        assert balance(fourth) == (-30, 0, 0)
        members = {one.member_id for one in (shopper, second, third, fourth)}
        assert [one for one in audit.differences(None) if one.about.partition(" ")[0] in members] == []
    finally:
        set_rules(operator, enabled=False)


@BOTH_WAYS
def test_uploads_of_a_day_are_those_of_the_person(
    way: None, operator: Operator, shopper: Shopper, mall_clock: LocalClock
) -> None:
    body = {"purpose": "review", "content_type": "image/png", "size": 1}
    for number, life in enumerate(lives(shopper, 4)):
        if number == 3:
            for _ in range(A_DAY_MAX - 3):
                begin(life, "review")
            late = life.post("/v1/uploads", body)
            late.refused(429, "too_many_requests")
        else:
            begin(life, "review")
            run_jobs()
    former, last = shopper.member_id, life.member_id
    returning.hand_on(former, last)
    assert life.post("/v1/uploads", body).status == 429
    mall_clock.advance(int(late.headers["retry-after"]))
    begin(life, "review")


def test_after_180_days_they_are_new_again(operator: Operator, shopper: Shopper, mall_clock: LocalClock) -> None:
    product = operator.product(limit_per_member=1)
    sku = product["skus"][0]["sku_id"]
    once, welcome = template(operator), template(operator, audience={"new_customers": True})
    claim(shopper, once).ok(201)
    had(operator, shopper, [(sku, 1)])
    leave(shopper)
    run_jobs()
    mall_clock.advance(179 * DAY)
    returned = back(shopper)
    claim(returned, once).refused(409, "claim_limit")
    claim(returned, welcome).refused(422, "not_for_you")
    leave(returned)
    mall_clock.advance(180 * DAY + 1)
    assert log_in(shopper)["is_new"]
    fresh_start = back(shopper)
    fresh()
    claim(fresh_start, once).ok(201)
    claim(fresh_start, welcome).ok(201)
    fresh_start.place([(sku, 1)])


def test_what_is_kept_of_who_left_says_nothing_of_them(operator: Operator, shopper: Shopper) -> None:
    """Nor can who reads the tables alone try out whose it is: it takes the mall's key."""
    openid = shopper.get("/v1/me/export").ok()["sections"]["profile"][0]["openid"]
    operator.post(f"/v1/admin/members/{shopper.member_id}/block", {"reason": "李四 13756168064"}).ok()
    shopper.log_in()
    leave(shopper)
    identity = mini_identity(settings().wechat_appid, openid)
    assert [raw for raw in tools.scan_raw(Identities) if openid in str(raw) or "13756168064" in str(raw)] == []
    mine = [raw for raw in tools.scan_raw(Identities) if raw.get("member_id", {}).get("S") == shopper.member_id]
    assert [raw["identity"]["S"] for raw in mine] == [left_identity(identity)]


def test_a_block_outlasts_the_account_for_ever_without_the_operators_words(
    operator: Operator, shopper: Shopper, mall_clock: LocalClock
) -> None:
    once = template(operator)
    operator.post(f"/v1/admin/members/{shopper.member_id}/block", {"reason": "李四 13756168064"}).ok()
    shopper.log_in()
    for days in (1, 200, 1):
        leave(shopper)
        mall_clock.advance(days * DAY)
        shopper = back(shopper)
        claim(shopper, once).refused(403, "member_blocked")
        (profile,) = shopper.get("/v1/me/export").ok()["sections"]["profile"]
        assert "13756168064" not in str(profile)
    operator.post(f"/v1/admin/members/{shopper.member_id}/unblock").ok()
    leave(shopper)
    claim(back(shopper), once).ok(201)


def test_a_block_that_an_older_version_kept_still_holds(operator: Operator, shopper: Shopper) -> None:
    from chalicelib.core import clock
    from chalicelib.customers.members.rules import Block
    from chalicelib.customers.members.tables import blocked_identity
    from chalicelib.platform.store import read
    from chalicelib.platform.store.transaction import remove, save

    once = template(operator)
    openid = shopper.get("/v1/me/export").ok()["sections"]["profile"][0]["openid"]
    identity = mini_identity(settings().wechat_appid, openid)
    leave(shopper)
    remove(Identities, (left_identity(identity),))
    save(Identities(blocked_identity(identity), blocked=Block("李四 13756168064", clock.now())))
    returned = back(shopper)
    claim(returned, once).refused(403, "member_blocked")
    assert read.get(Identities, blocked_identity(identity)) is None
    assert "13756168064" not in str(returned.get("/v1/me/export").ok())


def log_in_again(shopper: Shopper) -> Any:
    return log_in(shopper)


def test_who_returns_twice_at_once_is_one_member_with_what_counts_once(
    operator: Operator, shopper: Shopper, mall_clock: LocalClock, agree: None
) -> None:
    twice = template(operator, limit_per_member=3)
    claim(shopper, twice).ok(201)
    for _ in range(10):
        mall_clock.advance(60)  # a person may log in so often within a minute
        leave(shopper)
        answers: list[Any] = at_once(log_in_again, [shopper] * 4, threads=4)
        assert {answer["is_new"] for answer in answers} == {False}
        (member_id,) = {answer["member"]["member_id"] for answer in answers}
        shopper = Shopper(shopper.send, shopper.sandbox, shopper.user, answers[0]["token"], member_id)
    assert [claim(shopper, twice).status for _ in range(3)] == [201, 201, 409]


def test_what_is_handed_on_late_takes_nothing_from_what_was_counted_since(operator: Operator, shopper: Shopper) -> None:
    """As by a second login that was slow: what is there stays."""
    twice = template(operator, limit_per_member=2)
    claim(shopper, twice).ok(201)
    leave(shopper)
    returned = back(shopper)
    claim(returned, twice).ok(201)
    returning.hand_on(shopper.member_id, returned.member_id)
    claim(returned, twice).refused(409, "claim_limit")
