"""The crash sweep over balances that nobody will withdraw: given up by who leaves, a debt of theirs, written off.

Each with a fault at its k-th call that may change something, for every k, and once with every call failing at first.
In the end the balance is nothing, by one entry, and the books agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from local.jobs import forget_all
from tests.support.operators import owner_token
from tests.support.outside import Outside, may_change
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once
from tests.support.withdrawals import balance, differences, earner, owes

DUST = 50


@dataclass
class Account(World):
    """A distributor with so much in the balance."""

    shopper: Shopper

    def leave(self) -> None:
        self.shopper.leave(waive_balance=True)

    def leave_in_debt(self) -> None:
        owes(self.shopper, 2 * DUST)

    def write_off(self) -> None:
        path = f"/v1/admin/distributors/{self.shopper.member_id}/write-off"
        self.operator.post(path, {"reason": "不足最低提现额"})

    def nothing(self) -> None:
        """Nobody does anything before it."""


@dataclass
class Flow(Steps[Account]):
    """And whether the member is gone afterwards, and the entry by which the balance is."""

    gone: bool
    cause: str


FLOWS = [
    Flow("leave and give up", Account.nothing, Account.leave, Account.leave, True, "waived"),
    Flow("leave in debt", Account.leave_in_debt, Account.leave, Account.leave, True, "written-off"),
    Flow("write off", Account.nothing, Account.write_off, Account.write_off, False, "written-off"),
    Flow("write a debt off", Account.leave_in_debt, Account.write_off, Account.write_off, False, "written-off"),
]


@pytest.fixture
def sweep(dynamodb: str, sandbox: str, mall_clock: LocalClock, outside: Outside) -> Iterator[Sweep[Flow, Account]]:
    send, wechat = in_process(), Sandbox(sandbox)
    operator = Operator(send, owner_token())

    def new_world(_: Flow) -> Account:
        forget_all()
        return Account(send, wechat, mall_clock, operator, earner(send, wechat, DUST))

    yield Sweep(outside, new_world, _check, may_change)


def _check(flow: Flow, world: Account) -> None:
    from chalicelib.growth.distribution.distributors import queries as distributor_queries
    from chalicelib.ledger import queries as ledger_queries

    member_id = world.shopper.member_id
    assert balance(world.shopper) == (0, 0, 0)
    causes = [entry.cause.partition(":")[0] for entry in ledger_queries.all_of_member(member_id)]
    assert [cause for cause in causes if cause in ("waived", "written-off")] == [flow.cause]
    assert world.shopper.get("/v1/me").status == (401 if flow.gone else 200)
    assert distributor_queries.load(member_id).state == ("suspended" if flow.gone else "active")
    assert differences(world.sandbox, world.shopper) == []
    assert dead_jobs() == []


test_wherever_it_is_struck_the_balance_ends_by_one_entry = struck_once(FLOWS)
test_when_every_call_fails_at_first_it_ends_alike = struck_again_and_again(FLOWS)
