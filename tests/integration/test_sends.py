"""A message to many: each member of the list gets one, however often it breaks off; two operators let a large one out;
what was called back goes to nobody any more."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.growth.messaging.carrying.rules import Letter
from chalicelib.growth.messaging.contacts import service as contacts
from chalicelib.growth.messaging.queries import find
from chalicelib.growth.messaging.rules import Choices, Preferences
from chalicelib.growth.messaging.sends import queries, rules, service
from chalicelib.growth.messaging.tables import Messages
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.declarations import MANY
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit
from local.client import Client, Operator
from local.clock import LocalClock
from tests.support import messages
from tests.support.coupons import crowd
from tests.support.distribution import bare_member, run_jobs
from tests.support.merging import redirect
from tests.support.messages import Platforms, platforms
from tests.support.operators import appointed, second_token
from tests.support.queued_messages import message_template

SENDS = "/v1/admin/sends"
WILLING = Preferences(media=Choices(sms=True))


@pytest.fixture
def outside(dynamodb: str) -> Iterator[Platforms]:
    with platforms() as made:
        yield made


def sent(operator: Client, **asked: Any) -> Any:
    body = {"template_id": message_template().template_id, "values": {"product": "茶"}, **asked}
    return operator.post("/v1/admin/messages", body, key=secrets.token_hex(8))


def written_to(send_id: str, members: Sequence[str]) -> list[str]:
    """Who of them has the send's message."""
    keys = [(Messages, (rules.message_id(send_id, each),)) for each in members]
    return [each for each, item in zip(members, read.batch_get(keys), strict=True) if item is not None]


def test_each_member_of_a_list_gets_one_message(operator: Operator) -> None:
    people = crowd(99)
    gone = f"m{secrets.token_hex(12)}"
    made = sent(operator, members=[*people, people[0], gone]).ok(202)
    assert (made["state"], made["total"], made["written_to"], made["purpose"]) == ("running", 100, 0, "marketing")
    run_jobs()
    told = operator.get(f"{SENDS}/{made['send_id']}").ok()
    assert (told["state"], told["written_to"], told["skipped"]) == ("done", 99, 1)
    assert written_to(made["send_id"], [*people, gone]) == people
    found = find(rules.message_id(made["send_id"], people[0]))
    assert found is not None
    assert (found.value.source, found.value.values) == (f"send:{made['send_id']}", {"product": "茶"})
    assert made["send_id"] in [one["send_id"] for one in operator.items(SENDS)]


def test_an_audience_gets_it_whatever_it_was_chosen_by(operator: Operator) -> None:
    people = crowd(1_001)
    audience = operator.post("/v1/admin/audiences", {"members": people}, key=secrets.token_hex(8)).ok(201)
    made = sent(operator, audience_id=audience["audience_id"]).ok(202)
    assert (made["state"], made["total"], made["audience_id"]) == ("proposed", 1_001, audience["audience_id"])
    run_jobs()
    assert written_to(made["send_id"], people) == []
    one = f"{SENDS}/{made['send_id']}"
    operator.post(f"{one}/agree").refused(409, "second_operator")
    second = Client(operator.send, second_token())
    told = second.post(f"{one}/agree").ok()
    assert told["state"] == "running" and [each["by"] for each in told["agreed"]] == [
        "owner-of-tests", "second-owner-of-tests",
    ]  # fmt: skip
    second.post(f"{one}/agree").ok()
    run_jobs()
    assert written_to(made["send_id"], people) == people
    assert operator.get(one).ok()["written_to"] == 1_001


def test_the_same_key_is_one_send_and_another_body_is_refused(operator: Operator) -> None:
    people, made = crowd(2), message_template("hi", ())
    body = {"template_id": made.template_id, "members": people}
    first, again = (operator.post("/v1/admin/messages", body, key="same-send").ok(202) for _ in range(2))
    assert first["send_id"] == again["send_id"]
    other = body | {"members": people[:1]}
    operator.post("/v1/admin/messages", other, key="same-send").refused(422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("asked", "field", "code"),
    [
        ({"members": None}, "members", "who_is_written_to"),
        ({"template_id": "mt-none"}, "template_id", "no_such_message_template"),
        ({"audience_id": "au-none", "members": None}, "audience_id", "no_such_audience"),
        ({"values": {}}, "values", "values_missing"),
        ({"purpose": "service"}, "purpose", "another_purpose"),
    ],
    ids=["nobody", "template", "audience", "values", "purpose"],
)
def test_what_cannot_be_sent_is_refused(operator: Operator, asked: Any, field: str, code: str) -> None:
    given = {"members": ["m1"], **asked}
    problem = sent(operator, **{name: value for name, value in given.items() if value is not None})
    errors = problem.refused(422, "invalid")["errors"]
    assert [(one["field"], one["code"]) for one in errors] == [(field, code)]


