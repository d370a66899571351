"""Small malls played at random, whose members turn out to be one person at a random write: of whatever is under way,
and however often. In between the books of growth agree, and in the end all books.

    WORLDS=50 WORLDS_SEED=7 .venv/bin/pytest tests/faults/test_merged_worlds.py

plays so many, from that seed; without them a few, from another seed each time, which is told when one fails.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members import service as members
from chalicelib.customers.members.merging import service as merging
from chalicelib.customers.members.queries import resolved
from chalicelib.customers.members.rules import Source
from chalicelib.growth.distribution.bindings.service import bind
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.payouts import service as payouts
from chalicelib.growth.payouts.settings import WITHDRAWALS
from chalicelib.growth.payouts.tables import Withdrawals
from chalicelib.platform.store import tools
from chalicelib.platform.store.transaction import Transaction
from tests.support.growth_merges import growth_differences, has, person, record
from tests.support.small_mall import DAY, SmallMall, opened
from tests.support.sweep import dead_jobs

WORLDS = int(os.environ.get("WORLDS", "2"))
SEED = int(os.environ.get("WORLDS_SEED") or random.SystemRandom().randrange(10**6))
DEEDS = 60


class World:
    """Six who sell, nine who buy, and what happens to them."""

    def __init__(self, mall: SmallMall, chance: random.Random) -> None:
        self.mall, self.chance = mall, chance
        mall.reopen()
        self._set_rules()
        self.sellers = [mall.above, mall.seller]
        self.people = list(mall.customers)
        for number in range(8):
            who = person(mall)
            bind(who, self.code())
            (self.sellers if number < 4 else self.people).append(who)
            if number < 4:
                distributors.apply(who)
                distributors.approve(who)
        self.activity = mall.activity("fixed", {3: 6_000}, limit_per_member=4)
        self.orders: list[Order] = []
        self.seats: list[Order] = []
        #: Who will turn out to be one at one of the next writes.
        self.soon: list[tuple[str, str]] = []
        self.merged = 0

    def _set_rules(self) -> None:
        kept, chance = DISTRIBUTION.fresh(), self.chance
        DISTRIBUTION.change(
            msgspec.structs.replace(
                kept, leaderboard=chance.random() < 0.5, self_purchase=chance.random() < 0.5,
                bind_on=chance.choice(["first_order", "first_visit"]), protection_days=chance.choice([0, 3, 10]),
            )
        )  # fmt: skip
        if chance.random() < 0.5:
            WITHDRAWALS.change(msgspec.structs.replace(WITHDRAWALS.fresh(), review_from_fen=1))

    def code(self) -> str:
        return record(self.chance.choice(self.sellers)).distributor.invite_code

    def somebody(self) -> tuple[str, str]:
        """As whom they came, and who they are by now."""
        who = self.chance.choice([*self.people, *self.sellers])
        now = resolved(who)
        self.mall.addresses.setdefault(now, self.mall.addresses[who])
        return who, now

    def place(self) -> Order:
        pieces = self.chance.choice(["pot", "cup"]), self.chance.randint(1, 3)
        self.orders.append(self.mall.place(self.somebody()[1], pieces))
        return self.orders[-1]

    def buy(self) -> None:
        self.mall.pay(self.place())

    def sit_down(self) -> None:
        joins = bool(self.seats) and self.chance.random() < 0.7
        group = self.mall.joins(self.seats[-1]) if joins else self.mall.opens(self.activity)
        order = self.mall.place(self.somebody()[1], ("group", 1), group=group)
        self.seats.append(order)
        self.orders.append(order)
        if self.chance.random() < 0.8:
            self.mall.pay(order)

    def refund(self) -> None:
        order = self.mall.order(self.chance.choice(self.orders))
        name = next(name for name, sku_id in self.mall.skus.items() if sku_id == order.lines[0].sku_id)
        self.mall.refund(order, *([(name, 1)] if self.chance.random() < 0.5 else []))

    def deliver(self) -> None:
        self.mall.deliver(self.mall.order(self.chance.choice(self.orders)))

    def cancel(self) -> None:
        self.mall.cancel(self.mall.order(self.chance.choice(self.orders)))

    def withdraw(self) -> None:
        who, now = self.somebody()
        payouts.request(now, self.mall.key(), self.chance.choice([100, 500, 2_000]), who)
        self.mall.work()

    def bind(self) -> None:
        bind(self.somebody()[0], self.code())

    def visit(self) -> None:
        members.seen(self.somebody()[1], Source(inviter=self.code(), at=clock.now()))
        self.mall.work()

    def wait(self) -> None:
        self.mall.wait(self.chance.choice([1, 20, 70, 3_600, DAY, 4 * DAY]))

    def meet(self) -> None:
        self.soon.append((self.somebody()[0], self.somebody()[0]))

    def write(self, commit: Callable[[Transaction], None], tx: Transaction) -> None:
        """Before something is written, two may turn out to be one."""
        if self.soon and self.chance.random() < 0.15:
            try:
                merging.unite(*self.soon.pop(), "code")
                self.merged += 1
            except MallError as fault:
                assert fault.code in ("already_merged", "merge_refused")
        commit(tx)

    def play(self) -> None:
        often = [self.buy] * 3 + [self.deliver, self.withdraw, self.meet] * 2
        deeds: list[Callable[[], Any]] = [
            *often, self.place, self.refund, self.sit_down, self.cancel, self.bind, self.visit, self.wait
        ]  # fmt: skip
        for _ in range(DEEDS):
            deed = self.chance.choice(deeds)
            if not self.orders and deed in (self.refund, self.deliver, self.cancel):
                continue
            try:
                deed()
            except MallError as fault:
                assert fault.status < 500
            if self.chance.random() < 0.15:
                assert growth_differences(self.mall) == []

    def end(self) -> None:
        """Whatever is open ends, and everything is moved."""
        for item in list(tools.scan(Withdrawals)):
            if item.withdrawal is not None and item.withdrawal.state == "reviewing":
                if self.chance.random() < 0.5:
                    payouts.approve(item.withdrawal_id, "op")
                else:
                    payouts.reject(item.withdrawal_id, "不符", "op")
        self.mall.wait(2 * DAY)
        self.mall.wait(30 * DAY)


@pytest.fixture(scope="module")
def mall(dynamodb: str) -> Iterator[SmallMall]:
    with opened("merged-worlds") as mall:
        yield mall


@pytest.mark.parametrize("number", range(WORLDS))
def test_whoever_becomes_one_at_whatever_write_the_books_agree(
    number: int, mall: SmallMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"WORLDS=1 WORLDS_SEED={SEED + number}")
    world = World(mall, random.Random(SEED + number))
    commit = Transaction.commit
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "commit", lambda tx: world.write(commit, tx))
        world.play()
    world.end()
    assert mall.told() == []
    assert dead_jobs() == []
    former = list(mall.books().distribution.moved)
    assert len(former) == world.merged
    assert {has(one) for one in former} <= {(0, 0, 0, 0)}
