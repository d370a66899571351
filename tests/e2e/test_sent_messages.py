"""Messages from outside: whoever says no hears nothing any more, also of what was queued; none comes twice; and what
operators are told is what the platforms took.

MESSAGES_QUEUED (300; the promise is for 1000) says how many are queued as one says no and the send is called back.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from local.client import Control, Operator, Sandbox, Shopper, poll
from local.clock import LocalClock
from local.mall import Mall
from tests.support import many
from tests.support.groups import agree

QUEUED = int(os.environ.get("MESSAGES_QUEUED", "300"))
DAY, SHANGHAI_SECONDS = 86_400, 8 * 3600
NOON, EVENING, MORNING = 12 * 3600, 21.5 * 3600, 9 * 3600
UNSUBSCRIBE = "，拒收请回复R"


class Post:
    """The operator who writes to members, and what the platforms took."""

    def __init__(self, mall: Mall, control: Control, operator: Operator, wechat: Sandbox) -> None:
        self.clock, self.control = LocalClock(mall.clock_file), control
        self.operator, self.wechat = operator, wechat

    def goes_to(self, seconds: float) -> None:
        """It is the next time so late in a day of Shanghai, and what is due by then is done."""
        self.clock.advance((seconds - self.clock() - SHANGHAI_SECONDS) % DAY)
        self.settles()

    def settles(self) -> None:
        while self.control.run_jobs():
            pass

    def words(self, *media: str, purpose: str = "service", says: str = "到货了", **forms: Any) -> str:
        """A template of messages."""
        text = says + (UNSUBSCRIBE if purpose == "marketing" else "")
        sms = {"template_id": "SMS_2003" if purpose == "marketing" else "SMS_1004", "fields": {"text": says}}
        known = {"sms": sms, "subscribe": {"template_id": "sub-notice", "fields": {"thing1": says}}} | forms
        asked = {
            "name": "消息", "media": list(media), "purpose": purpose, "text": text,
            "forms": {medium: form for medium, form in known.items() if medium in media},
        }  # fmt: skip
        return str(self.operator.post("/v1/admin/message-templates", asked).ok(201)["template_id"])

    def sends(self, template_id: str, members: list[str], **more: Any) -> str:
        """Write to these; the send."""
        asked = {"template_id": template_id, "members": members, **more}
        return str(self.operator.post("/v1/admin/messages", asked, key=secrets.token_hex(8)).ok(202)["send_id"])

    def send(self, send_id: str) -> Any:
        return self.operator.get(f"/v1/admin/sends/{send_id}").ok()

    def messages(self, send_id: str) -> list[Any]:
        return self.operator.items(f"/v1/admin/messages?source=send:{send_id}")

    def one(self, send_id: str) -> Any:
        """The only message of a send."""
        (card,) = self.messages(send_id)
        return self.operator.get(f"/v1/admin/messages/{card['message_id']}").ok()

    def outbox(self, *send_ids: str) -> list[Any]:
        """What the platforms took of these sends."""
        own = {card["message_id"] for send_id in send_ids for card in self.messages(send_id)}
        return [item for item in self.wechat.get("outbox")["items"] if item["message_id"] in own]

    def took(self) -> int:
        return len(self.wechat.get("outbox")["items"])


@pytest.fixture
def post(mall: Mall, control: Control, operator: Operator, wechat: Sandbox) -> Post:
    made = Post(mall, control, operator, wechat)
    made.clock.advance(DAY)  # what one operator lets out alone is counted by the day
    made.goes_to(NOON)
    return made


@pytest.fixture
def reader(post: Post, arrive: Callable[[], Shopper]) -> Callable[[], Shopper]:
    """Somebody with a phone, who agreed to SMS."""

    def made() -> Shopper:
        shopper = arrive()
        code = post.wechat.post("phone", {"user": shopper.user})["code"]
        shopper.post("/v1/me/phone", {"code": code}).ok()
        shopper.put("/v1/me/preferences", {"media": {"sms": True}}).ok()
        return shopper

    return made


def test_who_says_no_while_a_thousand_are_queued_hears_nothing(
    mall: Mall, post: Post, reader: Callable[[], Shopper]
) -> None:
    """And nobody does, once the send is called back."""
    said_no = [reader() for _ in range(3)]
    made = many.members(mall, QUEUED - 9)
    offer = post.words("sms", purpose="marketing")
    post.goes_to(EVENING)
    few = [reader() for _ in range(3)]
    kept = post.sends(offer, [one.member_id for one in (*said_no, *few)])
    audience = post.operator.post(
        "/v1/admin/audiences", {"members": [*made, *(one.member_id for one in said_no)]}, key=secrets.token_hex(8)
    ).json  # fmt: skip
    post.settles()
    asked = {"template_id": offer, "audience_id": audience["audience_id"]}
    send_id = post.operator.post("/v1/admin/messages", asked, key=secrets.token_hex(8)).ok(202)["send_id"]
    post.settles()
    assert [post.send(one)["messages"] for one in (kept, send_id)] == [{"held": 6}, {"held": QUEUED - 6}]
    before = post.took()

    said_no[0].put("/v1/me/preferences", {"marketing": False}).ok()
    said_no[1].put("/v1/me/preferences", {"media": {"sms": False}}).ok()
    post.wechat.post("sms/reply", {"user": said_no[2].user, "text": "TD"})
    assert post.operator.post(f"/v1/admin/sends/{send_id}/recall").ok()["state"] == "recalled"
    post.goes_to(MORNING)
    told = post.send(send_id)
    assert told["messages"] == {"dropped": QUEUED - 6}
    dropped = told["dropped"]
    said = dropped.pop("opted_out", 0)  # of these three either is true
    assert said <= len(said_no) and dropped == {"recalled": QUEUED - 6 - said}
    took = post.outbox(send_id, kept)
    assert sorted(item["to"] for item in took) == sorted(one.user for one in few)
    assert post.took() == before + len(few)
    assert post.send(kept)["dropped"] == {"opted_out": 3}


def test_after_a_recall_is_answered_nothing_goes_out(mall: Mall, post: Post) -> None:
    members = many.members(mall, 200)
    send_id = post.sends(post.words("sms"), members)
    poll(lambda: post.took() and post.send(send_id)["messages"].get("queued", 0) > len(members) // 2)
    poll(lambda: len(post.outbox(send_id)) > 3)
    post.operator.post(f"/v1/admin/sends/{send_id}/recall").ok()
    took = len(post.outbox(send_id))
    post.settles()
    out = post.outbox(send_id)
    # A local mall hands over one at a time: the one that was reserved before the answer may still be on its way then.
    assert took <= len(out) <= took + 1 and len(out) == len({item["message_id"] for item in out})
    told = post.send(send_id)
    assert told["dropped"]["recalled"] + len(out) == told["written_to"]


def sent_to(post: Post, words: str, who: Shopper, *media: str) -> Any:
    """Write to somebody; what became of it."""
    send_id = post.sends(words, [who.member_id])
    post.settles()
    told = post.one(send_id)
    assert [item["medium"] for item in post.outbox(send_id)] == list(media)
    return told


def as_told(one: Any) -> tuple[str, str, str | None]:
    return one["state"], one["reason"], one["medium"]


def test_each_form_goes_to_whom_its_platform_takes_it_for(post: Post, reader: Callable[[], Shopper]) -> None:
    """Nothing is tried that would be refused: who has let nothing through, or has not written, is not written to."""
    who, refused = reader(), post.wechat.get("refused")
    subscribe, oa, sms = post.words("subscribe"), post.words("oa"), post.words("sms")
    assert as_told(sent_to(post, subscribe, who)) == ("dropped", "unreachable", None)
    post.wechat.post("subscribe", {"user": who.user, "template_id": "sub-notice", "accept": False})
    post.wechat.post("subscribe", {"user": who.user, "template_id": "sub-notice", "accept": True})
    first = sent_to(post, subscribe, who, "subscribe")
    assert as_told(first) == ("sent", "", "subscribe")
    post.clock.advance(DAY)
    assert as_told(sent_to(post, subscribe, who)) == ("dropped", "unreachable", None)

    post.wechat.post("oa/follow", {"user": who.user})
    post.settles()
    post.wechat.post("oa/message", {"user": who.user, "text": "在吗"})
    post.settles()
    assert sent_to_by_text(post, oa, who) == 1
    post.clock.advance(2 * DAY)
    assert as_told(sent_to(post, oa, who)) == ("dropped", "unreachable", None)  # 48 hours are over

    arrived = poll_for(post, sms, who, "delivered")
    post.wechat.post("sms/network", {"user": who.user, "delivered": False, "code": "MK:0001"})
    post.clock.advance(8 * DAY)
    failed = poll_for(post, sms, who, "failed")
    assert as_told(failed) == ("failed", "MK:0001", "sms")
    assert post.wechat.get("refused") == refused
    got = {one["message_id"] for one in who.items("/v1/me/messages")}
    assert {first["message_id"], arrived["message_id"]} < got and failed["message_id"] not in got and len(got) == 3


def sent_to_by_text(post: Post, words: str, who: Shopper) -> int:
    """Write to somebody by a text of customer service, which has no number at WeChat; how many WeChat took."""
    before = [item for item in post.wechat.get("outbox")["items"] if item["to"] == who.user]
    assert as_told(sent_to(post, words, who))[0] == "sent"
    after = [item for item in post.wechat.get("outbox")["items"] if item["to"] == who.user]
    assert {item["purpose"] for item in after[len(before) :]} <= {"service"}
    return len(after) - len(before)


def poll_for(post: Post, words: str, who: Shopper, state: str) -> Any:
    """Write to somebody by SMS; the message, once the vendor has told that of it."""
    send_id = post.sends(words, [who.member_id])

    def told() -> Any:
        post.settles()
        found = post.messages(send_id)
        return found[0] if found and found[0]["state"] == state else None

    return poll(told)


def test_what_is_known_not_to_have_gone_out_goes_by_another_medium_or_later_and_once(
    post: Post, reader: Callable[[], Shopper]
) -> None:
    who = reader()
    both = post.words("subscribe", "sms")
    post.wechat.post("subscribe", {"user": who.user, "template_id": "sub-notice", "accept": True})
    post.wechat.fault("/cgi-bin/message/subscribe/send", "error", code="43101")
    told = sent_to(post, both, who, "sms")
    assert told["medium"] == "sms"

    other = reader()
    sms = post.words("sms")
    post.wechat.fault("/sms/", "error", times=2)
    send_id = post.sends(sms, [other.member_id])
    for _ in range(8):
        post.settles()
        post.clock.advance(600)
    assert [item["to"] for item in post.outbox(send_id)] == [other.user]
    post.wechat.fault("/sms/", "error", code="isv.SMS_TEMPLATE_ILLEGAL")
    assert as_told(sent_to(post, sms, reader()))[0] == "failed"


def test_of_what_nobody_knows_whether_it_went_out_nothing_is_sent_again(
    post: Post, reader: Callable[[], Shopper]
) -> None:
    heard, missed = reader(), reader()
    sms = post.words("sms")
    for who in (heard, missed):
        post.wechat.post("sms/network", {"user": who.user, "delivered": None})
    sends = {}
    for who, kind in ((heard, "timeout_after_effect"), (missed, "timeout")):
        post.wechat.fault("/sms/", kind)
        sends[who.user] = post.sends(sms, [who.member_id])
        post.settles()
        assert post.one(sends[who.user])["state"] == "unknown"
    for days in (0.01, 1, 8):
        post.clock.advance(days * DAY)
        post.settles()
    assert [item["to"] for item in post.outbox(*sends.values())] == [heard.user]
    assert {post.one(one)["state"] for one in sends.values()} == {"unknown"}
    message_id = post.one(sends[heard.user])["message_id"]
    post.wechat.post("sms/receipt", {"message_id": message_id, "delivered": True})
    assert poll(lambda: post.settles() or post.one(sends[heard.user])["state"] == "delivered")


def test_a_parcel_is_told_of_once_whatever_the_member_has_said_of_offers(
    post: Post, reader: Callable[[], Shopper], differences: Callable[[], list[str]]
) -> None:
    who = reader()
    who.put("/v1/me/preferences", {"marketing": False}).ok()
    form = {"template_id": "oa-shipped", "fields": {
        "character_string1": "{order_id}", "thing2": "{product}", "thing3": "{carrier}",
        "character_string4": "{tracking_no}",
    }}  # fmt: skip
    asked = {
        "name": "发货", "media": ["oa"], "purpose": "transactional", "text": "{order_id} {product} 已发出",
        "vars": ["order_id", "product", "carrier", "tracking_no"], "forms": {"oa": form},
    }  # fmt: skip
    words = post.operator.post("/v1/admin/message-templates", asked).ok(201)["template_id"]
    before = post.operator.get("/v1/admin/settings/notices").ok()
    post.wechat.post("oa/follow", {"user": who.user})
    post.settles()
    post.operator.put("/v1/admin/settings/notices", {"order_shipped": words}).ok()
    product = post.operator.product()
    order_id = who.buy([(product["skus"][0]["sku_id"], 1)])
    post.operator.ship(order_id)
    poll(lambda: post.settles() or told_of(post, who))
    for _ in range(2):
        post.clock.advance(DAY)
        post.settles()
    (item,) = told_of(post, who)
    assert (item["medium"], item["purpose"]) == ("oa", "transactional") and order_id in item["text"]
    post.operator.put("/v1/admin/settings/notices", before).ok()
    agree(differences)


def told_of(post: Post, who: Shopper) -> list[Any]:
    return [item for item in post.wechat.get("outbox")["items"] if item["to"] == who.user]
