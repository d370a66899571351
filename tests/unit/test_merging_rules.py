"""Two members become one: the stricter consent holds, no token that is void comes to life, and of phones one stays."""

from __future__ import annotations

import typing
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.customers.members.consents.rules import CONSENTS_MAX, Consent, Subject, agreed, standing, withdrawn
from chalicelib.customers.members.identities.rules import Absorbed, Identity
from chalicelib.customers.members.merging.rules import merged, with_phone
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.sessions.rules import CalledIn, all_until, check_good, with_one
from tests.support.orders import NOW

SUBJECTS: tuple[Subject, ...] = typing.get_args(Subject)
AT = NOW + timedelta(days=1)
ENTRY = Absorbed(member_id="m2", openid="o2", at=AT, how="code", merge_id="mg")


def member(member_id: str, **more: typing.Any) -> Profile:
    return Profile(member_id=member_id, openid=f"o-{member_id}", joined_at=NOW, **more)


@st.composite
def consents(draw: st.DrawFn) -> list[Consent]:
    """What a member agreed to and took back, in the order in which they did."""
    said: list[Consent] = []
    for minutes in sorted(draw(st.sets(st.integers(0, 900), max_size=CONSENTS_MAX + 4))):
        what, at = draw(st.sampled_from(SUBJECTS)), NOW + timedelta(minutes=minutes)
        takes_back = draw(st.booleans())
        said = withdrawn(said, what, at) if takes_back else agreed(said, what, draw(st.sampled_from("12")), at)
    return said


def refuses(said: list[Consent], what: Subject) -> bool:
    last = [one for one in said if one.what == what][-1:]
    return any(one.withdrawn_at is not None for one in last)


@given(consents(), consents())
@example(
    [Consent(what="ads", version="1", at=NOW, withdrawn_at=NOW + timedelta(minutes=1))],
    [Consent(what="ads", version="1", at=NOW + timedelta(minutes=2))],
)
def test_what_either_has_taken_back_last_is_taken_back(one: list[Consent], other: list[Consent]) -> None:
    after = merged(member("m1", consents=one), member("m2", consents=other), ENTRY, []).consents
    assert len(after) <= CONSENTS_MAX
    for what in SUBJECTS:
        holds = standing(after, what)
        if refuses(one, what) or refuses(other, what):
            assert holds is None, what
        elif holds is not None:
            assert holds in (standing(one, what), standing(other, what))


def called_in(member_id: str, singles: int, lived: int, everywhere: int | None) -> CalledIn | None:
    """So many tokens called in one by one, of which some have ended by now, after all up to an hour."""
    kept = None if everywhere is None else all_until(None, NOW + timedelta(hours=everywhere))
    for number in range(singles):
        ends = AT + timedelta(hours=1) if number >= lived else AT - timedelta(seconds=1)
        kept = with_one(kept, member_id, token(number), ends, NOW)
    return kept


def token(number: int) -> typing.Any:
    return NOW + timedelta(minutes=number)


SESSIONS = st.tuples(st.integers(0, 20), st.integers(0, 20), st.none() | st.integers(-2, 2))


@given(SESSIONS, SESSIONS)
@example((20, 0, None), (20, 0, None))
def test_no_token_that_is_void_comes_to_life(
    one: tuple[int, int, int | None], other: tuple[int, int, int | None]
) -> None:
    both = {"m1": called_in("m1", *one), "m2": called_in("m2", *other)}
    after = merged(member("m1", called_in=both["m1"]), member("m2", called_in=both["m2"]), ENTRY, []).called_in
    for member_id, (singles, ended, _) in (("m1", one), ("m2", other)):
        for number in range(ended, singles):
            with pytest.raises(MallError):
                check_good(after, member_id, token(number))
        if both[member_id] is not None and (since := both[member_id].tokens_from) is not None:  # type: ignore[union-attr]
            with pytest.raises(MallError):
                check_good(after, member_id, since - timedelta(milliseconds=1))
    assert after is None or len(after.tokens) <= 20


def phone(number: str) -> Identity:
    return Identity(key=f"phone:{number}", evidence="phone", at=NOW)


@pytest.mark.parametrize("takes_back", [False, True])
@pytest.mark.parametrize(("own", "theirs"), [("1", "2"), (None, "2"), ("1", None), (None, None)])
def test_of_a_phone_that_is_not_theirs_nothing_stays(own: str | None, theirs: str | None, takes_back: bool) -> None:
    login = Identity(key="mini:a:o2", evidence="login", at=NOW)
    said = withdrawn(agreed([], "phone", "1", NOW), "phone", NOW) if takes_back else []
    stays = member("m1", phone=own, consents=said, identities=[] if own is None else [phone(own)])
    goes = member("m2", phone=theirs, identities=[] if theirs is None else [phone(theirs)])
    both = merged(stays, goes, ENTRY, [*goes.identities, login])
    after = with_phone(both, None if both.phone is None else f"phone:{both.phone}")
    assert after.phone == (None if takes_back else own or theirs)
    assert after.identities == [*([] if after.phone is None else [phone(after.phone)]), login]
    assert with_phone(after, None if after.phone is None else f"phone:{after.phone}") is after
