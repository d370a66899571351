"""Who deletes their account and comes back goes on where they stood: limits of the day, income tax of the month."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.customers.members.returning import service as returning
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.distribution import distributor
from tests.support.distribution import set_rules as set_distribution
from tests.support.returning import back, leave
from tests.support.withdrawals import (
    at_wechat,
    differences,
    earner,
    earns,
    end,
    ids,
    mine,
    set_rules,
    transfer_callback,
    withdraw,
)
from tools import audit

pytestmark = pytest.mark.usefixtures("own_tables")

FEN = 80_000
DAY = 86_400


@pytest.fixture
def again(operator: Operator, mall_clock: LocalClock) -> Iterator[Callable[[Shopper, int], Shopper]]:
    """The member leaves, and returns after some days as a distributor who has earned once more."""

    def leaves(shopper: Shopper, days: int) -> Shopper:
        leave(shopper)
        mall_clock.advance(days * DAY)
        returned = back(shopper)
        distributor(operator, returned)
        earns(returned, FEN)
        return returned

    set_distribution(operator)
    yield leaves
    set_distribution(operator, enabled=False)


@pytest.fixture
def early(mall_clock: LocalClock) -> None:
    """It is the second of a month."""
    from chalicelib.core import clock

    while clock.day(clock.now()).day != 2:
        mall_clock.advance(DAY)


def paid(shopper: Shopper, wechat: Sandbox) -> Any:
    """A withdrawal that its receiver has confirmed."""
    number = at_wechat(shopper, FEN)
    end(wechat, number, "confirm")
    shopper.send(*transfer_callback(wechat, number)).ok()
    return mine(shopper, number)


def told(shoppers: list[Shopper]) -> list[str]:
    """What the audit of the whole mall says of these and their withdrawals."""
    theirs = {one.member_id for one in shoppers}
    for shopper in shoppers:
        theirs |= {one.withdrawal_id for one in audit.read(None).withdrawals if one.member_id == shopper.member_id}
    return [f"{one.about}: {one.what}" for one in audit.differences(None) if one.about.partition(" ")[0] in theirs]


def test_the_tax_of_a_month_is_that_of_the_person_however_often_they_return(
    operator: Operator, wechat: Sandbox, early: None, again: Callable[[Shopper, int], Shopper]
) -> None:
    set_rules(operator, tax="labour", review_from_fen=None)
    lives = [earner(operator.send, wechat, FEN)]
    taxes = [paid(lives[0], wechat)["tax_fen"]]
    for days in (0, 1, 40):
        lives.append(again(lives[-1], days))
        taxes.append(paid(lives[-1], wechat)["tax_fen"])
    assert taxes == [0, 16_000, 16_000, 0]
    assert told(lives) == []
    assert differences(wechat, *lives) == []


def test_the_limits_of_a_day_are_those_of_the_person_also_when_handed_on_late(
    operator: Operator, wechat: Sandbox, early: None, mall_clock: LocalClock, again: Callable[[Shopper, int], Shopper]
) -> None:
    set_rules(operator, per_day=2, review_from_fen=None)
    first = earner(operator.send, wechat, FEN)
    paid(first, wechat)
    second = again(first, 0)
    earns(second, FEN)
    withdraw(second, FEN)
    returning.hand_on(first.member_id, second.member_id)
    body = {"amount_fen": FEN}
    (error,) = second.post("/v1/distributor/withdrawals", body, key="k" * 16).refused(422, "withdrawal_limit")["errors"]
    assert (error["code"], error["count"]) == ("withdrawals_per_day", 2)
    mall_clock.advance(DAY)
    withdraw(second, FEN)
    assert len(ids(second.get("/v1/distributor/withdrawals").ok()["items"])) == 2
    assert told([first, second]) == []
