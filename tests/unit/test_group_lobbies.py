"""How the state of a lobby changes: by its table and no other way; and that each paid order of it has one fate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.rules import Order, Seat, SeatState
from chalicelib.core.errors import MallError
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.lobbies.rules import ENTERS, FAILED, SUCCEEDED, Fate, fate, lottery_fate
from chalicelib.growth.groupbuy.lottery.rules import winners
from chalicelib.growth.groupbuy.rules import (
    GUARDS,
    SEAT_MOVES,
    TRANSITIONS,
    Lobby,
    LobbyEvent,
    LobbyState,
    Lottery,
    SeatItem,
    Terms,
)
from chalicelib.growth.groupbuy.tables import position_of
from tests.support.orders import line, order
from tests.unit.test_group_rules import HOUR, NOW, activity, lobby, price, refused, terms

SECOND = timedelta(seconds=1)
EVENTS = get_args(LobbyEvent)
STATES = get_args(LobbyState)


@st.composite
def all_terms(draw: st.DrawFn) -> Terms:
    """Terms of every kind of lobby."""
    kind = draw(st.sampled_from(["fixed", "least", "ladder", "lobby draw", "activity draw"]))
    size = draw(st.integers(2, 6))
    if kind == "ladder":
        steps = sorted(draw(st.sets(st.integers(2, size), min_size=1)))
        return terms(kind="ladder", sizes=steps, prices=[price(at, 10_000 - 100 * at) for at in steps])
    sizes: dict[str, Any] = {"sizes": [size], "prices": [price(size, 5900)]}
    if kind == "fixed":
        return terms(**sizes)
    if kind == "least":
        return terms(**sizes, min_fill=draw(st.integers(1, size)))
    lottery = Lottery(
        winners=draw(st.integers(1, size)),
        per="lobby" if kind == "lobby draw" else "activity",
        prize=draw(st.sampled_from(["goods", "free"])),
    )
    return terms(**sizes, kind="lottery", lottery=lottery)


def test_the_table_names_every_state_and_event_and_ends_in_every_case() -> None:
    assert set(TRANSITIONS) == set(STATES)
    assert {event for events in TRANSITIONS.values() for event in events} == set(EVENTS)
    for events in TRANSITIONS.values():
        for outcomes in events.values():
            assert set(outcomes) <= set(GUARDS)
            assert list(outcomes)[-1] == "otherwise"


@given(all_terms(), st.lists(st.sampled_from(EVENTS), max_size=40))
def test_only_what_the_table_has_happens_to_a_lobby(known: Terms, events: list[LobbyEvent]) -> None:
    """Whatever is tried in whatever sequence: the seats add up, the state is the table's, and what has ended stays."""
    now = rules.new_lobby(known)
    for event in events:
        if not rules.allows(now, event):
            with pytest.raises(ValueError, match="no "):
                rules.step(now, event, NOW, 100)
            continue
        after = rules.step(now, event, NOW, 100)
        assert after.state in TRANSITIONS[now.state][event].values()
        assert after.free + after.held + after.taken == known.size
        assert min(after.free, after.held, after.taken) >= 0
        assert after.paid_fen == 100 * after.taken
        if now.state in ("succeeded", "failed"):
            assert (after.state, after.taken, after.expires_at) == (now.state, now.taken, now.expires_at)
        if event not in SEAT_MOVES:
            assert (after.free, after.held, after.taken) == (now.free, now.held, now.taken)
        if after.expires_at is None:
            assert after.state in ("opening", "failed")
            assert after.taken == 0
        now = after
    assert (position_of(now) is None) == (now.expires_at is None)
    if now.state == "open":
        assert 1 <= now.taken < known.size
    if now.state == "succeeded":
        assert now.taken >= known.least


@given(all_terms(), st.data())
def test_the_last_seat_and_the_expiry_decide_by_the_paid_seats(known: Terms, data: st.DataObject) -> None:
    taken = data.draw(st.integers(1, known.size - 1))
    held = data.draw(st.integers(0, known.size - taken))
    now = Lobby(
        terms=known, state="open", free=known.size - taken - held, held=held, taken=taken, expires_at=NOW + HOUR
    )
    settled = rules.step(now, "settle", NOW)
    assert settled.state == known.ending(taken)[0] == ("succeeded" if taken >= known.least else "failed")
    if held:
        assert rules.step(now, "take", NOW).state == ("succeeded" if taken + 1 == known.size else "open")
        assert rules.step(now, "release", NOW).state == "open"
    assert rules.step(now, "leave", NOW).state == ("failed" if taken == 1 else "open")


