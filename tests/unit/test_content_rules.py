"""What of a profile others see: what passed WeChat's check last; and where a member's picture may lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.customers.members.content.rules import (
    ASKS_MAX,
    VERDICT_WITHIN,
    PictureRules,
    asked,
    asks_now,
    check_address,
    is_due,
    judged,
    pictures,
    said,
)
from chalicelib.customers.members.rules import NAMELESS, Profile, stranger_name

NOW = datetime(2026, 11, 29, tzinfo=UTC)
A, B = "https://thirdwx.qlogo.cn/a", "https://mmbiz.qpic.cn/b"


def profile(**more: Any) -> Profile:
    return Profile(member_id="m1", openid="o1", joined_at=NOW, **more)


@pytest.mark.parametrize(
    "url",
    [
        "https://thirdwx.qlogo.cn/mmopen/vi_32/Q0j4TwGTfTKxx/132", "https://wx.qlogo.cn/x/0", "https://mmbiz.qpic.cn/m/0?wx_fmt=png",
        "https://THIRDWX.qlogo.cn/x", "https://pics.shop.example/a.png",
    ],
)  # fmt: skip
def test_a_picture_lies_at_wechat_or_where_the_merchant_says(url: str) -> None:
    check_address(url, ["pics.shop.example"], "avatar_url")


@pytest.mark.parametrize(
    "url",
    [
        "http://tracker.evil.example/p.gif?lobby=1", "https://tracker.evil.example/p.gif", "http://thirdwx.qlogo.cn/x",
        "http://169.254.169.254/latest", "http://127.0.0.1:8003/", "https://user:pass@thirdwx.qlogo.cn/x",
        "https://thirdwx.qlogo.cn@evil/x", "https://thirdwx.qlogo.cn:8443/x", "https://thirdwx.qlogo.cn.evil.example/x",
        "https://evil/\"><script>", "https://thirdwx.qlogo.cn/\"><script>", "https://thirdwx\u202e.qlogo.cn/x",
        "https://thirdwx.qlogo.cn\u00a0/x", "https://thirdwx.qlogo.cn\\@evil/x", "//thirdwx.qlogo.cn/x", "javascript:0",
        "data:image/png;base64,AA", "file:///etc/passwd", "thirdwx.qlogo.cn/x", "https://thirdwx.qlogo.cn/a b",
        "https://thirdwx.qlogo.cn/a\n", "https://xthirdwx.qlogo.cn/x",
    ],
)  # fmt: skip
def test_a_picture_lies_nowhere_else(url: str) -> None:
    with pytest.raises(MallError) as refusal:
        check_address(url, [], "avatar_url")
    assert [(one.field, one.reason.code) for one in refusal.value.errors] == [("avatar_url", "picture_elsewhere")]


@pytest.mark.parametrize("url", ["wxfile://tmp_1.png", "http://tmp/abcDEF.jpeg", "http://usr/avatar.png"])
def test_a_picture_on_the_phone_is_to_be_uploaded(url: str) -> None:
    with pytest.raises(MallError) as refusal:
        check_address(url, [], "avatar_url")
    (error,) = refusal.value.errors
    assert error.reason.code == "picture_not_uploaded"
    assert all("POST /v1/uploads" in error.text(language, {}) for language in ("zh", "en"))


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a:80", "u@h", "图.example", "a\n"])
def test_a_host_is_letters_digits_dots_and_hyphens(host: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"hosts": [host]}, PictureRules)


def test_others_see_the_former_name_until_the_new_one_has_passed() -> None:
    before = profile(nickname="林小鱼", shown_nickname="林小鱼")
    waiting = said(before, {"nickname": "沈知鱼"})
    assert (waiting.nickname, stranger_name(waiting)) == ("沈知鱼", "林**")
    assert stranger_name(judged(waiting, "nickname", "沈知鱼", "pass")) == "沈**"
    for suggest in ("risky", "review"):
        refused = judged(waiting, "nickname", "沈知鱼", suggest)
        assert (refused.nickname, stranger_name(refused)) == ("沈知鱼", "林**")
        assert not is_due(refused, "nickname")
        assert is_due(said(refused, {"nickname": "又一个"}), "nickname")


def test_nobody_sees_what_never_passed() -> None:
    assert stranger_name(None) == stranger_name(profile(nickname="林小鱼")) == NAMELESS
    assert profile(avatar_url="http://tracker.evil.example/p.gif").shown_avatar_url == ""


def test_a_picture_that_is_risky_gives_way_to_the_one_before() -> None:
    waiting = said(profile(avatar_url=A, shown_avatar_url=A), {"avatar_url": B})
    assert pictures(waiting) == {A, B}
    after = judged(waiting, "avatar_url", B, "risky")
    assert (after.avatar_url, after.shown_avatar_url) == (A, A)
    assert judged(waiting, "avatar_url", B, "review").avatar_url == B


def test_what_is_emptied_is_seen_by_nobody_at_once() -> None:
    after = said(
        profile(nickname="林", shown_nickname="林", avatar_url=A, shown_avatar_url=A),
        {"nickname": "", "avatar_url": ""},
    )
    assert stranger_name(after) == NAMELESS
    assert pictures(after) == set()


def test_wechat_is_asked_again_after_half_an_hour_and_not_for_ever() -> None:
    one, now = said(profile(), {"avatar_url": A}), NOW
    for _ in range(ASKS_MAX):
        assert asks_now(one, now)
        one = asked(one, "t", now)
        assert not asks_now(one, now + VERDICT_WITHIN - timedelta(seconds=1))
        now += VERDICT_WITHIN
    assert not asks_now(one, now + timedelta(days=1))
    assert asks_now(said(one, {"avatar_url": B}), now)


_VALUES = st.sampled_from(["", A, B, "https://wx.qlogo.cn/c"])
_DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), _VALUES),
        st.tuples(st.just("judge"), _VALUES, st.sampled_from(["pass", "review", "risky"])),
    ),
    max_size=12,
)


@given(_DEEDS)
def test_whatever_happens_others_see_only_what_passed_and_what_was_said(deeds: list[Any]) -> None:
    one, passed, told = profile(), {""}, {""}
    for deed in deeds:
        if deed[0] == "say":
            one = said(one, {"avatar_url": deed[1]})
            told.add(deed[1])
            if not deed[1]:
                assert one.shown_avatar_url == ""
        else:
            _, value, suggest = deed
            if suggest == "pass" and one.avatar_url == value:
                passed.add(value)
            one = judged(one, "avatar_url", value, suggest)
        assert one.shown_avatar_url in passed & told
