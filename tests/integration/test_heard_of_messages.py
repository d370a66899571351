"""What WeChat and the vendors of SMS tell of messages is believed by its proof alone, and done once, however often it
is told."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock, settings
from chalicelib.customers.members.service import change_profile
from chalicelib.customers.members.tables import Identities, phone_identity
from chalicelib.growth.messaging.contacts.queries import stored
from chalicelib.growth.messaging.hearing import service as hearing
from chalicelib.growth.messaging.hearing.rules import wants_no_more
from chalicelib.growth.messaging.preferences.inputs import ChoicesInput, PreferencesInput
from chalicelib.growth.messaging.preferences.service import prefer
from chalicelib.growth.messaging.queries import message as message_of
from chalicelib.growth.messaging.settings import MEDIA
from chalicelib.platform.store.transaction import save
from local.client import Answer, Client, Operator, in_process
from local.clock import LocalClock
from local.notices import follower_message, message
from tests.support import messages
from tests.support.messages import Platforms, left_of, openid_of, platforms, state
from tests.support.queued_messages import message_template

TOKEN = "token-of-tests"
TEMPLATE = "wx-template-1"


@pytest.fixture(autouse=True)
def aliyun(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Aliyun sends the mall's SMS, and was told of this token."""
    monkeypatch.setenv("YUTANG_SMS_VENDOR", "aliyun")
    monkeypatch.setenv("YUTANG_SMS_CALLBACK_TOKEN", TOKEN)
    settings.settings.cache_clear()
    in_process()  # members can join from then on
    yield
    settings.settings.cache_clear()


@pytest.fixture
def outside() -> Iterator[Platforms]:
    with platforms() as made:
        yield made


def told(body: Any, token: str = TOKEN, vendor: str = "aliyun") -> Answer:
    return Client(in_process()).call("POST", f"/v1/callbacks/sms/{vendor}?token={token}", json.dumps(body).encode())


def hears(operator: Operator, call: tuple[str, str, dict[str, str], bytes]) -> None:
    assert operator.send(*call).body == b"success"


def receipt(message_id: str, ref: str = "", success: bool = True) -> dict[str, Any]:
    return {
        "phone_number": "13800138000", "success": success, "biz_id": ref, "out_id": message_id,
        "err_code": "DELIVERED" if success else "UNDELIV", "send_time": "2026-11-30 12:00:00",
    }  # fmt: skip


def reply(phone: str, text: str) -> dict[str, Any]:
    return {"phone_number": phone, "content": text, "send_time": "2026-11-30 12:00:00", "sign_name": "遇糖"}


def new_phone() -> str:
    return f"139{secrets.randbelow(10**8):08}"


def wants(member_id: str, medium: str) -> bool | None:
    choice: bool | None = getattr(stored(member_id).value.preferences.media, medium)
    return choice


def sent_sms(held: LocalClock) -> str:
    messages.to_noon(held)
    made = message_template("{product}到了", purpose="service")
    message_id = messages.queue(messages.asked(made.template_id, messages.member()))
    messages.run()
    assert state(message_id) == "sent"
    return message_id


@pytest.mark.parametrize(
    ("token", "vendor", "body"),
    [("", "aliyun", []), ("other", "aliyun", []), (TOKEN, "tencent", []), (TOKEN, "aliyun", {"x": 1})],
    ids=["no token", "another's", "another vendor", "no news"],
)
def test_what_is_not_proved_is_not_believed(token: str, vendor: str, body: Any) -> None:
    phone = new_phone()
    who = messages.member(phone)
    assert told(body or [reply(phone, "R")], token, vendor).status == 401
    assert wants(who, "sms") is None


def test_a_receipt_is_noted_once_also_by_the_vendor_s_number_and_before_the_call_was_answered(
    outside: Platforms, mall_clock: LocalClock
) -> None:
    by_id, by_ref, lost = (sent_sms(mall_clock) for _ in range(3))
    for _ in range(2):
        news = [receipt(by_id), receipt("", f"ref-{by_ref}"), receipt(lost, success=False)]
        assert json.loads(told(news).body) == {"code": 0, "msg": "OK"}
        messages.run()
    assert [state(one) for one in (by_id, by_ref, lost)] == ["delivered", "delivered", "failed:UNDELIV"]
    assert message_of(by_id).version == 4  # queued, being sent, sent, delivered


