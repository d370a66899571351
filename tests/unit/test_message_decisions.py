"""What becomes of a message, whatever is known of it: the clock, sends and wishes at random, and what the mall promises
of every one that goes out."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chalicelib.core import clock
from chalicelib.growth.messaging.contacts.rules import given_back, taken
from chalicelib.growth.messaging.limits.rules import Cap, CapRules, MediaRules, QuietRules
from chalicelib.growth.messaging.preferences.rules import opted_out
from chalicelib.growth.messaging.rules import (
    PRIORITY_MAX,
    Allowance,
    Choices,
    Contact,
    Logged,
    Medium,
    Message,
    Preferences,
    Purpose,
    QuietHours,
    Reserved,
    Template,
    Window,
)
from chalicelib.growth.messaging.sending.rules import (
    SOON,
    SPEND_SHARDS,
    SPREAD_SECONDS,
    Drop,
    Facts,
    Hold,
    Person,
    Send,
    Terms,
    again_seconds,
    decide,
)

START = datetime(2026, 11, 30, 4, tzinfo=UTC)
MEDIA: tuple[Medium, ...] = ("subscribe", "oa", "sms", "call", "wecom")
PURPOSES: tuple[Purpose, ...] = ("transactional", "service", "marketing")
WHO = Person(member_id="m1", openids=["o1"], oa_openid="f1", phone="13800138000")


def template(**changes: Any) -> Template:
    fields: dict[str, Any] = {
        "template_id": "mt1", "version": 1, "name": "x", "purpose": "service", "media": ["sms"], "text": "x",
        "created_at": START, "updated_at": START,
    }  # fmt: skip
    return Template(**{**fields, **changes})


def message(**changes: Any) -> Message:
    fields: dict[str, Any] = {
        "message_id": "ms1", "member_id": "m1", "template_id": "mt1", "purpose": "service", "source": "journey:j",
        "queued_at": START, "expires_at": START + timedelta(days=30),
    }  # fmt: skip
    return Message(**{**fields, **changes})


def facts(one: Message, **changes: Any) -> Facts:
    fields: dict[str, Any] = {"message": one, "template": template(purpose=one.purpose), "person": WHO}
    return Facts(**{**fields, **changes})


class Mall(RuleBasedStateMachine):
    """One member, messages that wait, and a clock. The machine keeps its own books of what was promised."""

    @initialize(
        marketing=st.booleans(),
        agreed=st.sampled_from([None, True]),
        quiet=st.sampled_from([None, QuietHours("12:00", "14:00")]),
        budget=st.sampled_from([None, 20]),
    )
    def opens(self, marketing: bool, agreed: bool | None, quiet: QuietHours | None, budget: int | None) -> None:
        self.now = START
        self.caps = [Cap(max=2, per="day"), Cap(max=4, per="7d"), Cap(media=["sms"], max=2, per="7d")]
        self.terms = Terms(CapRules(caps=self.caps), QuietRules(), MediaRules(sms_daily_budget_fen=budget))
        wishes = Preferences(marketing=marketing, media=Choices(sms=agreed, call=agreed), quiet=quiet)
        self.contact = Contact(preferences=wishes)
        self.left = 0
        self.spent: dict[str, list[int]] = {}
        self.waiting: dict[str, Message] = {}
        self.sent: list[tuple[datetime, Message]] = []
        self.out: set[str] = set()
        self.number = 0

    @rule(
        purpose=st.sampled_from(PURPOSES),
        media=st.lists(st.sampled_from(MEDIA), min_size=1, max_size=3, unique=True),
        hours=st.integers(1, 100),
        waits=st.booleans(),
    )
    def asks(self, purpose: Purpose, media: list[Medium], hours: int, waits: bool) -> None:
        self.number += 1
        one = message(
            message_id=f"ms{self.number}", purpose=purpose, media=media, queued_at=self.now,
            expires_at=self.now + timedelta(hours=hours), on_cap="wait" if waits else "drop",
        )  # fmt: skip
        self.waiting[one.message_id] = one

    @rule(seconds=st.one_of(st.integers(0, 7200), st.integers(0, 90_000)))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def writes_to_the_account(self) -> None:
        self.contact = msgspec.structs.replace(self.contact, oa=Window("f1", self.now + timedelta(hours=48), 2))

    @rule(times=st.integers(1, 2))
    def lets_through(self, times: int) -> None:
        self.left += times

    @rule(medium=st.sampled_from([None, *MEDIA]))
    def opts_out(self, medium: Medium | None) -> None:
        self.out.add(medium or "marketing")
        wishes = opted_out(self.contact.preferences, medium)
        self.contact = msgspec.structs.replace(self.contact, preferences=wishes)

    @rule(fails=st.booleans())
    def looks(self, fails: bool) -> None:
        for one in list(self.waiting.values()):
            if one.held_until is not None and self.now < one.held_until:
                continue
            decided = decide(self.facts_of(one), self.now)
            match decided:
                case Hold():
                    assert self.now < decided.until < one.expires_at
                    held = msgspec.structs.replace(one, held_until=decided.until, state="held", reason=decided.reason)
                    self.waiting[one.message_id] = held
                case Drop():
                    del self.waiting[one.message_id]
                case Send():
                    self.sends(one, decided, fails)

    def facts_of(self, one: Message) -> Facts:
        day = self.spent.setdefault(clock.day(self.now).isoformat(), [0] * SPEND_SHARDS)
        allowances = [Allowance("m1", "o1", "mt1", self.left)]
        return facts(one, contact=self.contact, allowances=allowances, terms=self.terms, spent=day)

    def sends(self, one: Message, send: Send, fails: bool) -> None:
        self.holds_its_word(one, send)
        going = msgspec.structs.replace(
            one, state="sending", medium=send.medium, reserved=Reserved(member_id="m1", window=send.window)
        )
        day = self.spent[clock.day(self.now).isoformat()]
        before = self.contact
        self.contact = taken(self.contact, going, self.now)
        self.left -= send.allowance is not None
        day[send.shard] += send.fen
        if fails:
            self.contact = given_back(self.contact, going)
            self.left += send.allowance is not None
            day[send.shard] -= send.fen
            assert (self.contact.oa, {each.message_id for each in self.contact.log}) == (
                before.oa, {each.message_id for each in before.log} & {each.message_id for each in self.contact.log},
            )  # fmt: skip
            return
        self.sent.append((self.now, going))
        del self.waiting[one.message_id]

    def holds_its_word(self, one: Message, send: Send) -> None:
        """What must be true of everything that goes out, by books of the machine's own."""
        assert self.now < one.expires_at
        assert send.medium in one.media and send.medium != "wecom"
        assert send.medium not in self.out
        time = self.now.astimezone(clock.SHANGHAI).strftime("%H:%M")
        if one.purpose != "transactional" or send.medium in ("sms", "call"):
            assert "08:00" <= time < "22:00"
            assert self.contact.preferences.quiet is None or not "12:00" <= time < "14:00"
        if one.purpose == "marketing":
            assert "marketing" not in self.out and send.medium not in ("subscribe", "oa")
            assert send.medium not in ("sms", "call") or self.contact.preferences.media.sms or send.medium == "call"
            assert send.medium != "sms" or time < "21:00"
        if send.way == "subscribe":
            assert self.left >= 1
        if send.way == "template":
            assert one.purpose == "transactional"

    @invariant()
    def caps_hold(self) -> None:
        counted = [(at, one) for at, one in getattr(self, "sent", ()) if one.purpose != "transactional"]
        assert max(Counter(clock.day(at) for at, _ in counted).values(), default=0) <= 2
        week = timedelta(days=7)
        for at, _ in counted:
            assert sum(at - week < then <= at for then, _ in counted) <= 4
            assert sum(at - week < then <= at for then, one in counted if one.medium == "sms") <= 2

    @invariant()
    def no_budget_and_no_allowance_is_exceeded(self) -> None:
        assert getattr(self, "left", 0) >= 0
        if getattr(self, "terms", Terms()).media.sms_daily_budget_fen is not None:
            assert all(sum(day) <= 20 and min(day) >= 0 for day in self.spent.values())


