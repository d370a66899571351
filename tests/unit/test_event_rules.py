"""What is taken of a batch of events: by which clock, by which plan, and what of a person never comes in."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.customers.events.inputs import EventBatchInput, EventInput, SessionInput
from chalicelib.customers.events.plan.rules import KEEP_DAYS_MAX, PLAN, PlannedEvent, client_events
from chalicelib.customers.events.rules import (
    AGE_MAX,
    DROPS,
    FORBIDDEN_STEMS,
    FORBIDDEN_WORDS,
    Event,
    corrected,
    expires_at,
    is_kept,
    judged,
    kept_of,
    names_a_person,
    seconds_left,
    tells_of_a_person,
)
from chalicelib.customers.members.inputs import SourceInput
from chalicelib.platform.web.edge import decode

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
MS = timedelta(milliseconds=1)
SPANS = st.integers(-30 * 86_400_000, 30 * 86_400_000).map(lambda ms: timedelta(milliseconds=ms))
SMALL = st.integers(-47 * 3_600_000, 47 * 3_600_000).map(lambda ms: timedelta(milliseconds=ms))
BATCH = "0198a5b0-7c1e-7abc-8def-0123456789ab"
VIEW = {"product_id": "p1", "from": "home"}


def event(told: str = "product_view", /, at: datetime = NOW, event_id: str = "e", **props: Any) -> EventInput:
    return EventInput(event_id, told, at, props)


# the clock


@given(SPANS, SPANS)
def test_an_event_lies_in_the_week_before_it_came(off: timedelta, age: timedelta) -> None:
    sent_at = NOW + off
    at = corrected(sent_at - age, sent_at, NOW)
    assert NOW - AGE_MAX <= at <= NOW
    if abs(off) > timedelta(hours=48):
        assert at == NOW
    elif timedelta() <= age <= AGE_MAX:
        assert at == NOW - age  # however wrong the client's clock is


@given(SMALL, st.lists(SPANS, min_size=1, max_size=9))
def test_what_happened_before_stays_before(off: timedelta, ages: list[timedelta]) -> None:
    sent_at = NOW + off
    given = [event(at=sent_at - age, event_id=str(n), **VIEW) for n, age in enumerate(ages)]
    events, dropped = judged(given, sent_at, NOW)
    assert dropped == [] and len(events) == len(ages)
    assert [one.at for one in events] == sorted(one.at for one in events)
    sent = [int(one.event_id) for one in events]
    for first, second in itertools.pairwise(sent):
        same = corrected(given[first].at, sent_at, NOW) == corrected(given[second].at, sent_at, NOW)
        assert first < second if same else given[first].at < given[second].at


def test_instants_are_cut_to_the_millisecond_and_no_clock_is_too_wrong_to_read() -> None:
    assert corrected(NOW - timedelta(microseconds=1_500), NOW, NOW) == NOW - 2 * MS
    last, first = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
    assert corrected(first, last, NOW) == corrected(last, first, NOW) == NOW
    assert corrected(first, NOW, NOW) == NOW - AGE_MAX and corrected(last, NOW, NOW) == NOW


@pytest.mark.parametrize("where", ["sent_at", "at"])
def test_an_instant_names_its_time_zone(where: str) -> None:
    one = {"event_id": "e", "name": "cart_view", "at": "2026-11-30T12:00:00+08:00"}
    body = {"batch_id": BATCH, "sent_at": "2026-11-30T12:00:00+08:00", "events": [one]}
    decode(msgspec.json.encode(body), EventBatchInput)
    (body if where == "sent_at" else one)[where] = "2026-11-30T12:00:00"  # type: ignore[index]
    with pytest.raises(MallError) as fault:
        decode(msgspec.json.encode(body), EventBatchInput)
    assert [error.reason.code for error in fault.value.errors] == ["no_time_zone"]


def test_a_day_ends_in_shanghai() -> None:
    assert seconds_left(NOW) == 12 * 3600
    assert seconds_left(datetime(2026, 11, 30, 15, 59, 59, 1000, tzinfo=UTC)) == 1
    assert seconds_left(datetime(2026, 11, 30, 16, tzinfo=UTC)) == 86_400


# the plan


def values(planned: PlannedEvent) -> dict[str, Any]:
    """Props that the plan takes."""
    of = {"text": "p1", "integer": 3, "boolean": True}
    return {prop.name: (prop.choices or (of[prop.kind],))[0] for prop in planned.props.values()}


def test_the_plan_says_of_everything_why_who_asks_and_for_how_long() -> None:
    assert len(client_events()) == 22 and len(PLAN) == 42
    for name, planned in PLAN.items():
        assert re.fullmatch(r"[a-z_]{1,40}", name) and len(planned.purpose) > 10 and planned.owner
        assert (planned.keep_days == 0) == (planned.by == "server") and planned.keep_days <= KEEP_DAYS_MAX
        assert len(planned.props) <= 20
        for prop in planned.props:
            assert re.fullmatch(r"[a-z_]{1,40}", prop) and not names_a_person(prop)


@pytest.mark.parametrize("name", list(PLAN))
def test_the_plan_is_what_is_taken(name: str) -> None:
    planned, props = PLAN[name], values(PLAN[name])
    if planned.by == "server":
        assert dropped(event(name, **props)) == ("event_of_server", None)
        return
    events, none = judged([event(name, **props)], NOW, NOW)
    assert none == [] and events == [Event("e", name, NOW, props)]
    assert dropped(event(name, **props, strange=1)) == ("prop_unknown", "strange")
    for prop in planned.props.values():
        wrong = {"text": 1, "integer": True, "boolean": 1}[prop.kind]
        assert dropped(event(name, **props | {prop.name: wrong})) == ("prop_wrong_kind", prop.name)
        if prop.choices:
            assert dropped(event(name, **props | {prop.name: "other"})) == ("prop_wrong_kind", prop.name)
        without = {key: value for key, value in props.items() if key != prop.name}
        assert dropped(event(name, **without)) == (("prop_missing", prop.name) if prop.is_required else None)


def dropped(one: EventInput) -> tuple[str, str | None] | None:
    _, found = judged([one], NOW, NOW)
    assert all(drop.code in DROPS for drop in found)
    return (found[0].code, found[0].prop) if found else None


def test_what_is_dropped_is_told_by_its_place_and_what_is_not_is_taken() -> None:
    given = [event("order_paid"), event(**VIEW), event("made_up"), event(**VIEW, phone="1"), event(**VIEW)]
    events, found = judged(given, NOW, NOW)
    assert len(events) == 2
    assert [(one.index, one.code, one.prop) for one in found] == [
        (0, "event_of_server", None), (2, "event_unknown", None), (3, "prop_forbidden", "phone"),
    ]  # fmt: skip


def test_an_event_is_kept_as_long_as_the_plan_says() -> None:
    assert PLAN["page_view"].keep_days == 30 and PLAN["product_view"].keep_days == 90
    page, product = Event("e", "page_view", NOW), Event("e", "product_view", NOW)
    assert is_kept(page, NOW + timedelta(days=30)) and not is_kept(page, NOW + timedelta(days=30) + MS)
    assert is_kept(product, NOW + timedelta(days=90)) and not is_kept(product, NOW + timedelta(days=90) + MS)
    assert not is_kept(Event("e", "gone", NOW), NOW)
    assert expires_at(NOW, [page, product]) == NOW + timedelta(days=90)
    assert expires_at(NOW, []) > NOW + AGE_MAX


# what would identify a person

STYLES = (
    "{0}", "{0}_no", "receiver_{0}", "{0}1", "my-{0}", "x.{0}", "the {0}",
)  # fmt: skip


@given(st.sampled_from([*FORBIDDEN_STEMS, *sorted(FORBIDDEN_WORDS)]), st.sampled_from(STYLES), st.booleans())
def test_no_prop_is_named_as_what_identifies_a_person(word: str, style: str, capitals: bool) -> None:
    name = style.format(word.capitalize() if capitals else word)
    assert names_a_person(name)
    assert dropped(event(**VIEW, **{name: "x"})) in {("prop_forbidden", name), ("prop_forbidden", None)}


@pytest.mark.parametrize(
    "name", ["手机号", "收货人姓名", "id_card", "ID_CARD_NO", "receiverName", "WeChatId", "open_id"]
)
def test_nor_in_another_style(name: str) -> None:
    assert names_a_person(name)


@given(st.from_regex(r"\A1[3-9][0-9]{9}\Z"), st.sampled_from(["{}", "tel:{}", "请打{}。", "+86{}", "86 {}", "a={}&b"]))
def test_no_value_has_a_mobile_number(number: str, around: str) -> None:
    spaced = f"{number[:3]} {number[3:7]}-{number[7:]}"
    wide = number.translate({ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)})
    for text in (number, spaced, wide):
        assert tells_of_a_person(around.format(text)), text
        assert dropped(event(product_id=around.format(text), **{"from": "home"})) == ("prop_forbidden", "product_id")
    assert tells_of_a_person(int(number))


@given(st.from_regex(r"\A1[3-9][0-9]{9}\Z"), st.sampled_from(["{}", "s {}", "+86{}"]))
def test_nor_has_an_id_or_what_a_client_says_of_itself(number: str, around: str) -> None:
    text = around.format(number)
    assert dropped(event(event_id=text, **VIEW)) == ("id_forbidden", None)
    told = {"id": text, "platform": text, "app_version": text}
    source = dict.fromkeys(("scene", "channel", "inviter", "live_room"), text)
    kept, came, left_out = kept_of(SessionInput(**told, source=SourceInput(**source)))
    assert (kept, came) == ({}, SourceInput())
    assert left_out == [*(f"session.{name}" for name in told), *(f"session.source.{name}" for name in source)]
    one = SessionInput("s1", SourceInput(scene=1047, channel=text), platform="ios")
    assert kept_of(one) == ({"id": "s1", "platform": "ios"}, SourceInput(scene=1047), ["session.source.channel"])


@given(
    st.integers(100_000, 999_999), st.dates(date(1920, 1, 1), date(2026, 1, 1)),
    st.integers(0, 999), st.sampled_from("0123456789Xx"),
)  # fmt: skip
def test_no_value_has_the_number_of_an_identity_card(region: int, born: Any, number: int, check: str) -> None:
    assert tells_of_a_person(f"身份证{region}{born:%Y%m%d}{number:03d}{check}")


@given(
    st.uuids().map(str) | st.from_regex(r"\A[a-z][a-z2-7]{24}\Z") | st.from_regex(r"\A[0-9a-f]{40}\Z", fullmatch=True)
)
def test_ids_and_digests_pass(value: str) -> None:
    if re.fullmatch(r"[0-9]+", value) is None:
        assert not tells_of_a_person(value)


@given(st.integers(0, 10**10 - 1) | st.booleans())
def test_amounts_pass(value: int) -> None:
    assert not tells_of_a_person(value)
