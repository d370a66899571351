"""What was owed by two who turned out to be one person is owed once and whole, whoever leaves and comes again."""

from __future__ import annotations

import pytest

from chalicelib.core import clock
from chalicelib.customers.members.privacy.service import erase
from chalicelib.customers.members.returning.service import hand_on
from chalicelib.growth.distribution.balances.service import write_off
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.distribution.tables import debt_item
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.store.transaction import Transaction
from tests.support.growth_merges import earn, growth_differences, has, merge, person, seller
from tests.support.small_mall import SmallMall


def owes(member_id: str, fen: int) -> str:
    """They owed so much as they left, and have returned."""
    tx = Transaction()
    ledger.post(tx, entries.written_off("gone", str(fen), clock.now(), -fen))
    tx.put(debt_item(member_id, fen))
    tx.commit()
    return member_id


def sells(member_id: str) -> int:
    """They become a distributor; what they have then, in fen."""
    distributors.apply(member_id)
    return has(member_id)[1]


def test_a_debt_is_charged_to_one_of_those_whom_a_person_with_two_logins_becomes(mall: SmallMall) -> None:
    former, member_id = owes(person(mall), 300), person(mall)
    merge(former, member_id)
    erase(member_id)
    again = [person(mall), person(mall)]
    for one in (*again, again[0]):
        hand_on(member_id, one)
    assert [sells(one) for one in again] == [-300, 0]
    hand_on(member_id, again[0])
    merge(again[1], again[0])
    assert has(again[0])[1] == -300
    assert growth_differences(mall) == []


def test_of_two_debts_both_go_on_with_who_leaves_without_having_sold_anything(mall: SmallMall) -> None:
    former, member_id = owes(person(mall), 300), owes(person(mall), 200)
    merge(former, member_id)
    erase(member_id)
    assert has(member_id) == (0, 0, 0, 0)
    again = person(mall)
    hand_on(member_id, again)
    assert sells(again) == -500
    assert growth_differences(mall) == []


@pytest.mark.parametrize("as_whom", ["former", "member"])
def test_an_operator_writes_off_what_the_one_owes_by_either_id(as_whom: str, mall: SmallMall) -> None:
    (former, _), (member_id, _) = seller(mall), seller(mall)
    earn(former, 500)
    merge(former, member_id)
    write_off(former if as_whom == "former" else member_id, "停业")
    assert has(member_id)[1] == 0
    assert growth_differences(mall) == []
