"""Messages of the mini-program and of the official account, against the sandbox: every form of them is sent, or refused
as WeChat refuses it; and what WeChat tells of them afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from chalicelib.core import ids
from chalicelib.gateways.wechat import messages, mini, oa
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.gateways.wechat.messages import Choice, Ended, Message
from local.client import poll
from tests import wechat_fixtures
from tests.wechat_fixtures import Wechat, refused

GROUP = {"thing1": "龙井茶 250g", "phrase2": "还差一人", "thing3": "两小时后结束"}
PAGE = "pages/order?id=1&m=m-1"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wechat]:
    """A sandbox that tells the merchant's server by itself."""
    with wechat_fixtures.wechat(tmp_path_factory.mktemp("wechat"), told=True) as started:
        yield started


@pytest.fixture(autouse=True)
def fresh_tokens(wechat: Wechat) -> None:
    oa.account.forget()


def agrees(wechat: Wechat, user: str = "anna", template_id: str = "sub-group", accept: bool = True) -> str:
    """The user is asked for one message more; their openid."""
    asked = {"user": user, "template_id": template_id, "accept": accept}
    return str(wechat.control("subscribe", asked)["openid"])


def follows(wechat: Wechat, user: str = "anna") -> str:
    return str(wechat.control("oa/follow", {"user": user})["openid"])


def outbox(wechat: Wechat) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = wechat.control("outbox")["items"]
    return [{name: value for name, value in item.items() if name != "at"} for item in items]


def heard(wechat: Wechat) -> list[Message]:
    """What the merchant's server was told, read by the mall's own client."""
    found = []
    for headers, body in wechat.merchant.calls:
        query = dict(part.split("=", 1) for part in headers[":path"].partition("?")[2].split("&"))
        found.append(messages.read_message(query, body))
    return found


def send_group(openid: str, **changed: Any) -> None:
    mini.send_subscribe(openid, changed.get("template_id", "sub-group"), changed.get("data", GROUP), PAGE)


def refusal(call: Callable[[], Any]) -> tuple[str, bool, bool]:
    fault = refused(call)
    return fault.code, fault.retryable, fault.outcome_unknown


FINAL = (False, False)


# --- subscribe messages -----------------------------------------------------------------------------


def test_one_yes_is_one_message(wechat: Wechat) -> None:
    openid = agrees(wechat)
    send_group(openid)
    assert refusal(lambda: send_group(openid)) == ("43101", *FINAL)
    for _ in range(2):
        agrees(wechat)
    for _ in range(2):
        mini.send_subscribe(openid, "sub-group", GROUP, "")
    assert refusal(lambda: send_group(openid)) == ("43101", *FINAL)
    text = "商品：龙井茶 250g\n状态：还差一人\n备注：两小时后结束"
    sent = {
        "medium": "subscribe", "to": "anna", "purpose": "transactional", "template_id": "sub-group", "text": text,
        "message_id": "m-1",
    }  # fmt: skip
    assert outbox(wechat) == [sent, *2 * [{**sent, "message_id": ""}]]


def test_no_is_no_message_and_a_yes_is_for_one_template_and_one_user(wechat: Wechat) -> None:
    openid = agrees(wechat, accept=False)
    agrees(wechat, template_id="sub-notice")
    agrees(wechat, user="bert")
    assert refusal(lambda: send_group(openid)) == ("43101", *FINAL)
    assert outbox(wechat) == []


def test_what_wechat_does_not_take(wechat: Wechat) -> None:
    openid = agrees(wechat)
    follower = follows(wechat)
    assert refusal(lambda: send_group("o-nobody")) == ("40003", *FINAL)
    assert refusal(lambda: send_group(follower)) == ("40003", *FINAL)
    assert refusal(lambda: send_group(openid, template_id="made-up")) == ("40037", *FINAL)
    assert refusal(lambda: send_group(openid, template_id="oa-group")) == ("40037", *FINAL)
    for data in ({}, GROUP | {"thing1": ""}, GROUP | {"thing4": "x"}, GROUP | {"phrase2": "六个汉字太长"}):
        assert refusal(partial(send_group, openid, data=data)) == ("47003", *FINAL)
    send_group(openid)  # a refusal has used nothing up