def test_it_begins_at_its_time(operator: Operator, mall_clock: LocalClock) -> None:
    people = crowd(3)
    made = sent(operator, members=people, at=(clock.now() + timedelta(hours=1)).isoformat()).ok(202)
    assert made["state"] == "planned"
    run_jobs()
    assert written_to(made["send_id"], people) == []
    mall_clock.advance(3601)
    run_jobs()
    assert written_to(made["send_id"], people) == people


def test_two_who_became_one_person_get_one_message_whenever_that_was(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, during, now = (bare_member() for _ in range(3))
    redirect(before, now)
    monkeypatch.setattr(service, "STEP_MEMBERS", 2)
    made = sent(operator, members=[before, during, *crowd(1), now]).ok(202)["send_id"]
    assert service._step(made, 0)
    redirect(during, now)
    while service._step(made, 0):
        pass
    assert sorted(written_to(made, [before, during, now])) == sorted([during, now])
    assert operator.get(f"{SENDS}/{made}").ok()["skipped"] == 1


def test_who_is_on_the_list_as_two_counts_as_one(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    former, who = bare_member(), bare_member()
    redirect(former, who)
    monkeypatch.setattr(service, "STEP_MEMBERS", 2)
    made = sent(operator, members=[former, *crowd(2), who]).ok(202)["send_id"]
    run_jobs()
    told = operator.get(f"{SENDS}/{made}").ok()
    assert (told["written_to"], told["skipped"]) == (3, 1)


def test_nothing_stands_of_a_send_that_was_called_back(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    people = crowd(6)
    monkeypatch.setattr(service, "STEP_MEMBERS", 3)
    made = sent(operator, members=people).ok(202)["send_id"]
    service._step(made, 0)
    found = find(rules.message_id(made, people[0]))
    assert found is not None
    tx = Transaction()
    assert service.stands(tx, found.value) and len(tx) == 1
    for _ in range(2):
        assert operator.post(f"{SENDS}/{made}/recall").ok()["state"] == "recalled"
    with pytest.raises(Conflict):  # what was about to go out looks again, and finds that it does not stand
        commit(tx)
    again = Transaction()
    assert not service.stands(again, found.value) and len(again) == 0
    assert not service._step(made, 0)
    assert written_to(made, people) == people[:3]
    operator.post(f"{SENDS}/{made}/agree").refused(409, "send_recalled")


def test_a_step_that_was_under_way_writes_nothing_after_the_recall(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = crowd(4)
    made = sent(operator, members=people).ok(202)["send_id"]
    reached = queries.reached

    def meanwhile(*given: Any) -> Any:
        monkeypatch.setattr(queries, "reached", reached)
        service.recall(made, "somebody")
        return reached(*given)

    monkeypatch.setattr(queries, "reached", meanwhile)
    run_jobs()
    assert written_to(made, people) == []


def reachable(count: int) -> list[str]:
    """So many who can be written to by SMS, and want offers by it."""
    people = [messages.member(f"139{secrets.randbelow(10**8):08}") for _ in range(count)]
    for each in people:
        contacts.change(each, lambda before: msgspec.structs.replace(before, preferences=WILLING))
    return people


def in_states(operator: Operator, send_id: str) -> dict[str, int]:
    told: dict[str, int] = operator.get(f"{SENDS}/{send_id}").ok()["messages"]
    return told


def test_what_became_of_its_messages_is_told(operator: Operator, outside: Platforms, mall_clock: LocalClock) -> None:
    messages.to_noon(mall_clock)
    people = [*reachable(3), bare_member()]
    made = sent(operator, members=people).ok(202)["send_id"]
    worker.run_due(lanes=[MANY])
    assert in_states(operator, made) == {"queued": 4}
    messages.run()
    told = operator.get(f"{SENDS}/{made}").ok()
    assert told["messages"] == {"sent": 3, "dropped": 1}
    assert (told["media"], told["dropped"]) == ({"sms": {"sent": 3}}, {"opted_out": 1})
    assert len(outside.took) == 3


def test_nothing_goes_out_after_a_recall_was_answered_and_what_waits_drops(
    operator: Operator, outside: Platforms, mall_clock: LocalClock
) -> None:
    messages.to_noon(mall_clock)
    people = reachable(30)
    made = sent(operator, members=people).ok(202)["send_id"]
    worker.run_due(lanes=[MANY])

    def recalled(_: Letter) -> None:
        if len(outside.took) == 5:
            operator.post(f"{SENDS}/{made}/recall").ok()

    outside.meanwhile = recalled
    messages.run()
    assert len(outside.took) == 6  # the sixth had been reserved before
    assert in_states(operator, made) == {"sent": 6, "dropped": 24}
    assert operator.get(f"{SENDS}/{made}").ok()["dropped"] == {"recalled": 24}


def test_what_is_held_is_dropped_by_the_recall_before_its_time_comes(
    operator: Operator, outside: Platforms, mall_clock: LocalClock
) -> None:
    messages.to_time(mall_clock, 23 * 3600)
    made = sent(operator, members=reachable(45)).ok(202)["send_id"]
    messages.run()
    assert in_states(operator, made) == {"held": 45}
    operator.post(f"{SENDS}/{made}/recall").ok()
    worker.run_due(lanes=[MANY])
    assert in_states(operator, made) == {"dropped": 45}
    messages.run(mall_clock, 12 * 3600)
    assert outside.took == []


def test_who_may_write_to_many(operator: Operator) -> None:
    staff, merchandiser = appointed(operator, "service"), appointed(operator, "merchandiser")
    sent(staff, members=crowd(1)).refused(403, "forbidden")
    made = sent(merchandiser, members=crowd(1)).ok(202)["send_id"]
    assert staff.get(f"{SENDS}/{made}").ok()["total"] == 1
    staff.post(f"{SENDS}/{made}/recall").refused(403, "forbidden")


def test_what_one_operator_lets_out_alone_in_a_day_counts_together(operator: Operator, mall_clock: LocalClock) -> None:
    boss = appointed(operator, "owner")
    people = [f"m{number:024}" for number in range(1_001)]
    states = [sent(boss, members=some).ok(202)["state"] for some in (people[:600], people[:400], people[:1], people)]
    assert states == ["running", "running", "proposed", "proposed"]
    other = appointed(operator, "owner")
    assert sent(other, members=people[:1_000]).ok(202)["state"] == "running"
    mall_clock.advance(86_400)
    assert sent(boss, members=people[:1_000]).ok(202)["state"] == "running"
    assert sent(boss, members=people[:1]).ok(202)["state"] == "proposed"


def test_two_sends_at_once_do_not_evade_the_second_operator(operator: Operator) -> None:
    boss = appointed(operator, "owner")
    people, made = [f"m{number:024}" for number in range(600)], message_template()
    body = {"template_id": made.template_id, "values": {"product": "茶"}, "members": people}

    def send(number: int) -> str:
        state: str = boss.post("/v1/admin/messages", body, key=f"at once {number}").ok(202)["state"]
        return state

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(send, range(4))) == ["proposed"] * 3 + ["running"]


def test_what_was_agreed_on_goes_out_whatever_its_template_says_later(
    operator: Operator, outside: Platforms, mall_clock: LocalClock
) -> None:
    messages.to_noon(mall_clock)
    one = messages.member()
    contacts.change(one, lambda contact: msgspec.structs.replace(contact, preferences=WILLING))
    people = [one, *(f"m{number:024}" for number in range(1_000))]
    asked = {
        "name": "上新",
        "medium": "sms",
        "purpose": "marketing",
        "text": "{product}上新。拒收请回复R",
        "vars": ["product"],
    }
    template = operator.post("/v1/admin/message-templates", asked).ok(201)
    made = sent(operator, template_id=template["template_id"], members=people).ok(202)
    assert made["state"] == "proposed" and made["text"] == "茶上新。拒收请回复R"
    changed: Any = asked | {"text": "全场一折！拒收请回复R", "vars": []}
    operator.put(f"/v1/admin/message-templates/{template['template_id']}", changed).ok()
    told = Client(operator.send, second_token()).post(f"{SENDS}/{made['send_id']}/agree").ok()
    assert (told["text"], told["template_version"]) == ("茶上新。拒收请回复R", 1)
    run_jobs()
    messages.run()
    assert [(letter.to, letter.text) for letter in outside.took] == [("13800138000", "茶上新。拒收请回复R")]
    [message] = operator.items(f"/v1/admin/messages?member_id={one}")
    assert message["template_version"] == 1


def test_a_time_is_told_in_utc_and_one_of_no_place_is_malformed(operator: Operator) -> None:
    at = (clock.now() + timedelta(hours=1)).astimezone(clock.SHANGHAI)
    made = sent(operator, members=crowd(1), at=at.isoformat()).ok(202)
    assert made["begins_at"].endswith("Z")
    sent(operator, members=crowd(1), at=at.replace(tzinfo=None).isoformat()).refused(400, "malformed")
