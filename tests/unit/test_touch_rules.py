"""By which ways a member came: the same whatever the order in which it is heard of, who vouches for it, and what an
order keeps, to the millisecond."""

from __future__ import annotations

import functools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.customers.channels.rooms.rules import Entry, counted, united
from chalicelib.customers.channels.rules import Channel, LiveRoom
from chalicelib.customers.channels.touches.rules import (
    DIRECT_SCENES,
    SESSION,
    TOUCHES_MAX,
    AttributionRules,
    Known,
    OrderSource,
    Touch,
    fans,
    is_repeated,
    judged,
    merged,
    of_launch,
    of_visit,
    source_of,
    way,
    without_person,
)
from chalicelib.customers.members.rules import AdClick, Source, Visit

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
MS, DAY = timedelta(milliseconds=1), timedelta(days=1)
RULES = AttributionRules()
INSTANTS = st.integers(0, 40 * 86_400_000).map(lambda ms: NOW - timedelta(milliseconds=ms))
SOON = st.integers(0, 5).map(lambda minutes: NOW - timedelta(minutes=minutes))
TOUCHES = st.lists(
    st.builds(
        Touch,
        at=INSTANTS | SOON,
        scene=st.sampled_from(["1007", "1047"]),
        channel=st.sampled_from([None, "poster-1", "poster-2"]),
        live_room=st.sampled_from([None, "r1"]),
        page=st.sampled_from([None, "pages/a"]),
        kind=st.sampled_from(["scene", "poster", "live"]),
        host=st.sampled_from([None, "h"]),
    ),
    max_size=40,
)


def channel(kind: Any) -> Channel:
    return Channel(code="c", name="海报", kind=kind, created_at=NOW, updated_at=NOW)


ROOM = LiveRoom(
    room_id="r1", kind="mini", host="h", title="t", starts_at=NOW, ends_at=NOW + DAY, created_at=NOW, updated_at=NOW
)


@given(TOUCHES, st.randoms(use_true_random=False))
def test_touches_are_the_same_in_whichever_order_they_arrive(touches: list[Touch], chance: random.Random) -> None:
    def arrive(order: list[Touch]) -> list[Touch]:
        kept: list[Touch] = []
        return functools.reduce(lambda before, touch: merged(before, [touch]), order, kept)

    shuffled = chance.sample(touches, len(touches))
    assert arrive(touches) == arrive(shuffled) == merged(touches, shuffled)
    kept = arrive(touches)
    assert len(kept) <= TOUCHES_MAX
    assert [touch.at for touch in kept] == sorted(touch.at for touch in kept)
    told = {(touch.at, way(touch)) for touch in touches}
    assert len({(touch.at, way(touch)) for touch in kept}) == len(kept) == min(len(told), TOUCHES_MAX)
    assert {touch.at for touch in kept} == {at for at, _ in sorted(told, key=lambda one: one[0])[-TOUCHES_MAX:]}


@given(TOUCHES, TOUCHES, TOUCHES)
def test_it_does_not_matter_who_is_merged_with_whom_first(
    one: list[Touch], other: list[Touch], third: list[Touch]
) -> None:
    assert merged(merged(one, other), third) == merged(one, merged(third, other))
    assert merged(merged(one, other), other) == merged(one, other)


@given(TOUCHES, st.integers(1, 90), st.integers(1, 168))
def test_an_order_keeps_the_oldest_and_the_newest_within_the_window(
    touches: list[Touch], days: int, hours: int
) -> None:  # fmt: skip
    kept = merged(touches, [])
    source = source_of(kept, None, NOW, AttributionRules(window_days=days, live_hours=hours))
    within = [touch for touch in kept if NOW - touch.at <= timedelta(days=days)]
    if not within:
        assert source == OrderSource()
        return
    assert source.first is not None
    assert source.last is not None
    assert (way(source.first), source.first.at) == (way(within[0]), min(touch.at for touch in within))
    assert (way(source.last), source.last.at) == (way(within[-1]), max(touch.at for touch in within))
    assert source.assists == len({way(touch) for touch in within} - {way(source.first), way(source.last)})
    live = source.last.kind == "live" and source.last.host and NOW - source.last.at <= timedelta(hours=hours)
    assert source.live_room == ((source.last.live_room or "") if live else "")