@given(all_terms(), st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 999), st.booleans()), max_size=40))
def test_a_lobby_tells_what_was_paid_for_its_seats_until_when_it_runs_and_whether_its_leader_left(
    known: Terms, tried: list[tuple[LobbyEvent, int, bool]]
) -> None:
    """An event every ten minutes. The lobby lives for an hour from the first paid seat on, and ends with its activity,
    which is over in ninety minutes."""
    now = rules.new_lobby(msgspec.structs.replace(known, latest_end_at=NOW + HOUR * 1.5))
    happened: list[LobbyEvent] = []
    paid_fen, left, opened_at = 0, False, None
    for number, (event, fen, leader) in enumerate(tried):
        at = NOW + HOUR / 6 * number
        if not rules.allows(now, event):
            continue
        now = rules.step(now, event, at, fen, leader)
        happened.append(event)
        opened_at = at if happened == ["take"] else opened_at
        paid_fen += {"take": fen, "retake": fen, "leave": -fen}.get(event, 0)
        left |= event == "leave" and leader
    ends_at = None if opened_at is None else min(opened_at + HOUR, NOW + HOUR * 1.5)
    assert (now.paid_fen, now.expires_at, now.leader_left) == (paid_fen, ends_at, left)
    assert now.finished == ("finish" in happened or happened[:1] == ["release"])


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_no_state_follows_an_event_that_the_table_does_not_have(state: LobbyState, event: LobbyEvent) -> None:
    for taken in range(4):
        if event in TRANSITIONS[state]:
            assert rules.next_state(terms(), state, event, taken) in TRANSITIONS[state][event].values()
            continue
        with pytest.raises(ValueError, match=f"no {event} of a lobby that is {state}"):
            rules.next_state(terms(), state, event, taken)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_a_seat_can_only_be_moved_where_there_is_one(state: LobbyState, event: LobbyEvent) -> None:
    for free, held, taken in ((1, 1, 1), (0, 1, 2), (1, 0, 2), (1, 2, 0), (3, 0, 0), (0, 3, 0), (0, 0, 3)):
        now = lobby(state=state, free=free, held=held, taken=taken)
        there = {"hold": free, "take": held, "retake": free, "release": held, "leave": taken}.get(event, 1)
        assert rules.allows(now, event) is (there > 0 and event in TRANSITIONS[state])


def test_a_lobby_s_first_paid_seat_opens_it_and_sets_its_expiry() -> None:
    known = terms()
    opened = rules.step(rules.new_lobby(known), "take", NOW, 5900)
    assert opened == Lobby(terms=known, state="open", free=2, held=0, taken=1, paid_fen=5900, expires_at=NOW + HOUR)
    soon = rules.step(rules.new_lobby(terms(ends_at=NOW + HOUR / 2)), "take", NOW)
    assert soon.expires_at == NOW + HOUR / 2
    unpaid = rules.step(rules.new_lobby(known), "release", NOW, 5900)
    assert unpaid == Lobby(terms=known, state="failed", free=3, held=0, taken=0, finished=True)


def test_whether_the_leader_left_is_remembered() -> None:
    left = rules.step(lobby(taken=2), "leave", NOW, 0, True)
    assert left.leader_left
    assert rules.step(left, "take", NOW, 5900).leader_left
    assert not rules.step(lobby(), "leave", NOW).leader_left
    assert not rules.step(lobby(), "take", NOW, 5900, True).leader_left


@pytest.mark.parametrize(("after", "is_open"), [(-HOUR, True), (-SECOND, True), (0 * HOUR, False), (SECOND, False)])
def test_a_lobby_is_open_until_the_instant_of_its_expiry_unless_it_has_ended(after: timedelta, is_open: bool) -> None:
    now = NOW + HOUR + after
    assert rules.is_open(lobby(), now) is is_open
    for state in STATES:
        assert rules.is_open(lobby(state=state), now) is (is_open and state == "open")
        assert not rules.is_open(lobby(state=state, expires_at=None), now)


@pytest.mark.parametrize("state", get_args(SeatState))
def test_a_seat_that_is_held_or_was_given_up_is_not_paid(state: SeatState) -> None:
    seat = SeatItem(member_id="m", order_id="o", leader=False, state=state)
    assert seat.paid is (state in {"taken", "failed", "won", "lost"})


# What becomes of the orders


def ordered(known: Terms, number: int) -> Order:
    price = known.price_of("a")
    assert price is not None
    unit = price.price_fen
    seat = Seat(lobby_id="g1", activity_id="ga1", size=known.size, leader=number == 0, state="taken")
    made = order(line("a", 2, 2 * unit), state="awaiting_group")
    line_paid = msgspec.structs.replace(made.lines[0], unit_price_fen=unit)
    return msgspec.structs.replace(
        made, order_id=f"o{number}", group=seat, lines=[line_paid], paid_fen=made.payable_fen
    )


