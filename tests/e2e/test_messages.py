"""Messages as members and operators meet them, over HTTP and through the platforms that the sandbox plays: notices, a
reply, a recall, and what two operators agree on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from local.client import Client, Control, Operator, Sandbox, Shopper, poll

SHANGHAI = timezone(timedelta(hours=8))
Arrive = Callable[[], Shopper]


@pytest.fixture(autouse=True)
def noon(control: Control) -> None:
    """It is noon in Asia/Shanghai: nobody is asleep."""
    now = datetime.fromisoformat(control.status()["now"]).astimezone(SHANGHAI)
    ahead = (datetime(now.year, now.month, now.day, 12, tzinfo=SHANGHAI) - now).total_seconds() % 86_400
    control.run_jobs(advance=ahead)


@pytest.fixture
def notices(operator: Operator, noon: None) -> Iterator[Callable[..., None]]:
    """Sets the templates of notices; none after the test."""
    yield lambda **kinds: operator.put("/v1/admin/settings/notices", kinds).ok()
    operator.put("/v1/admin/settings/notices", {}).ok()


def template(operator: Operator, **asked: Any) -> str:
    body = {"name": f"模板 {secrets.token_hex(3)}", "purpose": "transactional", **asked}
    made: str = operator.post("/v1/admin/message-templates", body).ok(201)["template_id"]
    return made


def shipped(operator: Operator) -> str:
    """The template of parcels: a subscribe message, else an SMS."""
    wechat = {"character_string1": "{order_id}", "thing2": "{product}", "thing3": "{carrier}"}
    wechat["character_string4"] = "{tracking_no}"
    sms = {"order": "{order_id}", "carrier": "{carrier}", "number": "{tracking_no}"}
    return template(
        operator, media=["subscribe", "sms"], text="{product}的订单{order_id}已由{carrier}发出，单号{tracking_no}。",
        vars=["order_id", "product", "carrier", "tracking_no"],
        forms={
            "subscribe": {"template_id": "sub-shipped", "fields": wechat},
            "sms": {"template_id": "SMS_1001", "fields": sms},
        },
    )  # fmt: skip


def offer(operator: Operator) -> str:
    sms = {"template_id": "SMS_2003", "fields": {"text": "{what}"}}
    return template(
        operator, purpose="marketing", medium="sms", text="{what}，拒收请回复R", vars=["what"], forms={"sms": sms}
    )


def reachable(arrive: Arrive, marketing: bool = False) -> Shopper:
    """Somebody who has given their phone; who wants offers by it, if they do."""
    who = arrive()
    phone = f"139{secrets.randbelow(10**8):08}"
    code = who.sandbox.post("phone", {"user": who.user, "phone": phone})["code"]
    who.post("/v1/me/phone", {"code": code, "consent": {"version": "1"}}).ok()
    if marketing:
        who.put("/v1/me/preferences", {"media": {"sms": True}}).ok()
    return who


def outbox(wechat: Sandbox, who: Shopper) -> list[dict[str, Any]]:
    return [one for one in wechat.get("outbox")["items"] if one["to"] == who.user]


def send(operator: Client, template_id: str, members: list[str], **more: Any) -> Any:
    body = {"template_id": template_id, "members": members, "values": {"what": "春茶上新"}, **more}
    return operator.post("/v1/admin/messages", body, key=secrets.token_hex(8)).ok(202)


def ended(operator: Client, control: Control, send_id: str, **states: int) -> Any:
    def told() -> Any:
        control.run_jobs()
        found = operator.get(f"/v1/admin/sends/{send_id}").ok()
        return found if found["messages"] == states else None

    return poll(told)


def test_a_parcel_is_told_of_once_by_a_subscribe_message_and_then_by_sms(
    operator: Operator, arrive: Arrive, wechat: Sandbox, control: Control, notices: Callable[..., None]
) -> None:
    notices(order_shipped=shipped(operator))
    who = reachable(arrive)
    wechat.post("subscribe", {"user": who.user, "template_id": "sub-shipped", "accept": True})
    sku = operator.product(name="白茶")["skus"][0]["sku_id"]
    media = []
    for number in ("SF100", "SF200"):
        order_id = who.buy([(sku, 1)])
        parcel = {"carrier": "SF", "tracking_no": number}
        operator.post(f"/v1/admin/orders/{order_id}/ship", parcel).ok()
        for _ in range(3):
            control.run_jobs(advance=61)
        (told,) = (one for one in poll(lambda: outbox(wechat, who)) if order_id in one["text"])
        assert number in told["text"] and told["purpose"] == "transactional"
        media.append(told["medium"])
    assert media == ["subscribe", "sms"]  # one yes is one message
    assert len(outbox(wechat, who)) == 2


def test_who_replies_r_gets_no_offer_any_more(
    operator: Operator, arrive: Arrive, wechat: Sandbox, control: Control
) -> None:
    who, other = reachable(arrive, marketing=True), reachable(arrive, marketing=True)
    offers = offer(operator)
    first = send(operator, offers, [who.member_id, other.member_id])["send_id"]
    ended(operator, control, first, delivered=2)
    wechat.post("sms/reply", {"user": who.user, "text": "R"})
    poll(lambda: who.get("/v1/me/preferences").ok()["media"]["sms"] is False)
    control.run_jobs(advance=8 * 86_400)  # past every cap, and at noon again
    second = send(operator, offers, [who.member_id, other.member_id])["send_id"]
    assert ended(operator, control, second, delivered=1, dropped=1)["dropped"] == {"opted_out": 1}
    assert (len(outbox(wechat, who)), len(outbox(wechat, other))) == (1, 2)


def test_what_was_called_back_reaches_nobody(
    operator: Operator, arrive: Arrive, wechat: Sandbox, control: Control
) -> None:
    people = [reachable(arrive, marketing=True) for _ in range(3)]
    control.run_jobs(advance=10 * 3600)  # at ten in the evening nobody is sent an offer
    made = send(operator, offer(operator), [who.member_id for who in people])["send_id"]
    ended(operator, control, made, held=3)
    assert operator.post(f"/v1/admin/sends/{made}/recall").ok()["state"] == "recalled"
    control.run_jobs(advance=14 * 3600)
    assert ended(operator, control, made, dropped=3)["dropped"] == {"recalled": 3}
    assert [outbox(wechat, who) for who in people] == [[], [], []]


def test_a_thousand_and_one_want_a_second_operator(
    operator: Operator, arrive: Arrive, wechat: Sandbox, control: Control
) -> None:
    who = reachable(arrive, marketing=True)
    strangers = [f"m{secrets.token_hex(12)}" for _ in range(1_000)]
    name, password = f"bob{secrets.token_hex(4)}", "long enough to pass"
    asked = {"name": name, "password": password, "roles": ["merchandiser"]}
    operator.post("/v1/admin/operators", asked).ok(201)
    bob = Operator.arrive(operator.send, name, password)
    made = send(operator, offer(operator), [who.member_id, *strangers])
    assert (made["state"], made["total"]) == ("proposed", 1_001)
    one = f"/v1/admin/sends/{made['send_id']}"
    operator.post(f"{one}/agree").refused(409, "second_operator")
    control.run_jobs()
    assert outbox(wechat, who) == []
    assert bob.post(f"{one}/agree").ok()["state"] == "running"
    told = ended(operator, control, made["send_id"], delivered=1)
    assert (told["state"], told["written_to"], told["skipped"]) == ("done", 1, 1_000)
    assert len(outbox(wechat, who)) == 1