@pytest.mark.parametrize(
    ("age", "counts"),
    [(14 * DAY + timedelta(hours=23, minutes=59), True), (15 * DAY, True), (15 * DAY + MS, False)],
)
def test_the_window_is_inclusive_to_the_millisecond(age: timedelta, counts: bool) -> None:
    touch = Touch(at=NOW - age, channel="poster-1")
    assert source_of([touch], None, NOW, RULES).last == (touch if counts else None)


@pytest.mark.parametrize(("age", "room"), [(DAY, "r1"), (DAY + MS, "")])
def test_an_order_is_of_a_live_room_for_a_day(age: timedelta, room: str) -> None:
    entered = judged(Touch(at=NOW - age, live_room="r1"), Known(room=ROOM))
    assert source_of([entered], None, NOW, RULES).live_room == room
    unknown = judged(Touch(at=NOW, live_room="r1"), Known())
    assert source_of([unknown], None, NOW, RULES).live_room == ""
    after = Touch(at=NOW - age + MS, channel="poster-1", kind="poster")
    assert source_of([entered, after], None, NOW, RULES).live_room == ""  # its last touch is another


def test_who_joined_by_which_way_is_kept_without_a_window() -> None:
    joined = Source(channel="poster-9", at=NOW - 400 * DAY)
    assert source_of([], joined, NOW, RULES) == OrderSource(joined=joined)


@pytest.mark.parametrize("scene", sorted(DIRECT_SCENES))
def test_a_direct_visit_is_no_touch(scene: str) -> None:
    direct = Source(scene=scene, at=NOW)
    assert of_visit(Visit(at=NOW, source=direct, page="pages/a")) is None
    assert of_launch(None, NOW, scene, "pages/a") is None
    assert of_launch(direct, NOW, scene, None) is None
    assert of_visit(Visit(at=NOW, source=msgspec.structs.replace(direct, channel="c"))) is not None


def test_what_makes_a_visit_a_touch() -> None:
    assert of_visit(Visit(at=NOW)) is None
    assert of_visit(Visit(at=NOW, page="pages/a")) is None
    for told in ({"staff": "s"}, {"share_token": "t"}, {"share_key": "k"}, {"ad": AdClick("g1")}):
        touch = of_visit(Visit(at=NOW, **told))  # type: ignore[arg-type]
        assert touch is not None
        assert {field: getattr(touch, field) for field in told} == told
    launched = of_launch(Source(channel="c", at=NOW - DAY), NOW, "1047", "pages/a")
    assert launched == Touch(at=NOW, scene="1047", channel="c", page="pages/a")


def test_the_same_way_within_a_session_is_one_visit() -> None:
    first = Touch(at=NOW, scene="1007", channel="c", page="pages/a")
    again = Touch(at=NOW + SESSION, scene="1007", channel="c", page="pages/b")
    assert is_repeated([first], again)
    assert not is_repeated([first], msgspec.structs.replace(again, at=NOW + SESSION + MS))
    assert not is_repeated([first], msgspec.structs.replace(again, at=NOW - MS))
    assert not is_repeated([first, Touch(at=NOW, scene="1047")], again)
    assert not is_repeated([], again)


