"""What strangers see of a member: what WeChat's check has let pass; asked by jobs, its verdicts taken by trace_id."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import pytest

from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.content import service as content
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.customers.members.rules import NAMELESS, stranger_name
from chalicelib.customers.members.tables import Members, profile_key
from chalicelib.platform.jobs import worker
from chalicelib.platform.store.transaction import Transaction
from local.client import Operator, Shopper
from local.clock import LocalClock
from local.notices import message
from tests.support.uploads import upload

PICTURE = "https://thirdwx.qlogo.cn/mmopen/{}/132"


@pytest.fixture
def word(shopper: Shopper) -> str:
    """A word that only this test says."""
    return f"鱼{secrets.token_hex(4)}"


def work(mall_clock: LocalClock, seconds: float = 0) -> None:
    mall_clock.advance(seconds)
    while worker.run_due():
        pass


def say(shopper: Shopper, **fields: str) -> Any:
    return shopper.call("PATCH", "/v1/me", fields).ok()


def found(shopper: Shopper, text: str, suggest: str) -> None:
    """From now on WeChat finds this of what holds that text."""
    shopper.sandbox.post("content", {"text": text, "suggest": suggest})


def name_of(shopper: Shopper) -> str:
    return stranger_name(member_queries.profile(shopper.member_id))


def picture_of(shopper: Shopper) -> str:
    return member_queries.profile(shopper.member_id).shown_avatar_url


def checks_of(shopper: Shopper, url: str) -> list[Any]:
    return [one for one in shopper.sandbox.get("content/media")["media"] if one["media_url"] == url]


def test_a_name_is_seen_when_it_has_passed(shopper: Shopper, word: str, mall_clock: LocalClock) -> None:
    assert say(shopper, nickname=word)["nickname"] == word
    assert name_of(shopper) == NAMELESS
    work(mall_clock)
    assert name_of(shopper) == "鱼**"


@pytest.mark.parametrize("suggest", ["risky", "review"])
def test_a_name_that_does_not_pass_leaves_the_former_one(
    shopper: Shopper, word: str, mall_clock: LocalClock, suggest: str
) -> None:
    say(shopper, nickname="林小鱼")
    work(mall_clock)
    found(shopper, word, suggest)
    assert say(shopper, nickname=word)["nickname"] == word
    work(mall_clock)
    assert (shopper.get("/v1/me").ok()["nickname"], name_of(shopper)) == (word, "林**")


def test_who_was_not_there_of_late_is_looked_at_when_they_come_again(
    shopper: Shopper, word: str, mall_clock: LocalClock
) -> None:
    found(shopper, word[1:], "inactive")
    say(shopper, nickname=word, avatar_url=PICTURE.format(word[1:]))
    work(mall_clock)
    assert name_of(shopper) == NAMELESS
    found(shopper, word[1:], "pass")
    work(mall_clock, 3600)
    assert name_of(shopper) == NAMELESS
    Shopper.arrive(shopper.send, shopper.sandbox, shopper.user)
    work(mall_clock)
    assert name_of(shopper) == "鱼**"
    assert len(checks_of(shopper, PICTURE.format(word[1:]))) == 1


@pytest.mark.parametrize("kind", ["error", "timeout_after_effect"])
def test_wechat_that_is_down_is_asked_again(shopper: Shopper, word: str, mall_clock: LocalClock, kind: str) -> None:
    shopper.sandbox.fault("/wxa/msg_sec_check", kind, **({} if kind == "error" else {"seconds": 6}))
    say(shopper, nickname=word)
    work(mall_clock)
    assert name_of(shopper) == NAMELESS
    work(mall_clock, 60)
    assert name_of(shopper) == "鱼**"


def test_a_picture_is_seen_when_its_verdict_has_come(
    shopper: Shopper, word: str, operator: Operator, mall_clock: LocalClock
) -> None:
    url = upload(shopper)
    assert say(shopper, avatar_url=url)["avatar_url"] == url
    work(mall_clock)
    assert picture_of(shopper) == ""
    (check,) = checks_of(shopper, url)
    assert check["suggest"] == "pass"
    for _ in range(2):  # WeChat may tell it twice
        content.take_verdict(check["trace_id"], check["suggest"])
        assert picture_of(shopper) == url


def tell(shopper: Shopper, event: str, **fields: Any) -> None:
    """WeChat tells the mall an event of the shopper's."""
    openid = member_queries.profile(shopper.member_id).openid
    assert shopper.send(*message(openid, event, **fields)).status == 200