def test_who_takes_it_back_in_wechats_settings_gets_none(wechat: Wechat) -> None:
    openid = agrees(wechat)
    changed = {"user": "anna", "template_id": "sub-group", "accept": False, "in_settings": True}
    wechat.control("subscribe", changed)
    assert refusal(lambda: send_group(openid)) == ("43101", *FINAL)
    wechat.control("subscribe", {**changed, "accept": True})
    assert refusal(lambda: send_group(openid)) == ("43101", *FINAL)  # to be asked again, not to have agreed
    assert [(one.fields["Event"], messages.choices(one.fields)[0].accepts) for one in heard(wechat)] == [
        ("subscribe_msg_popup_event", True),
        ("subscribe_msg_change_event", False),
        ("subscribe_msg_change_event", True),
    ]


def test_an_openid_of_whom_the_sandbox_has_not_heard_may_be_named(wechat: Wechat) -> None:
    wechat.control("subscribe", {"openid": "o-quick", "template_id": "sub-group", "accept": True})
    send_group("o-quick")
    assert outbox(wechat)[0]["to"] == "o-quick"
    wechat.control("subscribe", {"template_id": "sub-group", "accept": True}, status=400)
    wechat.control("subscribe", {"user": "anna", "template_id": "made-up", "accept": True}, status=404)


def test_the_mall_hears_what_users_say(wechat: Wechat) -> None:
    openid = agrees(wechat)
    agrees(wechat, accept=False)
    told = heard(wechat)
    assert {(one.appid, one.fields["FromUserName"]) for one in told} == {(wechat.keys.appid, openid)}
    assert [messages.choices(one.fields) for one in told] == [
        [Choice("sub-group", True, 0)],
        [Choice("sub-group", False, 0)],
    ]


