"""Which of a member's tokens are good: those that nobody called in, and no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.customers.members.sessions.rules import (
    CALLED_IN_MAX,
    CalledIn,
    all_until,
    check_good,
    issued_at,
    with_one,
)

START = datetime(2026, 11, 29, 8, tzinfo=UTC)
LIFE = timedelta(hours=30)
#: What a member does, and after how long: log in, log out with one of their tokens, log out everywhere.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["in", "in", "in", "out", "everywhere"]),
        st.sampled_from([timedelta(), timedelta(milliseconds=1), timedelta(hours=1), timedelta(hours=8)]),
        st.integers(0, 99),
    ),
    max_size=80,
)


def is_good(called_in: CalledIn | None, token: datetime) -> bool:
    try:
        check_good(called_in, "m1", token)
    except MallError as fault:
        assert fault.code == "unauthenticated"
        return False
    return True


@given(STEPS)
def test_a_token_is_good_until_it_is_called_in_and_then_never_again(
    steps: list[tuple[str, timedelta, int]],
) -> None:
    called_in: CalledIn | None = None
    now, good, void = START, [], []  # type: ignore[var-annotated]
    for what, later, which in steps:
        now += later
        if what == "in":
            token = issued_at(called_in, "m1", now)
            assert now <= token <= now + timedelta(seconds=1)
            assert is_good(called_in, token)
            good.append(token)
        elif what == "everywhere":
            called_in = all_until(called_in, now)
            void, good = void + good, []
        elif good:
            token = good.pop(which % len(good))
            called_in = with_one(called_in, "m1", token, token + LIFE, now)
            void.append(token)
            good = [one for one in good if one != token]  # two logins in one millisecond are one token
            if not called_in.tokens:  # too many: all were called in
                void, good = void + good, []
        living = [token for token in void if token + LIFE > now]
        assert [token for token in living if is_good(called_in, token)] == []
        assert [token for token in good if not is_good(called_in, token)] == []
        assert called_in is None or len(called_in.tokens) <= CALLED_IN_MAX


def test_twenty_are_kept_the_next_calls_in_all_and_those_that_have_ended_are_dropped_first() -> None:
    called_in: CalledIn | None = None
    for second in range(CALLED_IN_MAX):
        token = START + timedelta(seconds=second)
        called_in = with_one(called_in, "m1", token, token + LIFE, START)
    assert called_in is not None and called_in.tokens_from is None and len(called_in.tokens) == CALLED_IN_MAX
    other = START + timedelta(minutes=1)
    at_once = with_one(called_in, "m1", other, other + LIFE, START + timedelta(minutes=2))
    assert at_once == all_until(called_in, START + timedelta(minutes=2))
    assert not is_good(at_once, START + timedelta(minutes=2))
    assert is_good(at_once, START + timedelta(minutes=2, seconds=1))
    later = with_one(called_in, "m1", other, other + LIFE, START + LIFE + timedelta(seconds=5))
    assert later.tokens_from is None and len(later.tokens) == CALLED_IN_MAX - 5


def test_a_member_without_anything_kept_has_good_tokens_and_little_is_kept_of_one() -> None:
    assert is_good(None, START) and is_good(CalledIn(), START)
    assert issued_at(None, "m1", START) == START
    full: CalledIn | None = None
    for second in range(CALLED_IN_MAX):
        full = with_one(full, "m1", START + timedelta(seconds=second), START + LIFE, START)
    assert len(msgspec.json.encode(full)) < 700


def test_a_token_of_another_member_is_another_token() -> None:
    called_in = with_one(None, "m1", START, START + LIFE, START)
    check_good(called_in, "m2", START)
