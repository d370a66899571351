"""The content check of the mini-program's API, against the sandbox: what is found of a text and of a picture."""

from __future__ import annotations

import pytest

from chalicelib.gateways.wechat import mini
from tests.wechat_fixtures import Wechat, refused

PICTURE = "https://thirdwx.qlogo.cn/mmopen/1/132"


@pytest.mark.parametrize("suggest", ["risky", "review"])
def test_a_text_is_found_to_be_what_it_is(wechat: Wechat, suggest: str) -> None:
    wechat.control("content", {"text": "坏词", "suggest": suggest})
    assert mini.check_text("林小鱼", "o-somebody") == "pass"
    assert mini.check_text("一个坏词呢", "o-somebody") == suggest
    wechat.control("content", {"text": "坏词", "suggest": "pass"})
    assert mini.check_text("一个坏词呢", "o-somebody") == "pass"


def test_a_picture_is_looked_at_later_under_a_number_of_its_own(wechat: Wechat) -> None:
    wechat.control("content", {"text": "/1/132", "suggest": "risky"})
    traces = [mini.check_picture(url, "o-somebody") for url in (PICTURE, PICTURE, "https://wx.qlogo.cn/2")]
    told = wechat.control("content/media")["media"]
    assert [(one["trace_id"], one["suggest"]) for one in told] == list(
        zip(traces, ["risky", "risky", "pass"], strict=True)
    )
    assert len(set(traces)) == 3
    assert {one["openid"] for one in told} == {"o-somebody"}


def test_nothing_is_said_of_who_was_not_there_of_late(wechat: Wechat) -> None:
    wechat.control("content", {"text": "鱼", "suggest": "inactive"})
    wechat.control("content", {"text": PICTURE, "suggest": "inactive"})
    assert mini.check_text("林小鱼", "o-somebody") is None
    assert mini.check_picture(PICTURE, "o-somebody") is None
    assert wechat.control("content/media")["media"] == []


@pytest.mark.parametrize("path", ["msg_sec_check", "media_check_async"])
def test_what_fails_may_be_asked_again(wechat: Wechat, path: str) -> None:
    wechat.fault(path, "error")
    asked = mini.check_text if path == "msg_sec_check" else mini.check_picture
    assert refused(lambda: asked(PICTURE, "o-somebody")).passing
    assert asked(PICTURE, "o-somebody")


def test_a_stale_token_is_no_refusal(wechat: Wechat) -> None:
    mini.account.keep("stale", 2**40)
    assert mini.check_text("林小鱼", "o-somebody") == "pass"


def test_what_wechat_would_not_take(wechat: Wechat) -> None:
    assert refused(lambda: mini.check_text("鱼" * 2501, "o-somebody")).code == "47001"
    assert refused(lambda: mini.check_picture("wxfile://a", "o-somebody")).code == "47001"
    wechat.control("content", {"text": "", "suggest": "risky"}, status=400)
