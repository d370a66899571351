"""Two members become one in the very moment in which one of them becomes a third, or leaves: nobody is lost, and
nothing of theirs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from chalicelib.commerce.cart import queries as cart
from chalicelib.commerce.cart.service import put
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members import service as members
from chalicelib.customers.members.absorbing import service as absorbing
from chalicelib.customers.members.detaching.service import detach
from chalicelib.customers.members.merging.service import unite
from chalicelib.customers.members.ports import DataOwner, data_owners
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.customers.members.rules import Address, is_settled, openid_of
from chalicelib.customers.members.sessions.queries import admit
from chalicelib.customers.members.tables import GONE, MOVED, Identities, Members, identities_of, identity_id
from chalicelib.growth.payouts import service as payouts
from chalicelib.growth.payouts.settings import WITHDRAWALS
from chalicelib.platform.store import read
from chalicelib.platform.web.tokens import Token
from local.client import SHANGHAI
from tests.support.growth_merges import earn, has, person, seller
from tests.support.small_mall import FREIGHT_FEN, PRICES, WELCOME_FEN, SmallMall

DAY = 86_400


def becomes(former: str, survivor: str) -> str:
    """The one becomes the other, who joined before; the one who stays."""
    made = unite(former, survivor, "code")
    assert (made.former, made.survivor) == (former, survivor)
    return made.survivor


def once(what: Callable[[], object]) -> Callable[[], None]:
    """Do it the first time."""
    left = [what]

    def do() -> None:
        if left:
            left.pop()()

    return do


def people(mall: SmallMall, count: int) -> list[str]:
    """So many people, of whom each joined a moment after the one before."""
    found = []
    for _ in range(count):
        mall.clock.advance(1)
        found.append(person(mall))
    return found


def test_who_leaves_as_another_becomes_them_does_not_leave_that_one_behind(
    mall: SmallMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    member_id, former = people(mall, 2)
    login = identities_of(member_queries.profile(former))[0]
    meanwhile = once(lambda: becomes(former, member_id))

    def owners() -> list[DataOwner]:
        meanwhile()
        return list(data_owners())

    monkeypatch.setattr(privacy, "data_owners", owners)
    with pytest.raises(MallError, match="account_open"):
        privacy.erase(member_id)
    mall.wait(DAY + 120)
    assert member_queries.current(read.get(Identities, login).member_id) is not None
    privacy.erase(member_id)
    assert read.get(Identities, login) is None


def test_what_was_anothers_is_not_erased_as_who_has_it_becomes_a_third(
    mall: SmallMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, member_id, former = people(mall, 3)
    put(former, mall.skus["pot"], 3, None)
    becomes(former, member_id)
    resolved = member_queries.resolved
    meanwhile = once(lambda: becomes(member_id, last))

    def told(of: str) -> str:
        found = resolved(of)
        if of == member_id:
            meanwhile()
        return found

    monkeypatch.setattr(absorbing.member_queries, "resolved", told)
    mall.wait(DAY + 120)
    assert [(line.sku_id, line.quantity) for line in cart.lines(last)] == [(mall.skus["pot"], 3)]
    assert is_settled(member_queries.profile(last))


def test_all_is_known_to_be_moved_minutes_after_who_moved_it_became_a_third(
    mall: SmallMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, member_id, former = people(mall, 3)
    becomes(former, member_id)
    mall.wait(30)
    meanwhile = once(lambda: becomes(member_id, last))

    def owners() -> list[DataOwner]:
        meanwhile()
        return list(data_owners())

    monkeypatch.setattr(absorbing, "data_owners", owners)
    mall.wait(120)
    assert member_queries.resolved(former) == last
    assert is_settled(member_queries.profile(last))


def test_who_is_taken_out_and_becomes_the_same_again_is_known_by_all_that_they_were(mall: SmallMall) -> None:
    member_id, former = people(mall, 2)
    own = identities_of(member_queries.profile(former))[0]
    openid = member_queries.profile(former).openid
    becomes(former, member_id)
    news = []
    for _ in range(3):
        mall.wait(20 * DAY)  # each is taken out within days of that merge, if not of the first
        news.append(detach(member_id, identity_id(own), "两个人").member_id)
        assert {member_of_token(one) for one in (former, *news)} == {news[-1]}
        becomes(news[-1], member_id)
        profile = member_queries.profile(member_id)
        assert {member_queries.resolved(one) for one in (former, *news)} == {member_id}
        assert {member_of_token(one) for one in (former, *news)} == {member_id}
        assert {openid_of(profile, one) for one in (former, *news)} == {openid}
    mall.wait(DAY + 120)
    last = detach(member_id, identity_id(own), "两个人").member_id
    privacy.erase(last)
    assert read.get(Members, last, MOVED) is None and read.get(Members, last, GONE) is not None
    for one in (former, *news, last):
        with pytest.raises(MallError, match="unauthenticated"):
            member_of_token(one)
    assert {member_queries.resolved(one) for one in (former, *news)} == {member_id}  # what was theirs stays
    assert all(one.detached for one in member_queries.profile(member_id).absorbed)


def member_of_token(subject: str) -> str:
    """Whose a token is that was made for this id."""
    now = clock.now()
    return admit(Token(subject, now, now + timedelta(days=1)))


def test_what_waits_for_days_is_asked_for_ever_more_seldom(mall: SmallMall, monkeypatch: pytest.MonkeyPatch) -> None:
    member_id, _ = seller(mall)
    mall.clock.advance(1)
    former, _ = seller(mall)
    earn(former, 10_000)
    WITHDRAWALS.edit(lambda rules: msgspec.structs.replace(rules, review_from_fen=5_000))
    made = mall.withdraw(former, 5_000)
    becomes(former, member_id)
    absorb, runs = absorbing.absorb, []
    monkeypatch.setattr(absorbing, "absorb", lambda job: (runs.append(job), absorb(job))[1])
    mall.wait(6 * 3600)
    assert (has(former), has(member_id)) == ((0, 0, 5_000, 0), (0, 5_000, 0, 0))
    assert len(runs) < 150
    payouts.reject(made, "查无此人", "operator:op")
    mall.wait(2 * 3600)
    assert (has(former), has(member_id)) == ((0, 0, 0, 0), (0, 10_000, 0, 0))
    assert is_settled(member_queries.profile(member_id))


def test_who_is_taken_out_again_is_no_new_customer(mall: SmallMall) -> None:
    member_id, former = people(mall, 2)
    first = mall.buy(former, ("sample", 1))
    assert first.payable_fen == WELCOME_FEN + FREIGHT_FEN
    mall.clock.advance(1)
    stays = unite(former, member_id, "code").survivor
    mall.wait(120)
    profile = member_queries.profile(stays)
    taken = next(one.key for one in profile.identities if one.kind == "mini")
    new = detach(stays, identity_id(taken), "两个人").member_id
    mall.addresses[new] = members.add_address(new, Address(address_id=ids.new("a"), **SHANGHAI)).address_id
    for one in (stays, new):
        assert mall.place(one, ("sample", 1)).payable_fen == PRICES["sample"] + FREIGHT_FEN
    assert mall.told() == []