@given(all_terms(), st.data())
def test_every_paid_order_has_exactly_one_fate(known: Terms, data: st.DataObject) -> None:
    taken = data.draw(st.integers(0, known.size))
    state = known.ending(taken)[0]
    ended = Lobby(
        terms=known, state=state, free=known.size - taken, held=0, taken=taken, expires_at=NOW, finished=False
    )
    orders = [ordered(known, number) for number in range(taken)]
    won: list[str] | None = None
    if known.lottery is not None and known.lottery.per == "lobby":
        won = winners("secret", [one.order_id for one in orders], known.lottery.winners)
    fates = [fate(ended, one, won) for one in orders]
    assert fates == [fate(ended, one, won) for one in orders]
    if state == "failed":
        assert fates == [FAILED] * taken
    elif known.lottery is not None and known.lottery.per == "activity":
        assert fates == [ENTERS] * taken
        drawn = [fate(ended, one, ["o0"]) for one in orders]
        assert [_decided(one).seat for one in drawn] == ["won", *["lost"] * (taken - 1)]
    elif known.lottery is not None:
        seats = [_decided(one).seat for one in fates]
        assert sorted(seats, reverse=True) == ["won"] * len(won or []) + ["lost"] * (taken - len(won or []))
        assert len(won or []) == min(known.lottery.winners, taken)
    elif known.kind == "ladder":
        assert fates == [msgspec.structs.replace(SUCCEEDED, step=known.step(taken))] * taken
    else:
        assert fates == [SUCCEEDED] * taken
    for end in fates:
        if end != ENTERS:
            decided = _decided(end)
            assert decided.ships or (decided.why and not decided.step and not decided.free)


def _decided(one: Fate | str) -> Fate:
    assert isinstance(one, Fate)
    return one


PRIZES: tuple[Literal["goods", "free"], ...] = ("goods", "free")


def test_goods_or_money_or_both_by_what_is_drawn_for() -> None:
    """Where goods are drawn for, losers get their money back; where the money is, all get the goods, winners both."""
    ends = [
        (prize, won, lottery_fate(Lottery(winners=1, prize=prize), won)) for prize in PRIZES for won in (True, False)
    ]
    assert [(prize, won, one.seat, one.ships, one.free, bool(one.why), one.step) for prize, won, one in ends] == [
        ("goods", True, "won", True, False, False, 0),
        ("goods", False, "lost", False, False, True, 0),
        ("free", True, "won", True, True, True, 0),
        ("free", False, "lost", True, False, False, 0),
    ]


@pytest.mark.parametrize("state", ["opening", "open"])
def test_no_order_has_a_fate_before_its_lobby_has_ended(state: LobbyState) -> None:
    with pytest.raises(ValueError, match="has not ended"):
        fate(lobby(state=state), ordered(terms(), 0), None)


def test_no_order_of_a_draw_in_the_lobby_has_a_fate_before_the_draw() -> None:
    known = terms(kind="lottery", lottery=Lottery(winners=1))
    ended = lobby(terms=known, state="succeeded", free=0, held=0, taken=3)
    with pytest.raises(ValueError, match="draw"):
        fate(ended, ordered(known, 0), None)


# What shoppers are told


def told(refusal: MallError, language: str = "zh") -> str:
    return refusal.text(language, {})


def test_a_shopper_is_told_what_is_full_or_over_and_what_to_do() -> None:
    assert told(refused(lambda: rules.check_joinable(lobby(free=0, held=2), NOW))) == "该团已满员，可另开一团"
    assert told(refused(lambda: rules.check_joinable(lobby(state="failed"), NOW))) == "该团已结束，可另开一团"
    early = activity(starts_at=NOW + timedelta(hours=1))
    begins = refused(lambda: rules.check_running(early, NOW))
    assert told(begins) == "活动尚未开始，将于北京时间 2026-11-21 17:00 开始，届时再来"
    assert told(begins, "en") == "This group-buy begins at 2026-11-21 17:00, Beijing time; come back then"
    over = refused(lambda: rules.check_running(activity(ended_early=True), NOW))
    assert told(over) == "活动已结束，可看看其他拼团活动"
    limited = refused(lambda: rules.check_order(terms(limit_per_member=2), "a", 3))
    assert told(limited) == "该活动每人限购 2 件，已购买的也计算在内，请减少数量"
    assert limited.data == {"limit": 2}
