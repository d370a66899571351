"""Messages go out once, by the first medium that is allowed and reaches their member; what cannot is held or dropped,
and says why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.core.settings import secret, settings
from chalicelib.customers.members import service as members
from chalicelib.growth.messaging import ports, queries
from chalicelib.growth.messaging.contacts import queries as contacts
from chalicelib.growth.messaging.contacts import service as contact
from chalicelib.growth.messaging.limits.rules import Cap, CapRules, MediaRules
from chalicelib.growth.messaging.receipts import service as receipts
from chalicelib.growth.messaging.rules import Choices, Form, Message, Preferences
from chalicelib.growth.messaging.sending import service as sending
from chalicelib.growth.messaging.sending.queries import day_now, spent_on
from chalicelib.growth.messaging.settings import CAPS, MEDIA
from chalicelib.growth.messaging.tasks.tables import Tasks
from chalicelib.platform.jobs.job import LEASE_SECONDS
from chalicelib.platform.store import tools
from chalicelib.platform.store.transaction import Transaction
from local.clock import LocalClock
from tests.support.messages import (
    DAY,
    Platforms,
    Refusal,
    asked,
    found,
    left_of,
    lets_through,
    member,
    platforms,
    queue,
    run,
    state,
    template,
    to_noon,
    to_time,
)

pytestmark = pytest.mark.usefixtures("own_tables")


@pytest.fixture
def outbox(own_tables: None, no_jobs: None, mall_clock: LocalClock) -> Iterator[Platforms]:
    to_noon(mall_clock)
    with platforms() as made:
        yield made


@pytest.fixture
def sets(own_tables: None) -> Iterator[Any]:
    """Settings of a test, which are the usual ones after it."""
    from chalicelib.platform.store import cache

    def change(section: Any, value: Any) -> None:
        section.change(value)
        cache.forget("settings")

    yield change
    CAPS.change(CapRules())
    MEDIA.change(MediaRules())


def prefers(member_id: str, **wishes: Any) -> None:
    contact.change(member_id, lambda before: msgspec.structs.replace(before, preferences=Preferences(**wishes)))


class Told:
    """Whoever is told of ends."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def ended(self, tx: Transaction, message: Message) -> None:
        tx.after_commit(self.ends.append, f"{message.run} {message.state} {message.reason}".strip())

    def task_done(self, tx: Transaction, task: Any) -> None:
        raise AssertionError


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    made = Told()
    monkeypatch.setattr(ports, "_results", made)
    return made


def test_an_sms_goes_out_and_its_run_hears_of_it(outbox: Platforms, told: Told) -> None:
    made = template(forms={"sms": Form("SMS_1", {"1": "{product}"})})
    who = member()
    one = queue(asked(made.template_id, who, run="r1"))
    run()
    assert state(one) == "sent"
    [letter] = outbox.took
    assert (letter.way, letter.to, letter.template_id, letter.fields) == ("sms", "13800138000", "SMS_1", {"1": "茶"})
    assert told.ends == ["r1 sent"]
    assert queries.counts("journey:j1")["sms|sent"] >= 1
    assert receipts.receive("sms", ref=f"ref-{one}", delivered=True)
    assert receipts.receive("sms", message_id=one, delivered=False, code="late")  # what arrived has arrived
    assert state(one) == "delivered"
    assert told.ends == ["r1 sent"]
    assert [entry.message_id for entry in contacts.stored(who).value.log] == [one]
    assert sum(spent_on(day_now())) >= 5


def test_the_first_medium_that_is_allowed_and_reaches_them(outbox: Platforms) -> None:
    made = template(purpose="transactional", media=["subscribe", "oa", "sms"], forms={"subscribe": Form("tpl-a")})
    who = member(follows=True)
    lets_through(who, "tpl-a")
    ids = [queue(asked(made.template_id, who)) for _ in range(2)]
    run()
    prefers(who, media=Choices(oa=False))
    ids.append(queue(asked(made.template_id, who)))
    run()
    assert sorted(outbox.of(one)[0] for one in ids[:2]) == ["subscribe", "template"]
    assert outbox.of(ids[2]) == ["sms"]
    assert left_of(who, "tpl-a") == 0
    assert contacts.stored(who).value.log == []  # orders' notices count for no cap


def test_who_said_nothing_gets_no_offers_by_sms_and_who_agreed_does(outbox: Platforms) -> None:
    made = template(purpose="marketing")
    who = member()
    first = queue(asked(made.template_id, who))
    run()
    assert state(first) == "dropped:opted_out"
    prefers(who, media=Choices(sms=True))
    second = queue(asked(made.template_id, who))
    run()
    assert state(second) == "sent"
    contact.opt_out(who, "sms", "reply")
    third = queue(asked(template(purpose="transactional").template_id, who))
    run()
    assert state(third) == "dropped:opted_out"


