"""Templates, wishes, what users let through, and messages, as operators and members call them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.growth.messaging.limits.rules import MediaRules
from chalicelib.growth.messaging.settings import MEDIA
from chalicelib.platform.store import cache
from local.client import Client, Operator, in_process
from local.clock import LocalClock
from tests.support.coupons import shopper
from tests.support.messages import Platforms, asked, member, platforms, queue, run, state, template, to_noon, to_time
from tests.support.operators import owner_token

pytestmark = pytest.mark.usefixtures("own_tables")
TEMPLATES, MESSAGES = "/v1/admin/message-templates", "/v1/admin/messages"
SMS = {
    "name": "上新",
    "medium": "sms",
    "purpose": "marketing",
    "text": "{product}五折，拒收请回复R",
    "vars": ["product"],
}


@pytest.fixture
def outbox(own_tables: None, no_jobs: None, mall_clock: LocalClock) -> Iterator[Platforms]:
    to_noon(mall_clock)
    with platforms() as made:
        yield made


@pytest.fixture
def operator(outbox: Platforms) -> Operator:
    return Operator(in_process(), owner_token())


def sent_to(operator: Operator, who: Client, member_id: str, **changes: Any) -> str:
    """A message that went out to the member, by a template of its own."""
    made = operator.post(TEMPLATES, SMS | changes).ok(201)
    one = queue(asked(made["template_id"], member_id))
    run()
    return one


def test_a_template_has_versions_and_the_latest_is_said(operator: Operator, outbox: Platforms) -> None:
    made = operator.post(TEMPLATES, SMS).ok(201)
    assert (made["version"], made["media"], made["vars"]) == (1, ["sms"], ["product"])
    member_id = member()
    shopper(member_id).put("/v1/me/preferences", {"media": {"sms": True}}).ok()
    one = queue(asked(made["template_id"], member_id))
    path = f"{TEMPLATES}/{made['template_id']}"
    assert operator.put(path, SMS).ok()["version"] == 1
    assert operator.put(path, SMS | {"text": "{product}四折，拒收请回复R"}).ok()["version"] == 2
    cache.forget("message_templates")
    run()
    assert outbox.took[-1].text == "茶四折，拒收请回复R"
    operator.put(path, SMS | {"text": "{product}三折，拒收请回复R"}).ok()
    shown = operator.get(f"{MESSAGES}/{one}").ok()
    assert (shown["text"], shown["template_version"], shown["state"]) == ("茶四折，拒收请回复R", 2, "sent")
    assert operator.get(path).ok()["version"] == 3
    assert made["template_id"] in [each["template_id"] for each in operator.get(TEMPLATES).ok()["items"]]


def test_what_may_not_be_is_refused(operator: Operator) -> None:
    operator.post(TEMPLATES, SMS | {"medium": "oa"}).refused(422, "medium_off")
    operator.post(TEMPLATES, SMS | {"medium": "subscribe", "text": "x", "vars": []}).refused(422, "medium_off")
    operator.post(TEMPLATES, SMS | {"text": "{product}五折"}).refused(422, "invalid")
    operator.post(TEMPLATES, SMS | {"media": ["sms"]}).refused(422, "invalid")
    operator.post(TEMPLATES, SMS | {"medium": "pigeon"}).refused(400, "malformed")
    made = operator.post(TEMPLATES, SMS).ok(201)
    operator.put(f"{TEMPLATES}/{made['template_id']}", SMS | {"purpose": "service"}).refused(422, "invalid")
    operator.get(f"{TEMPLATES}/none").refused(404, "not_found")
    operator.put("/v1/admin/settings/quiet", {"from": "09:00", "until": "08:30"}).refused(422, "invalid")
    operator.put("/v1/admin/settings/caps", {"caps": [{"max": 0, "per": "day"}]}).refused(400, "malformed")


def test_settings_say_what_they_were_told(operator: Operator) -> None:
    quiet = {"from": "23:00", "until": "07:00", "marketing_sms_from": "20:00"}
    assert operator.put("/v1/admin/settings/quiet", quiet).ok() == quiet
    assert operator.get("/v1/admin/settings/quiet").ok() == quiet
    operator.put("/v1/admin/settings/quiet", {}).ok()
    caps = {"caps": [{"media": ["sms"], "purposes": "*", "max": 3, "per": "30d"}]}
    assert operator.put("/v1/admin/settings/caps", caps).ok() == caps
    assert len(operator.put("/v1/admin/settings/caps", {}).ok()["caps"]) == 4


def test_a_member_says_what_they_want_bit_by_bit(operator: Operator) -> None:
    phone = shopper(member())
    before = phone.get("/v1/me/preferences").ok()
    nothing = {"subscribe": None, "oa": None, "wecom": None, "sms": None, "call": None}
    assert before == {"marketing": True, "personalised": True, "media": nothing, "quiet": None, "consents": []}
    phone.put("/v1/me/preferences", {"media": {"sms": True}, "personalised": False}).ok()
    phone.put("/v1/me/preferences", {"marketing": False, "quiet": {"from": "12:00", "until": "14:00"}}).ok()
    after = phone.put("/v1/me/preferences", {"media": {"oa": False}}).ok()
    assert after == phone.get("/v1/me/preferences").ok()
    assert (after["marketing"], after["personalised"], after["quiet"]) == (
        False, False, {"from": "12:00", "until": "14:00"},
    )  # fmt: skip
    assert after["media"] == nothing | {"sms": True, "oa": False}
    assert phone.put("/v1/me/preferences", {"quiet": None, "media": {"sms": None}}).ok()["media"]["sms"] is None
    phone.put("/v1/me/preferences", {"quiet": {"from": "08:30", "until": "20:45"}}).refused(422, "invalid")
    phone.put("/v1/me/preferences", {"quiet": {"from": "9", "until": "20:30"}}).refused(400, "malformed")


def test_one_source_says_what_users_let_through(operator: Operator) -> None:
    phone = shopper(member())
    body = {"results": [{"template_id": "tpl-h", "result": "accept"}, {"template_id": "tpl-h2", "result": "reject"}]}
    phone.post("/v1/me/subscriptions", body).refused(409, "source_is_push")
    MEDIA.change(MediaRules(allowances_from="client"))
    phone.post("/v1/me/subscriptions", body).refused(422, "invalid")
    for name in ("tpl-h", "tpl-h2"):
        form = {"subscribe": {"template_id": name, "fields": {"thing1": "好了"}}}
        given = {"name": "x", "medium": "subscribe", "purpose": "service", "text": "好了", "forms": form}
        operator.post(TEMPLATES, given).ok(201)
    cache.forget("message_templates")
    told = {"allowances": [{"template_id": "tpl-h", "left": 1}]}
    assert phone.post("/v1/me/subscriptions", body, key="k1").ok() == told
    assert phone.post("/v1/me/subscriptions", body, key="k1").ok() == told
    assert phone.post("/v1/me/subscriptions", body).ok()["allowances"][0]["left"] == 2
    MEDIA.change(MediaRules())
    cache.forget("settings")


def test_members_see_their_own_messages_and_open_them(operator: Operator, outbox: Platforms) -> None:
    member_id, other = member(), member()
    phone = shopper(member_id)
    phone.put("/v1/me/preferences", {"media": {"sms": True}}).ok()
    one = sent_to(operator, phone, member_id)
    sent_to(operator, phone, member_id, purpose="transactional")
    [shown] = phone.get("/v1/me/messages").ok()["items"]
    assert (shown["message_id"], shown["text"], shown["opened_at"]) == (one, "茶五折，拒收请回复R", None)
    shopper(other).post(f"/v1/me/messages/{one}/open").refused(404, "not_found")
    phone.post(f"/v1/me/messages/{one}/open").ok(204)
    [opened] = phone.get("/v1/me/messages").ok()["items"]
    phone.post(f"/v1/me/messages/{one}/open").ok(204)
    assert phone.get("/v1/me/messages").ok()["items"] == [opened]
    assert opened["opened_at"]
    assert shopper(other).get("/v1/me/messages").ok()["items"] == []


def test_operators_find_messages_and_call_them_back(operator: Operator, outbox: Platforms) -> None:
    made = operator.post(TEMPLATES, SMS | {"purpose": "service", "text": "{product}"}).ok(201)
    who = member()
    ids = [queue(asked(made["template_id"], who, source="journey:j-list")) for _ in range(5)]
    back = operator.post(f"{MESSAGES}/{ids[0]}/recall").ok()
    assert (back["state"], back["reason"]) == ("dropped", "recalled")
    operator.post(f"{MESSAGES}/none/recall").refused(404, "not_found")
    run()
    [sent] = [one for one in ids if state(one) == "sent"]
    operator.post(f"{MESSAGES}/{sent}/recall").refused(409, "message_state")
    listed = list(operator.items(f"{MESSAGES}?journey=j-list&limit=2"))
    assert [one["message_id"] for one in listed] == sorted(
        ids, key=lambda one: (operator.get(f"{MESSAGES}/{one}").ok()["queued_at"], one), reverse=True
    )
    dropped = list(operator.items(f"{MESSAGES}?journey=j-list&state=dropped&limit=2"))
    assert {one["reason"] for one in dropped} == {"recalled", "capped"}
    assert len(list(operator.items(f"{MESSAGES}?journey=j-list&medium=sms"))) == 4
    assert len(list(operator.items(f"{MESSAGES}?member_id={who}"))) == 5
    assert list(operator.items(f"{MESSAGES}?source=send:none")) == []


def test_until_when_a_message_is_held_is_told_in_utc(operator: Operator, mall_clock: LocalClock) -> None:
    to_time(mall_clock, 23 * 3600)
    one = queue(asked(template().template_id, member()))
    run()
    told = operator.get(f"{MESSAGES}/{one}").ok()
    assert told["reason"] == "quiet" and told["held_until"].endswith("Z")
