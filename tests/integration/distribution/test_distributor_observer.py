"""Who observes distributors is told of each state that one comes to, once, in the transaction that makes it so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.customers.members.privacy import service as privacy
from chalicelib.customers.members.tables import Members
from chalicelib.growth.distribution import ports
from chalicelib.growth.distribution.distributors import service
from chalicelib.growth.distribution.rules import DistributorState
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict
from local.client import Operator, Shopper
from tests.support.distribution import set_rules
from tests.support.registered import observing


class Observer:
    """Writes each state that it is told, in the order of telling."""

    def __init__(self) -> None:
        self.times = 0

    def changed(self, tx: Transaction, member_id: str, state: DistributorState | None) -> None:
        self.times += 1
        tx.create(Members(member_id, f"test#{self.times:03}", version=1, roster=state or "gone"))


@pytest.fixture
def observer(dynamodb: str) -> Iterator[Observer]:
    with observing(ports, Observer()) as stand_in:
        yield stand_in


def told(shopper: Shopper) -> list[str]:
    items = read.query_all(Members, shopper.member_id, where=Members.part.startswith("test#"), consistent=True)
    return [item.roster for item in items]


def test_it_is_told_of_each_state_and_of_nothing_that_stays_as_it_is(
    observer: Observer, operator: Operator, shopper: Shopper
) -> None:
    set_rules(operator, tiers=[{"tier_id": "gold", "name": "金", "rates_bp": [1500]}])
    member_id = shopper.member_id
    for _ in range(2):
        service.apply(member_id)
    for act in (service.approve, service.suspend, service.approve):
        for _ in range(2):
            act(member_id)
    service.set_tier(member_id, "gold")
    assert told(shopper) == ["pending", "active", "suspended", "active"]


def test_who_need_not_be_approved_is_active_at_once(observer: Observer, operator: Operator, shopper: Shopper) -> None:
    set_rules(operator, approval="open")
    service.apply(shopper.member_id)
    assert told(shopper) == ["active"]


@pytest.mark.parametrize("suspended", [False, True])
def test_who_leaves_the_mall_is_one_no_more(
    observer: Observer, operator: Operator, shopper: Shopper, suspended: bool
) -> None:
    set_rules(operator, approval="open")
    service.apply(shopper.member_id)
    if suspended:
        service.suspend(shopper.member_id)
    privacy.erase(shopper.member_id)
    assert told(shopper)[-1] == "gone"


def test_who_is_none_leaves_and_nothing_is_told(observer: Observer, shopper: Shopper) -> None:
    privacy.erase(shopper.member_id)
    assert (told(shopper), observer.times) == ([], 0)


def test_who_applies_while_something_else_is_observed_of_them_is_one_all_the_same(
    observer: Observer, operator: Operator, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_rules(operator)
    writes = observer.changed

    def is_outrun_once(tx: Transaction, member_id: str, state: DistributorState | None) -> None:
        if observer.times == 0:
            tx.check(Members, (member_id, "nothing"), Members.part.exists(), Conflict)
        writes(tx, member_id, state)

    monkeypatch.setattr(observer, "changed", is_outrun_once)
    assert service.apply(shopper.member_id).state == "pending"
    assert (told(shopper), observer.times) == (["pending"], 2)