def test_nobody_gone_blocked_or_unreachable_is_written_to(outbox: Platforms, mall_clock: LocalClock) -> None:
    made = template().template_id
    blocked = member()
    members.block(blocked, "x")
    gone, bad = queue(asked(made)), queue(asked(made, blocked))
    none = queue(asked(made, member(phone=None)))
    late = queue(asked(made, member(), expires_at=clock.now() + timedelta(seconds=5)))
    mall_clock.advance(6)
    run()
    assert [state(one) for one in (gone, bad, none, late)] == [
        "dropped:gone", "dropped:blocked", "dropped:unreachable", "dropped:expired",
    ]  # fmt: skip
    assert outbox.took == []
    assert found(gone).values == {}


def test_quiet_hours_hold_and_the_morning_is_spread(outbox: Platforms, mall_clock: LocalClock) -> None:
    to_time(mall_clock, 21.9999 * 3600)
    made, notice = template().template_id, template(purpose="transactional", media=["oa"], text="好", vars=[])
    ids = [queue(asked(made, member())) for _ in range(20)]
    now = queue(asked(notice.template_id, member(follows=True)))
    run()
    assert {state(one) for one in ids} == {"held:quiet"}
    assert len({found(one).held_until for one in ids}) > 15
    assert state(now) == "sent"
    assert queries.counts("journey:j1")["sms|held"] == 20
    mall_clock.advance(10 * 3600)
    run(mall_clock, 1800)
    assert {state(one) for one in ids} == {"sent"}
    assert queries.counts("journey:j1").get("sms|held", 0) == 0


def test_caps_drop_or_hold_and_other_days_are_free(outbox: Platforms, mall_clock: LocalClock, sets: Any) -> None:
    sets(CAPS, CapRules(caps=[Cap(max=2, per="day"), Cap(max=3, per="7d")]))
    made, who = template().template_id, member()
    sent = [queue(asked(made, who)) for _ in range(2)]
    run()
    dropped, waits = queue(asked(made, who)), queue(asked(made, who, on_cap="wait"))
    run()
    assert [state(one) for one in (*sent, dropped, waits)] == ["sent", "sent", "dropped:capped", "held:capped"]
    run(mall_clock, DAY)
    assert state(waits) == "sent"
    assert state(queue(asked(made, who))) == "queued"
    run()
    assert len(outbox.took) == 3


def test_a_days_budget_is_never_exceeded(outbox: Platforms, mall_clock: LocalClock, sets: Any) -> None:
    mall_clock.advance(DAY)
    sets(MEDIA, MediaRules(sms_fen=7, sms_daily_budget_fen=24))
    made, notice = template().template_id, template(purpose="transactional").template_id
    ids = [queue(asked(made, member())) for _ in range(5)]
    run()
    assert sorted(state(one) for one in ids) == ["dropped:budget"] * 2 + ["sent"] * 3
    assert sum(spent_on(day_now())) == 21
    waits = queue(asked(notice, member()))
    run()
    assert state(waits) == "held:budget"
    to_noon(mall_clock)
    run(mall_clock, 1800)
    assert state(waits) == "sent"


def test_what_a_platform_refuses_is_given_back(outbox: Platforms, mall_clock: LocalClock) -> None:
    made = template(purpose="service", media=["subscribe", "sms"], forms={"subscribe": Form("tpl-b")})
    who = member()
    lets_through(who, "tpl-b", 2)
    outbox.refuses = lambda letter: Refusal("43101") if letter.way == "subscribe" else None
    one = queue(asked(made.template_id, who))
    run()
    assert (state(one), outbox.of(one)) == ("sent", ["sms"])
    assert left_of(who, "tpl-b") == 0  # WeChat knows better
    assert len(contacts.stored(who).value.log) == 1
    other = member()
    spent = sum(spent_on(day_now()))
    outbox.refuses = lambda _: Refusal("45009", retryable=True)
    later = queue(asked(template().template_id, other))
    run()
    assert (state(later), found(later).attempts) == ("queued:45009", 1)
    assert contacts.stored(other).value.log == []
    assert sum(spent_on(day_now())) == spent
    outbox.refuses = lambda _: None
    run(mall_clock, 60)
    assert state(later).startswith("sent")


def test_a_fault_of_ours_fails_and_one_of_theirs_is_unknown_for_ever(outbox: Platforms, mall_clock: LocalClock) -> None:
    outbox.refuses = lambda _: Refusal("40037")
    ours = queue(asked(template().template_id, member()))
    run()
    assert state(ours) == "failed:40037"
    outbox.refuses = lambda _: Refusal("no_reply", outcome_unknown=True)
    who = member()
    unknown = queue(asked(template().template_id, who))
    run()
    run(mall_clock, DAY)
    assert state(unknown) == "unknown:no_reply"
    assert outbox.of(unknown) == ["sms"]
    assert len(contacts.stored(who).value.log) == 1  # it may have come
    assert receipts.receive("sms", message_id=unknown, delivered=True)
    assert state(unknown) == "delivered"