def test_a_receipt_with_another_number_than_the_vendor_gave_says_nothing(
    outside: Platforms, mall_clock: LocalClock
) -> None:
    one = sent_sms(mall_clock)
    told([receipt(one, "ref-of-another")]).ok()
    messages.run()
    assert state(one) == "sent"
    told([receipt(one, f"ref-{one}")]).ok()
    messages.run()
    assert state(one) == "delivered"


def test_what_cannot_be_read_keeps_nobody_s_no_from_being_heard() -> None:
    phone = new_phone()
    who = messages.member(phone)
    told([{"phone_number": phone, "content": "R"}, reply(phone, "R"), {"x": 1}]).ok()
    assert wants(who, "sms") is False


@pytest.mark.parametrize("words", ["R", "“R”", "退订", "回复R", "td。", "R!", "拒收r"])
def test_people_say_no_in_their_own_words(words: str) -> None:
    assert wants_no_more(words)
    assert not any(wants_no_more(other) for other in ("好的", "回复", "", "谢谢R", "RED"))


def test_a_receipt_of_what_is_not_known_yet_is_looked_at_again_and_let_go_in_the_end(
    outside: Platforms, mall_clock: LocalClock, log_lines: list[dict[str, Any]]
) -> None:
    told([receipt("", "ref-of-nothing")]).ok()
    for _ in range(60):
        messages.run(mall_clock, 16)
    assert [line["event"] for line in log_lines if line["event"] == "receipt_of_nothing"] == ["receipt_of_nothing"]


def test_who_replies_r_gets_no_sms_any_more_and_neither_does_who_shares_the_phone(mall_clock: LocalClock) -> None:
    phone, other = new_phone(), new_phone()
    owner, shares, stranger = messages.member(phone), messages.member(phone), messages.member(other)
    save(Identities(phone_identity(phone), member_id=owner))
    told([reply(phone, "好的")]).ok()
    assert wants(owner, "sms") is None
    for _ in range(2):
        told([reply(phone, " ｒ ")]).ok()
    assert [wants(one, "sms") for one in (owner, shares, stranger)] == [False, False, None]


def test_a_reply_is_in_no_line_of_the_log(log_lines: list[dict[str, Any]]) -> None:
    phone, words = new_phone(), secrets.token_hex(8)
    messages.member(phone)
    told([reply(phone, words), reply(phone, "R")]).ok()
    assert not any(mark in json.dumps(log_lines, ensure_ascii=False) for mark in (phone, words))


def test_what_users_let_through_counts_once_and_what_they_take_back_is_gone(operator: Operator) -> None:
    before = MEDIA.fresh()
    MEDIA.change(msgspec.structs.replace(before, allowances_from="push"))
    try:
        who = messages.member()
        openid = openid_of(who)
        chosen = [{"TemplateId": TEMPLATE, "SubscribeStatusString": "accept", "PopupScene": "0"}] * 2
        popup = message(openid, "subscribe_msg_popup_event", CreateTime=100, List=chosen)
        for _ in range(2):
            hears(operator, popup)
        assert left_of(who, TEMPLATE) == 2
        one = {"TemplateId": TEMPLATE, "SubscribeStatusString": "reject"}
        hears(operator, message(openid, "subscribe_msg_popup_event", CreateTime=101, List=one))
        assert left_of(who, TEMPLATE) == 2  # not this time, which takes nothing back
        no = message(openid, "subscribe_msg_change_event", CreateTime=102, List=one)
        hears(operator, no)
        assert left_of(who, TEMPLATE) == 0
        yes = {"TemplateId": TEMPLATE, "SubscribeStatusString": "accept"}
        hears(operator, message(openid, "subscribe_msg_change_event", CreateTime=103, List=yes))
        assert left_of(who, TEMPLATE) == 0  # WeChat lets nothing through for it
        hears(operator, message(openid, "subscribe_msg_popup_event", CreateTime=104, List=yes))
        hears(operator, no)  # told again
        assert left_of(who, TEMPLATE) == 1
        nobody = message("o-of-nobody", "subscribe_msg_popup_event", CreateTime=1, List=chosen)
        hears(operator, nobody)
    finally:
        MEDIA.change(before)


def followed(openid: str) -> str:
    """A member who follows the official account by this openid."""
    from chalicelib.customers.members.tables import oa_identity

    who = messages.member(follows=True)
    save(Identities(oa_identity(openid), member_id=who))
    return who


