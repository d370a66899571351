"""Events about messages, as WeChat's documents show them: in JSON and in XML, of one item and of several."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chalicelib.gateways.wechat import messages
from chalicelib.gateways.wechat.messages import Choice, Ended

POPUP = {"Event": "subscribe_msg_popup_event", "MsgType": "event", "FromUserName": "o1", "CreateTime": 1610969440}


def item(template_id: str, status: str) -> dict[str, Any]:
    return {"TemplateId": template_id, "SubscribeStatusString": status, "PopupScene": "0"}


def xml(floor: str, *items: dict[str, Any]) -> bytes:
    lists = "".join(
        "<List>" + "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in one.items()) + "</List>"
        for one in items
    )
    return f"<xml><MsgType><![CDATA[event]]></MsgType><{floor}>{lists}</{floor}></xml>".encode()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_all_that_a_user_chose_arrives(count: int) -> None:
    items = [item("t1", "accept"), item("t2", "reject"), item("t1", "accept")][:count]
    chosen = [Choice("t1", True, 0), Choice("t2", False, 1), Choice("t1", True, 2)][:count]
    assert messages.choices({**POPUP, "List": items if count > 1 else items[0]}) == chosen
    assert messages.choices(messages._fields(xml("SubscribeMsgPopupEvent", *items))) == chosen
    assert messages.choices(messages._fields(xml("SubscribeMsgChangeEvent", *items))) == chosen


def test_what_is_no_choice_is_left_out() -> None:
    odd = [item("t1", "ban"), item("", "accept"), "text", item("t2", "accept")]
    assert messages.choices({**POPUP, "List": odd}) == [Choice("t2", True, 2)]
    assert messages.choices(POPUP) == messages.choices({**POPUP, "List": "t1"}) == []


def test_what_became_of_subscribe_messages() -> None:
    sent = [
        {"TemplateId": "t1", "MsgID": "1700827132819554304", "ErrorCode": "0", "ErrorStatus": "success"},
        {"TemplateId": "t2", "MsgID": 1700827132819554305, "ErrorCode": 43101, "ErrorStatus": "user refuse"},
    ]
    ended = [Ended("1700827132819554304", "t1", ""), Ended("1700827132819554305", "t2", "43101")]
    assert messages.sent({"Event": "subscribe_msg_sent_event", "List": sent}) == ended
    assert messages.sent(messages._fields(xml("SubscribeMsgSentEvent", *sent))) == ended


@pytest.mark.parametrize(
    ("status", "code"),
    [("success", ""), ("failed:user block", "user block"), ("failed: system failed", "system failed")],
)
def test_what_became_of_a_template_message(status: str, code: str) -> None:
    event = {"Event": "TEMPLATESENDJOBFINISH", "MsgID": 200163836, "Status": status}
    assert messages.sent(event) == [Ended("200163836", "", code)]


@pytest.mark.parametrize(("kind", "opens"), [("text", True), ("image", True), ("event", False), (None, False)])
def test_only_what_a_user_writes_opens_the_window(kind: str | None, opens: bool) -> None:
    assert messages.opens_window({"MsgType": kind, "Event": "subscribe"}) is opens


def test_a_tag_that_comes_once_is_no_list() -> None:
    fields = messages._fields(b"<xml><A>1</A><B><C>2</C></B><D>3</D><D><E>4</E></D><D></D></xml>")
    assert fields == {"A": "1", "B": {"C": "2"}, "D": ["3", {"E": "4"}, ""]}
    assert msgspec.json.decode(msgspec.json.encode(fields)) == fields