@pytest.mark.parametrize(
    ("field", "taken", "not_taken"),
    [
        ("thing1", ["茶" * 20], ["茶" * 21, ""]),
        ("number1", ["12", "12.50", "-3"], ["12a", "1" * 33]),
        ("letter1", ["abcXYZ"], ["ab1", "a" * 33]),
        ("symbol1", ["￥#%"], ["a", "######"]),
        ("character_string1", ["o-20261130_1#"], ["订单", "a b", "a" * 33]),
        ("time1", ["15:01", "2026年11月30日 15:01", "2026-11-30 15:01"], ["soon", "2026"]),
        (
            "date1",
            ["2026年11月30日", "2026-11-30", "2026年11月30日 15:01", "2026年1月1日~2026年2月1日"],
            ["15:01", "x"],
        ),
        ("amount1", ["¥12.50", "12.50元", "1200"], ["12.50 RMB", "1" * 12]),
        ("phone_number1", ["+86-0766-66888866"], ["abc", "1" * 18]),
        ("car_number1", ["粤A8Z888挂"], ["粤A8Z888挂挂"]),
        ("name1", ["林小鱼", "Anna Li", "a" * 20], ["林" * 11, "a" * 21]),
        ("phrase1", ["已发货"], ["shipped", "六个汉字太长"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_takes_what_its_type_says(wechat: Wechat, field: str, taken: list[str], not_taken: list[str]) -> None:
    template = {"medium": "subscribe", "template_id": "one", "content": f"字段：{{{{{field}.DATA}}}}"}
    wechat.control("templates", template)
    openid = agrees(wechat, template_id="one")
    for value in not_taken:
        assert refusal(partial(send_group, openid, template_id="one", data={field: value}))[0] == "47003"
    for value in taken:
        send_group(openid, template_id="one", data={field: value})
        agrees(wechat, template_id="one")
    assert [item["text"] for item in outbox(wechat)] == [f"字段：{value}" for value in taken]


def test_only_fields_that_there_are_can_be_registered(wechat: Wechat) -> None:
    for content in ("{{first.DATA}}", "{{remark.DATA}}", "{{price1.DATA}}"):
        template = {"medium": "subscribe", "template_id": "one", "content": content}
        wechat.control("templates", template, status=400)
    known = {(one["medium"], one["template_id"]) for one in wechat.control("templates")["templates"]}
    assert {("subscribe", "sub-shipped"), ("oa", "oa-shipped"), ("sms", "SMS_2001"), ("sms", "2001")} <= known


# --- template messages of the official account -------------------------------------------------------


def send_template(openid: str, message_id: str, template_id: str = "oa-group", page: str = "") -> str:
    return oa.send_template(openid, template_id, GROUP, page, message_id)


def test_a_follower_gets_template_messages_and_wechat_tells_what_became_of_them(wechat: Wechat) -> None:
    openid = follows(wechat)
    message_id = ids.derived("msg", "a", "cause")
    number = send_template(openid, message_id, page="pages/order?id=1")
    assert number.isdecimal()
    assert [(item["medium"], item["to"], item["message_id"]) for item in outbox(wechat)] == [("oa", "anna", message_id)]
    wechat.clock.advance(2)
    ended = poll(lambda: [end for one in heard(wechat) for end in messages.sent(one.fields) if end.number])
    assert ended == [Ended(number, "", "")]


def test_the_same_number_is_the_same_message_for_ten_minutes(wechat: Wechat) -> None:
    openid = follows(wechat)
    first = send_template(openid, "m-1")
    assert send_template(openid, "m-1") == first != send_template(openid, "m-2")
    wechat.clock.advance(601)
    assert send_template(openid, "m-1") != first
    assert [item["message_id"] for item in outbox(wechat)] == ["m-1", "m-2", "m-1"]


def test_what_the_official_account_does_not_take(wechat: Wechat) -> None:
    openid, of_mini = follows(wechat), wechat.openid("anna")
    assert refusal(lambda: send_template("o-nobody", "m-1")) == ("40003", *FINAL)
    assert refusal(lambda: send_template(of_mini, "m-1")) == ("40003", *FINAL)
    assert refusal(lambda: send_template(openid, "m-1", template_id="sub-group")) == ("40037", *FINAL)
    assert refusal(lambda: oa.send_template(openid, "oa-group", {"thing1": "x"}, "", "m-1")) == ("47003", *FINAL)
    assert refusal(lambda: send_template(openid, "m" * 33))[0] == "47001"
    wechat.control("oa/unfollow", {"user": "anna"})
    assert refusal(lambda: send_template(openid, "m-1")) == ("43004", *FINAL)
    assert outbox(wechat) == []


# --- customer service ---------------------------------------------------------------------------------


@pytest.mark.parametrize("account", ["oa", "mini"])
def test_customer_service_answers_who_has_written(wechat: Wechat, account: str) -> None:
    follows(wechat)
    client = {"oa": oa, "mini": mini}[account]
    if account == "oa":
        wechat.clock.advance(61)  # what following opened is closed
    else:
        wechat.openid("anna")
        assert refusal(lambda: mini.send_text(agrees(wechat), "你好"))[0] == "45015"
    openid = str(wechat.control(f"{account}/message", {"user": "anna", "text": "在吗"})["openid"])
    for number in range(5):
        client.send_text(openid, f"您好 {number}")
    assert refusal(lambda: client.send_text(openid, "还有")) == ("45047", *FINAL)
    wechat.control(f"{account}/message", {"user": "anna", "text": "在吗"})
    client.send_text(openid, "在")
    told = [one for one in heard(wechat) if messages.opens_window(one.fields)]
    assert [one.fields["Content"] for one in told] == ["在吗", "在吗"]
    wechat.clock.advance(48 * 3600 + 1)
    assert refusal(lambda: client.send_text(openid, "还在吗")) == ("45015", *FINAL)
    sent = outbox(wechat)
    assert [item["text"] for item in sent] == [*(f"您好 {number}" for number in range(5)), "在"]
    assert {(item["medium"], item["to"], item["purpose"], item["template_id"]) for item in sent} == {
        (account, "anna", "service", "")
    }


def test_following_opens_the_window_for_a_minute_and_three_messages(wechat: Wechat) -> None:
    openid = follows(wechat)
    for _ in range(3):
        oa.send_text(openid, "欢迎")
    assert refusal(lambda: oa.send_text(openid, "欢迎")) == ("45047", *FINAL)
    wechat.control("oa/message", {"user": "anna", "text": "嗯"})
    oa.send_text(openid, "好")
    wechat.control("oa/unfollow", {"user": "anna"})
    assert refusal(lambda: oa.send_text(openid, "再见")) == ("43004", *FINAL)
    wechat.control("oa/message", {"user": "anna", "text": "嗯"}, status=409)
    assert refusal(lambda: oa.send_text("o-nobody", "喂"))[0] == "40003"
    follows(wechat)
    wechat.clock.advance(60)
    openid = follows(wechat, "bert")
    wechat.clock.advance(61)
    assert refusal(lambda: oa.send_text(openid, "欢迎")) == ("45015", *FINAL)
    assert refusal(lambda: oa.send_text(openid, "长" * 683))[0] == "45002"


# --- what the network does ----------------------------------------------------------------------------


def calls(wechat: Wechat) -> dict[str, tuple[str, Callable[[], Any]]]:
    """Each form of message: its path, and the call."""
    user, follower = agrees(wechat), follows(wechat)
    agrees(wechat)
    wechat.control("mini/message", {"user": "anna", "text": "在吗"})
    return {
        "subscribe": ("subscribe/send", lambda: send_group(user)),
        "template": ("template/send", lambda: send_template(follower, "m-1")),
        "oa text": ("custom/send", lambda: oa.send_text(follower, "好")),
        "mini text": ("custom/send", lambda: mini.send_text(user, "好")),
    }


FORMS = ["subscribe", "template", "oa text", "mini text"]


@pytest.mark.parametrize("form", FORMS)
def test_a_lost_answer_leaves_it_unknown_and_nothing_is_sent_again(
    wechat: Wechat, short_time_outs: None, form: str
) -> None:
    path, send = calls(wechat)[form]
    wechat.fault(path, "timeout_after_effect", seconds=1.5)
    assert refusal(send) == ("read_timeout", False, True)
    assert len(outbox(wechat)) == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("code", "retryable"), [("43108", True), ("45009", False), ("43107", False)])
def test_a_refusal_in_another_word(wechat: Wechat, form: str, code: str, retryable: bool) -> None:
    path, send = calls(wechat)[form]
    wechat.fault(path, "error", code=code)
    assert refusal(send) == (code, retryable, False)
    assert outbox(wechat) == []
    send()


@pytest.mark.parametrize("form", FORMS)
def test_a_busy_wechat_may_be_asked_again(wechat: Wechat, form: str) -> None:
    path, send = calls(wechat)[form]
    wechat.fault(path, "error")
    assert refusal(send) == ("-1", True, False)
    send()
    assert len(outbox(wechat)) == 1


@pytest.mark.parametrize("form", FORMS)
def test_a_token_that_cannot_be_had_leaves_nothing_unknown(wechat: Wechat, short_time_outs: None, form: str) -> None:
    _, send = calls(wechat)[form]
    mini.account.forget()
    oa.account.forget()
    wechat.fault("/cgi-bin/stable_token", "timeout", seconds=1.5)
    assert refusal(send) == ("read_timeout", True, False)
    mini.account.keep("stale", 2**40)
    oa.account.keep("stale", 2**40)
    wechat.fault("/cgi-bin/stable_token", "timeout", seconds=1.5)
    assert refusal(send) == ("read_timeout", True, False)
    mini.account.keep("stale", 2**40)
    oa.account.keep("stale", 2**40)
    send()  # a stale token alone is no refusal
    assert len(outbox(wechat)) == 1


def test_no_error_names_the_user_or_the_token(wechat: Wechat) -> None:
    openid = agrees(wechat)
    token = mini.account.access_token()
    with pytest.raises(WechatError) as caught:
        send_group(openid, template_id="made-up")
    said = json.dumps([str(caught.value), repr(caught.value), vars(caught.value)])
    assert openid not in said
    assert token not in said
