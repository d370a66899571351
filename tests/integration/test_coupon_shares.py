"""Coupons that come by others: shared with friends, and after a purchase."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.commerce.coupons.rules import Held, Template
from chalicelib.commerce.coupons.sharing import service as sharing
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.commerce.orders.jobs import COMPLETED
from chalicelib.core import clock, ids
from chalicelib.customers.members import queries as member_queries
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import LEASE_SECONDS
from chalicelib.platform.store.transaction import Transaction
from local.client import Client
from local.jobs import forget_all
from tests.support.coupons import at_once, coupons_of, crowd, figures, fresh, member, shopper, template, told
from tests.support.outside import POINTS, Crash, Mode, boundary, may_change


@pytest.fixture(autouse=True)
def nothing_remembered(dynamodb: str) -> Iterator[None]:
    fresh()
    forget_all()
    yield
    for each in template_queries.offered("purchase"):
        templates.pause(each.template_id)


def shared(**more: Any) -> Template:
    return template(**{"how": ["share"], "limit_per_member": 3, "share_limit": 2, "total": 100, **more})


def of(member_id: str, made: Template) -> int:
    return sum(each.coupon.template_id == made.template_id for each in coupons_of(member_id))


def completed(member_id: str, order_id: str = "") -> str:
    tx = Transaction()
    order_id = order_id or ids.new("o")
    emit(tx, COMPLETED, order_id, member_id=member_id, at=clock.stamp(clock.now()))
    tx.commit()
    return order_id


def test_a_friend_claims_and_the_sharer_gets_one() -> None:
    made, sharer_id, friend_id = shared(), member(), member()
    sharer, friend = shopper(sharer_id), shopper(friend_id)
    path = f"/v1/coupon-templates/{made.template_id}/claim"
    told_of = sharer.post("/v1/me/coupons/share", {"template_id": made.template_id}).ok()
    token = told_of["share_token"]
    assert told_of == {"share_token": token, "template_id": made.template_id, "rewards": 0, "share_limit": 2}
    assert len(token) <= 32  # fits the scene of a mini-program's code
    friend.post(path, {}).refused(404, "not_found")  # only by a friend
    friend.post(path, {"share_token": token}).ok(201)
    problem = friend.post(path, {"share_token": token}).refused(409, "claim_limit")
    assert problem["detail"] == "好友分享的“五元券”每人只能领 1 次，您已领过"
    problem = sharer.post(path, {"share_token": token}).refused(422, "not_for_you")
    assert problem["detail"] == "不能领取自己分享的优惠券，请发给好友领取"
    problem = friend.post(path, {"share_token": "s404"}).refused(422, "invalid")
    assert (problem["errors"][0]["field"], problem["detail"]) == ("share_token", "分享链接无效，请让好友重新分享")
    worker.run_due()
    assert (of(friend_id, made), of(sharer_id, made)) == (1, 1)
    assert sharer.post("/v1/me/coupons/share", {"template_id": made.template_id}).ok() == {**told_of, "rewards": 1}
    assert sharer.get("/v1/me/coupons").ok()["items"][0]["template_id"] == made.template_id


def test_no_more_for_the_sharer_than_the_template_says() -> None:
    made, sharer = shared(), member()
    token = sharing.share(sharer, made.template_id).token
    friends = crowd(6)
    answers = at_once(lambda each: sharing.claim(each, made.template_id, token), friends, threads=6)
    assert all(isinstance(each, Held) for each in answers)
    worker.run_due()
    assert (of(sharer, made), [of(each, made) for each in friends]) == (2, [1] * 6)
    assert sharing.share(sharer, made.template_id).rewards == 2
    assert figures(made) == (8, 92)
    assert queue.counts().due == 0


def test_a_friend_claims_once_whoever_shared_it() -> None:
    made = shared()
    first, second, friend = crowd(3)
    tokens = [sharing.share(each, made.template_id).token for each in (first, second)]
    answers = at_once(lambda token: sharing.claim(friend, made.template_id, token), tokens * 3, threads=6)
    assert Counter(each if isinstance(each, str) else "got" for each in answers) == {"got": 1, "claim_limit": 5}
    worker.run_due()
    assert of(first, made) + of(second, made) == 1


def test_what_is_no_token_of_this_template() -> None:
    made, other, somebody = shared(), shared(), member()
    token = sharing.share(member(), other.template_id).token
    for wrong in (token, "s404"):
        assert told(lambda wrong=wrong: sharing.claim(somebody, made.template_id, wrong)) == "invalid"
    client: Client = shopper(somebody)
    for template_id in ("t404", template().template_id):
        client.post("/v1/me/coupons/share", {"template_id": template_id}).refused(404, "not_found")


@pytest.mark.parametrize("mode", POINTS)
def test_at_whichever_write_a_reward_is_cut_off_it_is_given_once(mode: Mode, advance: Callable[[float], None]) -> None:
    struck, at = True, 0
    while struck:
        at += 1
        made, sharer = shared(), member()
        token = sharing.share(sharer, made.template_id).token
        assert isinstance(told(lambda: sharing.claim(member(), made.template_id, token)), Held)  # noqa: B023
        with boundary() as outside, contextlib.suppress(Crash):
            outside.arm(at, mode, may_change)
            worker.run_due()
        struck = outside.struck
        advance(LEASE_SECONDS + 1)
        worker.run_due()
        assert (of(sharer, made), sharing.share(sharer, made.template_id).rewards) == (1, 1), at
    assert at > 3  # taken under a lease, given, counted and ended


def test_one_of_every_such_template_for_every_order() -> None:
    first, second = (template(how=["purchase"], limit_per_member=3) for _ in range(2))
    template(how=["purchase"], publish=False)
    fresh()
    somebody = member()
    order_id = completed(somebody)
    worker.run_due()
    assert (of(somebody, first), of(somebody, second)) == (1, 1)
    completed(somebody, order_id)
    worker.run_due()
    assert (of(somebody, first), of(somebody, second)) == (1, 1)
    for _ in range(4):
        completed(somebody)
    worker.run_due()
    assert (of(somebody, first), of(somebody, second)) == (3, 3)
    assert member_queries.profile(somebody).orders_completed == 6  # the other subscriber has its own job
    assert queue.counts().due == 0


def test_nobody_gets_none_and_the_job_ends() -> None:
    made = template(how=["purchase"], total=1)
    fresh()
    for member_id in ("m404", *crowd(2)):
        completed(member_id)
    worker.run_due()
    assert figures(made) == (1, 0)
    assert queue.counts().due == 0
