"""The crash sweep over two members who become one: whom they are bound to, what they are as distributors, what they
earned, their links, what they withdrew, what they bought in groups.

Each keeper's steps with a fault at their k-th call that may change something, for every k, and once with every call
failing at first. Then all steps are taken again, as the job does: nothing is lost or there twice, and the books agree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members import service as members
from chalicelib.customers.members.rules import Address
from chalicelib.growth.distribution.bindings.service import bind
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.distribution.links import queries as link_queries
from chalicelib.growth.distribution.links import service as links
from chalicelib.growth.distribution.tables import CUSTOMER, MONTH, Commissions, Distributors
from chalicelib.growth.groupbuy.tables import bought_key
from chalicelib.growth.payouts.queries import find_allowance, withdrawals_of_member
from chalicelib.platform.jobs.job import RetryLater
from chalicelib.platform.store import read, tools
from chalicelib.platform.store.transaction import save
from local.client import SHANGHAI, Operator, Sandbox, in_process
from local.clock import LocalClock
from local.jobs import forget_all
from tests.support.distribution import bare_member
from tests.support.growth_merges import OWNERS, absorb, growth_differences, has, inviter, record, tie
from tests.support.merging import redirect, settle
from tests.support.operators import owner_token
from tests.support.outside import Outside, may_change
from tests.support.own_tables import Snapshot, put_back, snapshot
from tests.support.small_mall import DAY, REWARD_FEN, SmallMall, opened
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once

KEEPERS = [owner.name for owner in OWNERS]


@dataclass
class Play(World):
    """Two distributors: each has customers, commissions to come and to withdraw, a link, a withdrawal, a group-buy."""

    mall: SmallMall
    former: str = ""
    member_id: str = ""
    customers: list[str] = field(default_factory=list)
    had: tuple[int, int, int, int] = (0, 0, 0, 0)
    sold: int = 0
    activity: str = ""

    def become_one(self) -> None:
        """All is as when the merge has begun: made once, and put back each time."""
        if not _begun:
            self._begin()
            _begun.append((snapshot(tools.tables()), dataclasses.replace(self)))
        tables, play = _begun[0]
        put_back(tables)
        for told in dataclasses.fields(self):
            setattr(self, told.name, getattr(play, told.name))

    def _begin(self) -> None:
        mall = self.mall
        mall.reopen()
        forget_all()
        self.former, self.member_id = mall.customers[0], mall.customers[1]
        shared = bare_member()
        for whose in (self.former, self.member_id):
            code = distributors.apply(whose).invite_code
            distributors.approve(whose)
            self.customers.append(bare_member())
            assert bind(self.customers[-1], code) is not None
            links.make(whose, None, None, "x")
            save(Distributors(whose, f"{MONTH}2020-01", sales_fen=0))
            save(Distributors(whose, CUSTOMER + shared, carried=True))
        activity = mall.activity("fixed", {2: 6_000}, limit_per_member=9)
        mall.lobby(activity, self.former, self.member_id)
        self.activity = activity.activity_id
        self._sell()
        redirect(self.former, self.member_id)

    def _sell(self) -> None:
        mall = self.mall
        for customer in self.customers:
            address = members.add_address(customer, Address(address_id=ids.new("a"), **SHANGHAI))
            mall.addresses[customer] = address.address_id
            mall.deliver(mall.buy(customer, ("pot", 1)))
        mall.wait(8 * DAY)
        for whose, customer in zip((self.former, self.member_id), self.customers, strict=True):
            mall.withdraw(whose, 300)
            mall.buy(customer, ("cup", 1))
        self.had = has(self.former, self.member_id)
        self.sold = sum(record(one).totals.sales_fen for one in (self.former, self.member_id))


#: Two members whose merge has begun, and the tables as they were then.
_begun: list[tuple[Snapshot, Play]] = []


@dataclass
class Flow(Steps[Play]):
    """The steps of one keeper."""


def _steps(name: str) -> Callable[[Play], None]:
    owner = next(one for one in OWNERS if one.name == name)

    def act(play: Play) -> None:
        position: str | None = None
        try:
            while (position := owner.absorb(play.former, play.member_id, position)) is not None:
                pass
        except MallError as fault:
            assert fault.code in ("unavailable", "conflict")
        except RetryLater:
            pass

    return act


def _all(play: Play) -> None:
    absorb(play.former, play.member_id)
    settle(play.member_id)


FLOWS = [Flow(name, Play.become_one, _steps(name), _all) for name in KEEPERS]


def _check(_: Flow, play: Play) -> None:
    former, member_id = play.former, play.member_id
    pending, available, withdrawing, withdrawn = play.had
    # Together they have sold enough for a tier.
    assert has(member_id) == (pending, available + REWARD_FEN, withdrawing, withdrawn)
    assert has(former) == (0, 0, 0, 0)
    assert (record(member_id).totals.sales_fen, record(member_id).totals.customers) == (play.sold, 2)
    assert [inviter(one) for one in (*play.customers, member_id)] == [member_id, member_id, play.mall.seller]
    assert tie(former) is None
    left = [raw["part"]["S"] for raw in read.query(Distributors, former, consistent=True)[0]]
    assert sorted(left) == ["distributor", "merged"]
    assert read.query(Commissions, former, index=Commissions.by_member)[0] == []
    assert len(read.query(Commissions, member_id, index=Commissions.by_member)[0]) == 4
    assert len(link_queries.links_of(member_id)) == 2
    assert find_allowance(former) is None
    assert (withdrawals_of_member(former, 9, None)[0], len(withdrawals_of_member(member_id, 9, None)[0])) == ([], 2)
    bought = read.batch_get([bought_key(play.activity, one) for one in (former, member_id)])
    assert bought[0] is None
    assert int(bought[1].bought) == 2
    assert growth_differences(play.mall) == []
    assert dead_jobs() == []


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SmallMall]:
    with opened("growth-merges") as mall:
        yield mall
    _begun.clear()


@pytest.fixture
def sweep(world: SmallMall, outside: Outside) -> Sweep[Flow, Play]:
    held, send = cast(LocalClock, world.clock), in_process()

    def new_world(_: Flow) -> Play:
        return Play(send, Sandbox("http://localhost:1"), held, Operator(send, owner_token()), world)

    return Sweep(outside, new_world, _check, may_change)


test_wherever_it_is_struck_all_is_moved_once = struck_once(FLOWS)
test_when_every_call_fails_at_first_it_ends_alike = struck_again_and_again(FLOWS)