def test_wechat_tells_its_verdict_by_an_event(shopper: Shopper, word: str, mall_clock: LocalClock) -> None:
    url = PICTURE.format(word[1:])
    say(shopper, avatar_url=url)
    work(mall_clock)
    trace_id = checks_of(shopper, url)[0]["trace_id"]
    passed = {"suggest": "pass", "label": 100}
    tell(shopper, "wxa_media_check", trace_id=trace_id, errcode=-1008, result=passed)
    tell(shopper, "wxa_media_check", trace_id=trace_id, errcode=0)
    tell(shopper, "wxa_media_check", errcode=0, result=passed)
    assert picture_of(shopper) == ""
    tell(shopper, "wxa_media_check", trace_id=trace_id, errcode=0, result=passed)
    assert picture_of(shopper) == url


def test_what_a_shopper_takes_back_in_wechat_nobody_sees_any_more(
    shopper: Shopper, word: str, mall_clock: LocalClock
) -> None:
    say(shopper, nickname=word, avatar_url=PICTURE.format(word[1:]))
    work(mall_clock)
    content.take_verdict(checks_of(shopper, PICTURE.format(word[1:]))[0]["trace_id"], "pass")
    assert (name_of(shopper), picture_of(shopper)) == ("鱼**", PICTURE.format(word[1:]))
    tell(shopper, "user_authorization_revoke", RevokeInfo="6")
    assert (name_of(shopper), picture_of(shopper)) == (NAMELESS, "")


def test_a_risky_picture_gives_way_to_the_one_before(shopper: Shopper, word: str, mall_clock: LocalClock) -> None:
    first, second = (PICTURE.format(f"{word[1:]}-{number}") for number in (1, 2))
    for url, suggest in ((first, "pass"), (second, "risky")):
        say(shopper, avatar_url=url)
        work(mall_clock)
        content.take_verdict(checks_of(shopper, url)[0]["trace_id"], suggest)
        assert picture_of(shopper) == first
    assert shopper.get("/v1/me").ok()["avatar_url"] == first


def test_a_verdict_of_a_former_picture_changes_nothing(shopper: Shopper, word: str, mall_clock: LocalClock) -> None:
    first, second = (PICTURE.format(f"{word[1:]}-{number}") for number in (1, 2))
    for url in (first, second):
        say(shopper, avatar_url=url)
        work(mall_clock)
    for suggest in ("pass", "risky"):
        content.take_verdict(checks_of(shopper, first)[0]["trace_id"], suggest)
    assert (picture_of(shopper), shopper.get("/v1/me").ok()["avatar_url"]) == ("", second)
    content.take_verdict("nobody-knows-it", "pass")


def test_a_verdict_that_does_not_come_is_asked_for_again_after_half_an_hour(
    shopper: Shopper, word: str, mall_clock: LocalClock
) -> None:
    url = PICTURE.format(word[1:])
    say(shopper, avatar_url=url)
    for asked, seconds in ((1, 0), (1, 1700), (2, 200), (2, 1700), (3, 200)):
        work(mall_clock, seconds)
        assert len(checks_of(shopper, url)) == asked
    content.take_verdict(checks_of(shopper, url)[-1]["trace_id"], None)
    assert picture_of(shopper) == ""
    content.take_verdict(checks_of(shopper, url)[0]["trace_id"], "pass")
    assert picture_of(shopper) == url
    work(mall_clock, 7200)
    assert len(checks_of(shopper, url)) == 3


def test_a_picture_of_an_older_profile_that_lies_anywhere_is_shown_to_nobody(
    shopper: Shopper, word: str, mall_clock: LocalClock
) -> None:
    url = f"http://tracker.evil.example/{word}.gif"
    old = member_queries.stored_profile(shopper.member_id)
    tx = Transaction()
    actions = [Members.profile.set(msgspec.structs.replace(old.value, avatar_url=url, nickname=word))]
    tx.update(*profile_key(shopper.member_id), actions)
    tx.commit()
    Shopper.arrive(shopper.send, shopper.sandbox, shopper.user)
    work(mall_clock)
    assert (picture_of(shopper), name_of(shopper), checks_of(shopper, url)) == ("", "鱼**", [])


def test_a_merchant_lets_further_hosts_in(shopper: Shopper, word: str, operator: Operator) -> None:
    url = f"https://pics.shop.example/{word[1:]}.png"
    errors = shopper.call("PATCH", "/v1/me", {"avatar_url": url}).refused(400, "malformed")["errors"]
    assert [(one["field"], one["code"]) for one in errors] == [("avatar_url", "picture_elsewhere")]
    operator.put("/v1/admin/settings/member_pictures", {"hosts": ["pics.shop.example"]}).ok()
    try:
        assert say(shopper, avatar_url=url)["avatar_url"] == url
    finally:
        operator.put("/v1/admin/settings/member_pictures", {"hosts": []}).ok()


def test_who_has_left_is_looked_at_no_more(shopper: Shopper, word: str, mall_clock: LocalClock) -> None:
    url = PICTURE.format(word[1:])
    say(shopper, nickname=word, avatar_url=url)
    privacy.erase(shopper.member_id)
    work(mall_clock)
    assert checks_of(shopper, url) == []