TestMall = Mall.TestCase
TestMall.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def reason(one: Message, **changes: Any) -> str:
    decided = decide(facts(one, **changes), START)
    return decided.reason if isinstance(decided, Drop | Hold) else f"{decided.medium} {decided.way}"


@pytest.mark.parametrize(
    ("changes", "more", "expected"),
    [
        ({}, {}, "sms sms"),
        ({}, {"person": None}, "gone"),
        ({}, {"person": Person(member_id="m1", blocked=True, phone="1")}, "blocked"),
        ({"purpose": "marketing"}, {}, "opted_out"),
        ({"purpose": "marketing", "media": ["oa"]}, {}, "medium_off"),
        ({"media": ["wecom"]}, {}, "unreachable"),
        ({"tried": ["sms"]}, {}, "unreachable"),
        ({"media": ["oa"], "purpose": "transactional"}, {}, "oa template"),
        ({"media": ["oa"]}, {"contact": Contact(oa=Window("f1", START + timedelta(hours=1), 1))}, "oa oa_text"),
        ({"media": ["oa"]}, {"contact": Contact(oa=Window("f1", START, 1))}, "unreachable"),
        ({"media": ["oa"]}, {"contact": Contact(oa=Window("f1", START + timedelta(hours=1), 0))}, "unreachable"),
        ({"media": ["subscribe"]}, {"contact": Contact(mini=Window("o1", START + timedelta(hours=1), 1))},
         "subscribe mini_text"),
        ({"media": ["subscribe", "sms"]}, {"allowances": [Allowance("m1", "o1", "mt1", 1)]}, "subscribe subscribe"),
        ({"media": ["subscribe", "sms"]}, {"allowances": [Allowance("m1", "o1", "mt2", 1)]}, "sms sms"),
        ({"media": ["subscribe"]}, {"allowances": [Allowance("m1", "o9", "mt1", 1)]}, "unreachable"),
        ({"expires_at": START}, {}, "expired"),
        ({"not_before": START + timedelta(hours=1)}, {}, "not_before"),
        ({}, {"contact": Contact(preferences=Preferences(media=Choices(sms=False)))}, "opted_out"),
        ({}, {"terms": Terms(media=MediaRules(sms=False))}, "medium_off"),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),
)  # fmt: skip
def test_each_reason(changes: dict[str, Any], more: dict[str, Any], expected: str) -> None:
    assert reason(message(**changes), **more) == expected