def test_who_writes_to_an_account_may_be_answered(operator: Operator, later: Callable[[float], None]) -> None:
    oa, mini = f"oa-{secrets.token_hex(6)}", messages.member()
    follower = followed(oa)
    for _ in range(2):
        hears(operator, written(follower_message, oa, MsgId=17))
        hears(operator, written(message, openid_of(mini), MsgId=18))
    answered, other = stored(follower).value.oa, stored(mini).value.mini
    assert answered is not None and other is not None
    assert (answered.left, other.left) == (5, 5)
    assert (answered.until - clock.now()).total_seconds() == pytest.approx(48 * 3600, abs=5)
    assert len(stored(follower).value.heard) == 1


def written(make: Callable[..., Any], openid: str, **fields: Any) -> Any:
    return make(openid, "", MsgType="text", Content="在吗", CreateTime=int(clock.now().timestamp()), **fields)


def test_who_unfollows_gets_nothing_by_the_account(operator: Operator) -> None:
    oa = f"oa-{secrets.token_hex(6)}"
    who = followed(oa)
    for _ in range(2):
        hears(operator, follower_message(oa, "unsubscribe", CreateTime=int(clock.now().timestamp())))
    assert wants(who, "oa") is False


def said_at(seconds: float) -> int:
    return int(clock.now().timestamp() + seconds)


def test_who_follows_again_is_written_to_by_the_account_again_unless_they_said_no_themselves(
    operator: Operator,
) -> None:
    came, said_no, said_no_while_away = (f"oa-{secrets.token_hex(6)}" for _ in range(3))
    who = {openid: followed(openid) for openid in (came, said_no, said_no_while_away)}
    no = PreferencesInput(media=ChoicesInput(oa=False))
    prefer(who[said_no], no)
    for openid in who:
        hears(operator, follower_message(openid, "unsubscribe", CreateTime=said_at(0)))
    prefer(who[said_no_while_away], no)
    for openid in who:
        for _ in range(2):
            hears(operator, follower_message(openid, "subscribe", CreateTime=said_at(60)))
        hears(operator, follower_message(openid, "unsubscribe", CreateTime=said_at(0)))  # told again, late
    assert [wants(member_id, "oa") for member_id in who.values()] == [None, False, False]
    hears(operator, follower_message(came, "unsubscribe", CreateTime=said_at(120)))
    hears(operator, follower_message(came, "subscribe", CreateTime=said_at(60)))  # told again, late
    assert wants(who[came], "oa") is False
    assert [(one.says, one.source) for one in stored(who[came]).value.said] == [
        (False, "unsubscribe"), (None, "follow"), (False, "unsubscribe"),
    ]  # fmt: skip


def test_a_reply_that_is_told_again_does_not_undo_what_was_said_since() -> None:
    phone = new_phone()
    who = messages.member(phone)
    told([reply(phone, "TD")]).ok()
    prefer(who, PreferencesInput(media=ChoicesInput(sms=True)))
    told([reply(phone, "TD")]).ok()
    assert wants(who, "sms") is True
    told([reply(phone, "TD") | {"send_time": "2026-11-30 12:00:01"}]).ok()
    assert wants(who, "sms") is False


def test_how_a_template_message_ended_is_noted(operator: Operator, outside: Platforms, mall_clock: LocalClock) -> None:
    messages.to_noon(mall_clock)
    made = message_template("{product}", purpose="transactional", media=["oa"])
    ids = [messages.queue(messages.asked(made.template_id, messages.member(follows=True))) for _ in range(2)]
    messages.run()
    assert [state(one) for one in ids] == ["sent", "sent"]
    for one, status in zip(ids, ("success", "failed:user block"), strict=True):
        hears(operator, follower_message("oa-x", "TEMPLATESENDJOBFINISH", MsgID=f"ref-{one}", Status=status))
    messages.run()
    assert [state(one) for one in ids] == ["delivered", "failed:user block"]


def test_what_is_none_of_it_is_let_go(operator: Operator, log_lines: list[dict[str, Any]]) -> None:
    hears(operator, message("o-of-nobody", "something_new"))
    assert [line["what"] for line in log_lines if line["event"] == "message_let_go"] == ["something_new"]
    assert not hearing.heard("oa", "", {"Event": "VIEW"}, clock.now())


def test_the_members_own_are_heard_as_ever(operator: Operator) -> None:
    who = messages.member()
    change_profile(who, lambda known, _: msgspec.structs.replace(known, phone="13800000001"))
    revoked = message(openid_of(who), "user_authorization_revoke", RevokeInfo="301")
    assert operator.send(*revoked).status == 200
