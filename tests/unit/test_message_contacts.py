"""What a member wants and what was sent to them: opt-outs win when two become one, and what is taken can be given
back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.growth.messaging.contacts.rules import HEARD_MAX, given_back, joined, opened, taken
from chalicelib.growth.messaging.preferences.rules import (
    SAID_MAX,
    answers,
    came_back,
    left_account,
    opted_out,
    remembered,
    stated,
    strictest,
    wants,
)
from chalicelib.growth.messaging.rules import (
    LOG_MAX,
    MEDIA,
    TRANSITIONS,
    Choices,
    Contact,
    Logged,
    Message,
    Preferences,
    Purpose,
    QuietHours,
    Reserved,
    Stated,
    Window,
    may_become,
)
from chalicelib.growth.messaging.states.rules import counted_as, has_ended

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
PURPOSES: tuple[Purpose, ...] = ("transactional", "service", "marketing")
CHOICE = st.sampled_from([None, True, False])
TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 30]))
WISHES = st.builds(
    Preferences,
    marketing=st.booleans(),
    media=st.builds(Choices, subscribe=CHOICE, oa=CHOICE, wecom=CHOICE, sms=CHOICE, call=CHOICE),
    quiet=st.one_of(st.none(), st.builds(QuietHours, TIMES, TIMES)),
)
LOGS = st.lists(
    st.builds(
        Logged,
        at=st.integers(0, 86400 * 20).map(lambda seconds: NOW - timedelta(seconds=seconds)),
        medium=st.just("sms"),
        purpose=st.just("service"),
        message_id=st.integers(0, 30).map("ms{}".format),
    ),
    max_size=8,
    unique_by=lambda one: one.message_id,
)
WINDOWS = st.one_of(
    st.none(),
    st.builds(Window, st.sampled_from(["a", "b"]), st.integers(0, 3).map(lambda h: NOW + timedelta(hours=h)),
              st.integers(0, 5)),
)  # fmt: skip
CONTACTS = st.builds(Contact, preferences=WISHES, log=LOGS, oa=WINDOWS, mini=WINDOWS)


@given(WISHES, WISHES, st.sampled_from(MEDIA), st.sampled_from(PURPOSES))
def test_what_either_refused_both_have_refused(one: Preferences, other: Preferences, medium: Any, what: Any) -> None:
    both = strictest(one, other)
    assert both.marketing == (one.marketing and other.marketing)
    for each in (one, other):
        assert getattr(each.media, medium) is not False or not wants(both, medium, what)
    if wants(both, medium, what):
        assert wants(one, medium, what) or wants(other, medium, what)
    assert strictest(both, one) == strictest(one, both)
    assert strictest(other, one).media == both.media
    assert strictest(both, both).media == both.media


@given(st.lists(WISHES, min_size=2, max_size=2), st.sampled_from(["10:15", "23:45", "00:00"]))
def test_whose_quiet_hours_are_joined_is_left_alone_in_both(wishes: list[Preferences], time: str) -> None:
    def within(quiet: QuietHours | None) -> bool:
        if quiet is None:
            return False
        if quiet.starts <= quiet.until:
            return quiet.starts <= time < quiet.until
        return time >= quiet.starts or time < quiet.until

    both = strictest(*wishes).quiet
    covered = all(within(both) for one in wishes if within(one.quiet))
    assert covered or both in [one.quiet for one in wishes]


@given(WISHES, st.sampled_from([None, *MEDIA]))
def test_an_opt_out_holds_and_said_twice_is_one(before: Preferences, medium: Any) -> None:
    after = opted_out(before, medium)
    assert opted_out(after, medium) is after
    for each in MEDIA:
        assert not wants(after, each, "marketing") if medium in (None, each) else True
        if medium == each:
            assert not wants(after, each, "transactional")


def test_who_says_nothing_gets_no_offers_by_sms_or_telephone() -> None:
    nothing = Preferences()
    assert {each for each in MEDIA if not wants(nothing, each, "marketing")} == {"sms", "call"}
    assert all(wants(nothing, each, "service") for each in MEDIA)


@given(CONTACTS, CONTACTS)
def test_joining_again_changes_nothing_and_loses_no_send(one: Contact, other: Contact) -> None:
    both = joined(one, other)
    assert {each.message_id for each in both.log} == {each.message_id for each in (*one.log, *other.log)}
    assert joined(both, other).log == both.log
    assert joined(other, one).oa == both.oa
    assert all(first.at <= second.at for first, second in pairwise(both.log))


@given(CONTACTS, st.sampled_from(PURPOSES), st.sampled_from(["", "oa", "mini"]))
def test_what_is_given_back_is_what_was_taken(contact: Contact, purpose: Purpose, window: str) -> None:
    has_one = window == "" or (getattr(contact, window) is not None and getattr(contact, window).left > 0)
    if not has_one:
        return
    one = Message(
        message_id="ms-new", member_id="m", template_id="t", purpose=purpose, source="send:1", queued_at=NOW,
        expires_at=NOW, medium="oa", state="sending", reserved=Reserved(member_id="m", window=window),
    )  # fmt: skip
    after = taken(contact, one, NOW)
    assert ("ms-new" in [each.message_id for each in after.log]) == (purpose != "transactional")
    assert given_back(after, one) == contact
    if purpose == "transactional" and not window:
        assert after is contact


def test_the_log_is_bounded() -> None:
    log = [Logged(NOW - timedelta(minutes=LOG_MAX - one), "sms", "service", str(one)) for one in range(LOG_MAX)]
    one = Message(
        message_id="new", member_id="m", template_id="t", purpose="service", source="send:1", queued_at=NOW,
        expires_at=NOW, medium="oa", reserved=Reserved(member_id="m"),
    )  # fmt: skip
    assert len(taken(Contact(log=log), one, NOW).log) == LOG_MAX


def test_a_window_opens_once_for_an_event_and_a_short_one_shortens_none() -> None:
    long = opened(Contact(), "oa", "f1", "message", NOW, "e1")
    assert long.oa == Window("f1", NOW + timedelta(hours=48), 5)
    assert opened(long, "oa", "f1", "message", NOW + timedelta(hours=1), "e1") is long
    assert opened(long, "oa", "f1", "follow", NOW, "e2").oa == long.oa
    spent = msgspec.structs.replace(long, oa=Window("f1", NOW + timedelta(hours=48), 0))
    assert opened(spent, "oa", "f1", "message", NOW + timedelta(hours=1), "e3").oa == Window(
        "f1", NOW + timedelta(hours=49), 5
    )
    for number in range(100):
        long = opened(long, "mini", "o1", "message", NOW, str(number))
    assert len(long.heard) == HEARD_MAX


def test_ends_are_ends() -> None:
    message = Message(message_id="a", member_id="m", template_id="t", purpose="service", source="send:1", queued_at=NOW,
                      expires_at=NOW)  # fmt: skip
    for state, nexts in TRANSITIONS.items():
        one = msgspec.structs.replace(message, state=state)
        for then in nexts:
            assert may_become(state, then)
            if has_ended(one):
                assert has_ended(msgspec.structs.replace(message, state=then))
        assert (counted_as(one) == "") == (state in ("queued", "sending"))
    assert counted_as(msgspec.structs.replace(message, state="dropped", reason="capped", medium="sms")) == (
        "sms|dropped:capped"
    )


SAID = st.lists(
    st.builds(
        Stated,
        what=st.sampled_from(["marketing", "oa", "sms"]),
        says=CHOICE,
        at=st.integers(0, 90).map(lambda seconds: NOW + timedelta(seconds=seconds)),
        source=st.sampled_from(["member", "reply", "unsubscribe", "follow"]),
    ),
    max_size=SAID_MAX + 20,
)


@given(SAID, SAID)
def test_what_was_said_is_remembered_in_its_order_and_the_latest_about_each_thing_always(one: Any, other: Any) -> None:
    both = remembered([*one, *other])
    assert len(both) <= SAID_MAX and remembered(both) == both
    assert all(first.at <= second.at for first, second in pairwise(both))
    for what in {each.what for each in (*one, *other)}:
        latest = max(each.at for each in (*one, *other) if each.what == what)
        assert latest in [each.at for each in both if each.what == what]


@given(WISHES, st.lists(st.tuples(st.sampled_from(["leaves", "comes", "no", "yes"]), st.integers(0, 5)), max_size=12))
def test_who_said_no_to_the_account_themselves_is_not_opted_in_by_coming_back(before: Preferences, acts: Any) -> None:
    own = before.media.oa
    contact = stated(Contact(preferences=before), {"oa": own}, {"oa": None}, NOW, "member")
    for place, (act, back) in enumerate(acts):
        at = NOW + timedelta(seconds=10 * place - back)
        match act:
            case "leaves":
                contact = left_account(contact, at)
                assert contact.preferences.media.oa is False or contact.said[-1].source == "follow"
            case "comes":
                contact = came_back(contact, at)
            case _:
                own = act == "yes"
                media = msgspec.structs.replace(contact.preferences.media, oa=own)
                says = answers(contact.preferences)
                wishes = msgspec.structs.replace(contact.preferences, media=media)
                contact = stated(msgspec.structs.replace(contact, preferences=wishes), {"oa": own}, says, at, "member")
        if own is False:
            assert contact.preferences.media.oa is False
        assert contact.preferences.media.oa in (own, False)