@given(st.integers(0, 10_000))
def test_what_the_night_held_is_spread_over_half_an_hour(number: int) -> None:
    night = datetime(2026, 11, 30, 15, tzinfo=UTC)
    decided = decide(facts(message(member_id=f"m{number}")), night)
    assert isinstance(decided, Hold) and decided.reason == "quiet"
    morning = datetime(2026, 12, 1, 0, tzinfo=UTC)
    assert morning <= decided.until < morning + timedelta(seconds=SPREAD_SECONDS + PRIORITY_MAX)


@given(st.integers(0, 100), st.integers(0, 100))
def test_of_what_one_member_is_held_for_the_higher_priority_comes_first(one: int, other: int) -> None:
    night = datetime(2026, 11, 30, 15, tzinfo=UTC)
    enough = Contact(log=[Logged(START - timedelta(days=1), "sms", "service", "ms0")])
    for now, contact in ((night, Contact()), (START, enough)):
        held = [
            decide(facts(message(message_id=name, priority=priority, on_cap="wait"), contact=contact), now)
            for name, priority in (("ms1", one), ("ms2", other))
        ]
        first, second = (each.until for each in held if isinstance(each, Hold))
        assert (first < second, first == second) == (one > other, one == other)


def test_what_the_night_outlives_is_dropped_and_what_ends_soon_after_is_not_spread() -> None:
    night, morning = datetime(2026, 11, 30, 15, tzinfo=UTC), datetime(2026, 12, 1, 0, tzinfo=UTC)
    assert decide(facts(message(expires_at=morning)), night) == Drop("expired", "sms")
    soon = decide(facts(message(expires_at=morning + timedelta(seconds=1))), night)
    assert soon == Hold(morning, "quiet", "sms")


@pytest.mark.parametrize(("before", "held"), [(timedelta(0), False), (SOON, True), (SOON + timedelta(seconds=1), None)])
def test_a_cap_that_is_about_to_end_is_waited_for(before: timedelta, held: bool | None) -> None:
    ends = START + before
    contact = Contact(log=[Logged(ends - timedelta(days=7), "sms", "service", "ms0")])
    decided = decide(facts(message(priority=PRIORITY_MAX), contact=contact), START)
    if held is None:
        assert decided == Drop("capped", "sms")
    else:
        assert decided == Hold(ends, "capped", "sms") if held else isinstance(decided, Send)


def test_a_call_is_not_begun_that_would_end_in_the_night() -> None:
    ten = datetime(2026, 11, 30, 14, tzinfo=UTC)
    assert isinstance(decide(facts(message()), ten - timedelta(seconds=10)), Hold)
    assert isinstance(decide(facts(message()), ten - timedelta(seconds=11)), Send)


@given(st.integers(0, 40))
def test_patience_grows_and_ends_at_an_hour(attempts: int) -> None:
    wait = again_seconds(message(attempts=attempts))
    assert 15 <= wait <= 3600
    assert wait >= 1800 or attempts < 7