@pytest.mark.parametrize(
    ("told", "known", "expected"),
    [
        ({"scene": "1007"}, Known(), ("scene", "wechat")),
        ({"scene": "1007", "channel": "c"}, Known(), ("channel", "client")),
        ({"scene": "1007", "channel": "c"}, Known(channel=channel("poster")), ("poster", "server")),
        ({"channel": "c", "staff": "s"}, Known(channel=channel("staff")), ("staff", "server")),
        ({"channel": "c", "staff": "s"}, Known(), ("staff", "client")),
        ({"inviter": "t"}, Known(), ("link", "client")),
        ({"inviter": "t"}, Known(link=True), ("link", "server")),
        ({"share_token": "t", "share_key": "k"}, Known(), ("link", "wechat")),
        ({"share_key": "k", "scene": "1177"}, Known(), ("scene", "wechat")),
        ({"share_key": "k"}, Known(), ("scene", "wechat")),
        ({"scene": "wechat-moments"}, Known(), ("scene", "client")),
        ({"ad": AdClick("g")}, Known(), ("ad", "client")),
        ({"ad": AdClick("g"), "channel": "c"}, Known(channel=channel("ad")), ("ad", "server")),
        ({"live_room": "r1"}, Known(room=ROOM), ("live", "client")),
        ({"live_room": "r1", "share_key": "k"}, Known(room=ROOM), ("live", "wechat")),
        ({"live_room": "r1", "channel": "c"}, Known(room=ROOM, channel=channel("live")), ("live", "server")),
    ],
)
def test_of_which_kind_a_touch_is_and_who_vouches_for_it(
    told: dict[str, Any], known: Known, expected: tuple[str, str]
) -> None:  # fmt: skip
    touch = judged(Touch(at=NOW, **told), known, ["host_before"])
    assert (touch.kind, touch.trust) == expected
    assert touch.host == (None if known.room is None else "h")
    assert judged(touch, Known()) == judged(Touch(at=NOW, **told), Known())


def test_each_kind_of_fan_is_told_apart() -> None:
    assert fans(False, False, [], "h", False) == []
    assert fans(True, False, ["other"], "h", False) == ["follows_oa"]
    assert fans(False, True, ["h"], "h", True) == ["wecom_contact", "host_before", "bought_before"]


@pytest.mark.parametrize(("trust", "channel"), [("server", "c"), ("client", None)])
def test_what_stays_of_a_source_is_nobody_s(trust: Any, channel: str | None) -> None:
    touch = Touch(
        at=NOW, scene="1047", channel="c", live_room="r1", staff="s", inviter="t", share_token="t", share_key="k",
        ad=AdClick("g"), page="p", kind="poster", trust=trust,
    )  # fmt: skip
    left = without_person(
        OrderSource(joined=Source(scene="张三", inviter="t", channel="c", at=NOW), first=touch, last=touch)
    )
    assert left.joined == Source(at=NOW)
    assert left.first == left.last == Touch(at=NOW, scene="1047", channel=channel, kind="poster", trust=trust)
    link = Touch(at=NOW, channel="c", inviter="t", kind="link", trust="server")
    assert without_person(OrderSource(last=link)).last == Touch(at=NOW, kind="link", trust="server")
    live = judged(Touch(at=NOW, live_room="r1"), Known(room=ROOM), ["host_before"])
    assert without_person(OrderSource(last=live, assists=2, live_room="r1")) == OrderSource(
        last=live, assists=2, live_room="r1"
    )


ENTRIES = st.builds(
    Entry, room_id=st.just("r1"), host=st.just("h"), at=INSTANTS, bought=st.booleans(),
    fan=st.lists(st.sampled_from(["follows_oa", "host_before", "bought_before"]), unique=True),
)  # fmt: skip


@given(ENTRIES, ENTRIES | st.none())
def test_two_who_are_one_person_count_once_in_a_room(former: Entry, other: Entry | None) -> None:
    both, changes = united(former, other)
    total = dict(counted(former))
    for one in ({} if other is None else counted(other), changes):
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    assert {name: number for name, number in total.items() if number} == counted(both)
    assert both.bought == (former.bought or (other is not None and other.bought))
