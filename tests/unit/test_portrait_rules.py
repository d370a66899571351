"""What operators find a member by, and what of it they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import clock
from chalicelib.customers.members.finding.rules import Handles, is_end, is_id, name_form, phone_end
from chalicelib.customers.members.identities.rules import Identity
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.segments.traits.rules import Bought as Order
from chalicelib.growth.segments.traits.rules import Older, Person, Traits, folded, instant
from chalicelib.insight.portraits.rules import bought, masked_id, masked_phone
from chalicelib.insight.portraits.whole.views import identities_shown

NOW = 1_900_000_000_000
#: Letters whose forms join with none beside them.
LETTERS = "aAßＡａ王鱼ｶЯ９9 　\u00a0·é"


def member(**more: object) -> Profile:
    given_of = {"member_id": "m", "openid": "o" * 28, "joined_at": instant(NOW), **more}
    return Profile(**given_of)  # type: ignore[arg-type]


@given(st.text(max_size=64))
def test_a_form_is_one_and_short(nickname: str) -> None:
    form = name_form(nickname)
    assert name_form(form) == form
    assert len(form.encode()) <= 256 and form == form.strip()


@given(st.text(LETTERS, max_size=32), st.integers(0, 32))
def test_whatever_a_name_begins_with_finds_it(nickname: str, length: int) -> None:
    asked = name_form(nickname.lstrip()[:length].swapcase())
    handles = Handles.of(member(nickname=nickname))
    assert (handles.name_form or "").startswith(asked)
    assert not asked or handles.name_start == asked[0]


@given(st.text(LETTERS, max_size=32), st.none() | st.from_regex(r"\+?[0-9]{0,15}(-[0-9]{1,4})?", fullmatch=True))
def test_no_index_holds_what_is_not_there(nickname: str, phone: str | None) -> None:
    handles = Handles.of(member(nickname=nickname, phone=phone))
    assert (handles.name_start is None) == (handles.name_form is None) == (not nickname.strip())
    assert handles.phone_end is None or is_end(handles.phone_end)
    assert "" not in (handles.name_start, handles.name_form, handles.phone_end)


@pytest.mark.parametrize(
    ("phone", "end"), [("13800138000", "8000"), ("021-12345678-801", "8801"), ("+85291234567", "4567"), ("12", None)]
)
def test_the_last_four_digits(phone: str, end: str | None) -> None:
    assert phone_end(phone) == end
    assert masked_phone(phone) == f"***{end or ''}"


@pytest.mark.parametrize("asked", ["m" + "a2" * 12, "m" + "z" * 24])
def test_an_id_has_its_form(asked: str) -> None:
    assert is_id(asked)
    assert not any(map(is_id, (asked[:-1], asked + "a", asked.upper(), f"{asked[:-1]}1", f"{asked}\n")))


@given(st.from_regex(r"(mini|oa):wx[0-9a-f]{8}:[A-Za-z0-9_-]{1,40}", fullmatch=True))
def test_an_id_of_wechats_is_never_shown_whole(key: str) -> None:
    own, shown = key.rpartition(":")[2], masked_id(key)
    assert own not in shown
    assert len(shown.replace("***", "")) <= max(0, len(own) - 5)


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 10**9), st.booleans()), max_size=300))
def test_what_was_bought_is_the_same_however_it_is_kept(orders: list[tuple[int, int, bool]]) -> None:
    kept = sorted(
        (Order(f"o{number}", NOW + at, max(0, net), NOW + at + 1 if net and done else 0)
         for number, (at, net, done) in enumerate(orders)),
        key=lambda one: one.paid_at,
    )  # fmt: skip
    nobody = Traits(member_id="m", person=Person(joined_at=NOW), older=Older())
    traits = folded(Traits(member_id="m", person=nobody.person, bought=kept), NOW)
    counted = [one for one in kept if one.net_fen]
    summed = bought(traits)
    assert (summed.orders, summed.net_fen) == (len(counted), sum(one.net_fen for one in counted))
    assert summed.first_paid_at == (instant(counted[0].paid_at) if counted else None)
    assert summed.last_paid_at == (instant(counted[-1].paid_at) if counted else None)
    assert summed.completed == sum(1 for one in kept if one.completed_at)


def test_a_follower_has_no_login_and_an_account_proves_more_than_a_phone() -> None:
    assert identities_shown(member(openid="")) == []
    account = Identity(key=f"union:wx1:{'u' * 28}", evidence="login", at=instant(NOW))
    shown = identities_shown(member(unionid="u" * 28, phone="13800138000", identities=[account]))
    assert [(one.kind, one.trust) for one in shown] == [
        ("mini", "within"), ("union", "account"), ("phone", "candidate"),
    ]  # fmt: skip
    assert all(one.since == clock.from_ms(NOW) for one in shown)