def test_a_merchant_may_prefer_twice_to_not_at_all(outbox: Platforms, mall_clock: LocalClock, sets: Any) -> None:
    sets(MEDIA, MediaRules(resend_unknown=True))
    faults: list[Refusal | None] = [Refusal("no_reply", outcome_unknown=True), None]
    outbox.refuses = lambda _: faults.pop(0)
    one = queue(asked(template().template_id, member()))
    run()
    run(mall_clock, 60)
    assert (state(one), outbox.of(one)) == ("sent", ["sms", "sms"])


def test_who_dies_in_the_middle_leaves_it_unknown(outbox: Platforms, mall_clock: LocalClock) -> None:
    class Dead(BaseException):
        pass

    outbox.refuses = lambda _: Dead()  # type: ignore[assignment,return-value]
    one = queue(asked(template().template_id, member()))
    with pytest.raises(Dead):
        run()
    outbox.refuses = lambda _: None
    run()
    assert state(one) == "sending"
    run(mall_clock, LEASE_SECONDS + 1)
    run(mall_clock, 3)
    assert state(one) == "unknown:abandoned"
    assert outbox.took == []


def test_a_receipt_may_be_quicker_than_the_answer(outbox: Platforms, told: Told) -> None:
    outbox.meanwhile = lambda letter: receipts.receive("sms", message_id=letter.message_id, delivered=True) and None
    one = queue(asked(template().template_id, member(), run="r2"))
    run()
    assert (state(one), told.ends) == ("delivered", ["r2 delivered"])


def test_a_window_of_the_account_carries_a_text(outbox: Platforms, mall_clock: LocalClock) -> None:
    made = template(media=["oa"], text="你好{product}")
    who = member(follows=True)
    closed = queue(asked(made.template_id, who))
    run()
    assert state(closed) == "dropped:unreachable"  # a template message is for orders' notices alone
    contact.wrote(who, "oa", f"oa-{who}", "message", clock.now(), "e1")
    contact.wrote(who, "oa", f"oa-{who}", "message", clock.now(), "e1")
    one = queue(asked(made.template_id, who))
    run()
    assert outbox.of(one) == ["oa_text"]
    assert outbox.took[-1].text == "你好茶"
    window = contacts.stored(who).value.oa
    assert window is not None and window.left == 4


def test_what_waits_can_be_called_back(outbox: Platforms, told: Told) -> None:
    one = queue(asked(template().template_id, member(), run="r3"))
    assert sending.recall(one).reason == "recalled"
    assert sending.recall(one).reason == "recalled"
    run()
    assert outbox.took == []
    assert told.ends == ["r3 dropped recalled"]


def test_a_call_is_a_task_of_the_staff_and_counts_for_caps(outbox: Platforms, told: Told, sets: Any) -> None:
    sets(CAPS, CapRules(caps=[Cap(media=["call"], max=1, per="7d")]))
    made, who = template(media=["call"], text="请联系客户，谈谈{product}"), member()
    ids = [queue(asked(made.template_id, who, run="r4")) for _ in range(2)]
    run()
    assert sorted(state(one) for one in ids) == ["dropped:capped", "sent"]
    assert outbox.took == []
    assert sorted(told.ends) == ["r4 dropped capped", "r4 sent"]
    [task] = [item.task for item in tools.scan(Tasks) if item.member_id == who]
    assert (task.script, task.state, task.run) == ("请联系客户，谈谈茶", "open", "r4")
    assert queries.counts("journey:j1")["call|sent"] == 1


def test_a_source_that_wants_it_no_more_has_it_dropped(outbox: Platforms, monkeypatch: pytest.MonkeyPatch) -> None:
    class Recalled:
        def stands(self, tx: Transaction, message: Message) -> bool:
            return False

    monkeypatch.setitem(ports._sources, "plan", Recalled())
    one = queue(asked(template().template_id, member(), source="plan:p1"))
    run()
    assert (state(one), outbox.took) == ("dropped:recalled", [])


def test_what_is_not_configured_is_known_not_to_be_sent(
    no_jobs: None, own_tables: None, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_noon(mall_clock)
    monkeypatch.setenv("YUTANG_SMS_VENDOR", "aliyun")
    monkeypatch.delenv("YUTANG_SMS_KEY", raising=False)
    settings.cache_clear()
    secret.cache_clear()
    who = member()
    try:
        one = queue(asked(template().template_id, who))
        run()
    finally:
        monkeypatch.undo()
        settings.cache_clear()
        secret.cache_clear()
    assert state(one) == "failed:not_configured"
    assert contacts.stored(who).value.log == []
