"""Orders, refunds, receipts and withdrawals at random, told late, twice and out of order: every balance closes.

300 orders each time; BOOKS_ORDERS=10000 plays so many.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
import pytest

from local.clock import LocalClock
from tests.support.client import Operator, in_process
from tests.support.distribution import balance_differences, bare_member, quick_distributor, set_rules
from tests.support.lean import lean
from tests.support.operators import owner_token

ORDERS = int(os.environ.get("BOOKS_ORDERS", "300"))
CAP_BP = 2500
TIERS = [
    {"tier_id": "silver", "name": "银牌", "rates_bp": [2000], "sales_fen": 200_000, "reward_fen": 1000},
    {"tier_id": "gold", "name": "金牌", "rates_bp": [2800, 900], "customers": 2, "sales_fen": 900_000, "reward_fen": 1},
]


class Mall:
    """Six distributors, the second three brought by the first three; twenty customers; and what happens to them."""

    def __init__(self, chance: random.Random, clock: LocalClock) -> None:
        from chalicelib.core import ids

        self.chance, self.clock = chance, clock
        self.sellers = [bare_member() for _ in range(6)]
        codes = [quick_distributor(member_id) for member_id in self.sellers]
        self._bind(zip(self.sellers[3:], codes[:3], strict=True))
        self.customers = [ids.new("m") for _ in range(20)]
        self._bind((customer, chance.choice(codes)) for customer in self.customers)
        #: Orders by id with their versions; what has happened to them and was not told yet.
        self.orders: dict[str, tuple[Any, int]] = {}
        self.untold: list[tuple[str, bool]] = []
        self.withdrawals: list[tuple[str, str, int]] = []
        self.paid_out = 0

    def _bind(self, pairs: Any) -> None:
        from chalicelib.distribution.ties import bind

        for member_id, code in pairs:
            assert bind(member_id, code) is not None

    def play(self) -> None:
        deeds = [self.order] * 4 + [self.refund] * 2 + [self.receive] * 2 + [self.tell] * 5 + [self.withdraw, self.end]
        while len(self.orders) < ORDERS:
            self.chance.choice(deeds)()
            if self.chance.random() < 0.05:
                self.clock.advance(self.chance.choice([60, 3600, 86400, 9 * 86400]))

    def order(self) -> None:
        from chalicelib.core import clock, ids
        from chalicelib.orders.referrals import referrers
        from chalicelib.store import read
        from tests.unit.test_order_rules import line, order

        customer = self.chance.choice(self.customers)
        lines = [
            line(f"p{number}-{number}", quantity := self.chance.randint(1, 3), quantity * self.chance.randint(0, 9999))
            for number in range(self.chance.randint(1, 3))
        ]
        chain = referrers().referral(_profile(customer), read.batch_get(referrers().keys(customer))).chain
        paid = msgspec.structs.replace(
            order(*lines, freight_fen=self.chance.choice([0, 800])), order_id=ids.new("o"), member_id=customer,
            paid_at=clock.now(), chain=chain,
        )  # fmt: skip
        self._write(paid, 0)
        self.untold.append((paid.order_id, True))

    def refund(self) -> None:
        from chalicelib.core import clock
        from chalicelib.core.errors import MallError
        from chalicelib.orders.refund_rules import granted, new_refund
        from chalicelib.orders.rules import Pieces

        if not self.orders:
            return
        order, version = self._any()
        line = self.chance.choice(order.lines)
        asked = [Pieces(line.sku_id, self.chance.randint(1, 3))]
        try:
            refund = new_refund(order, f"r{len(order.refunds)}", asked, "why", "", clock.now(), by_mall=True)
        except MallError:
            return
        self._write(granted(order, refund, False, "operator", clock.now())[0], version)
        self.untold.append((order.order_id, False))

    def receive(self) -> None:
        from chalicelib.core import clock

        if not self.orders:
            return
        order, version = self._any()
        if order.state == "awaiting_shipment":
            self._write(msgspec.structs.replace(order, state="received", received_at=clock.now()), version)
            self.untold.append((order.order_id, False))

    def tell(self) -> None:
        from chalicelib.distribution.commissions import settle

        if self.untold:
            told = self.chance.randrange(len(self.untold))
            settle(*self.untold[told])
            if self.chance.random() < 0.8:
                self.untold.pop(told)

    def withdraw(self) -> None:
        from chalicelib.core import clock, ids
        from chalicelib.ledger import members as entries
        from chalicelib.ledger import service as ledger
        from chalicelib.store.transaction import ConditionFailed, Transaction

        member_id, fen = self.chance.choice(self.sellers), self.chance.randint(1, 20_000)
        before = ledger.balance(member_id)
        number = ids.new("w")
        tx = Transaction()
        ledger.post(tx, entries.withdrawal_begun(number, member_id, clock.now(), fen), short="short")
        try:
            tx.commit()
        except ConditionFailed as fault:
            assert (fault.failed, before.available < fen) == (("short",), True)
            return
        assert before.available >= fen
        self.withdrawals.append((number, member_id, fen))

    def end(self) -> None:
        from chalicelib.core import clock
        from chalicelib.ledger import members as entries
        from chalicelib.ledger import service as ledger
        from chalicelib.store.transaction import Transaction

        if not self.withdrawals:
            return
        number, member_id, fen = self.withdrawals.pop()
        tx = Transaction()
        if self.chance.random() < 0.5:
            ledger.post(tx, entries.withdrawal_failed(number, member_id, clock.now(), fen))
        else:
            tax = self.chance.randint(0, fen // 5)
            ledger.post(tx, entries.withdrawal_paid(number, member_id, clock.now(), fen, tax, 0))
            self.paid_out += fen
        tx.commit()

    def finish(self) -> None:
        """All is told, time passes, and every job has run."""
        from chalicelib.distribution.commissions import settle
        from chalicelib.distribution.service import promote
        from chalicelib.jobs.service import Job
        from chalicelib.jobs.tables import Task

        while self.untold:
            settle(*self.untold.pop())
        self.clock.advance(30 * 86400)
        for order_id in self.orders:
            settle(order_id)
        for member_id in self.sellers:
            promote(Job("", "", Task("distributor.tier", member_id, {}), ""))
        while self.withdrawals:
            self.end()

    def _any(self) -> tuple[Any, int]:
        return self.orders[self.chance.choice(list(self.orders)[-60:])]

    def _write(self, order: Any, version: int) -> None:
        from chalicelib.orders.tables import item
        from chalicelib.store.transaction import Transaction

        tx = Transaction()
        tx.put(item(order, version + 1))
        tx.commit()
        self.orders[order.order_id] = order, version + 1


def _profile(member_id: str) -> Any:
    from chalicelib.core import clock
    from chalicelib.members.rules import Profile

    return Profile(member_id=member_id, openid="o", joined_at=clock.now())


@pytest.fixture
def played(dynamodb: str, mall_clock: LocalClock) -> Iterator[Mall]:
    operator = Operator(in_process(), owner_token())
    set_rules(operator, rates_bp=[1500, 700], order_cap_bp=CAP_BP, freeze_days=3, tiers=TIERS)
    with lean(dynamodb):
        mall = Mall(random.Random(7), mall_clock)
        mall.play()
        mall.finish()
        yield mall
    set_rules(operator, enabled=False)


def test_after_so_many_orders_refunds_and_withdrawals_every_balance_and_statement_closes(played: Mall) -> None:
    from chalicelib.distribution.rules import LEVELS_MAX
    from chalicelib.distribution.tables import commission_key
    from chalicelib.ledger import service as ledger
    from chalicelib.orders.books import paid_for
    from chalicelib.store import read

    assert balance_differences(*played.sellers) == []
    left = dict.fromkeys(played.sellers, 0)
    for order_id, (order, _) in played.orders.items():
        items = read.batch_get([commission_key(order_id, level) for level in range(1, LEVELS_MAX + 1)])
        made = [item.commission for item in items if item is not None]
        if not made:  # all of it was given back before anybody was told that it was paid
            assert all(paid_for(order, line.sku_id) == 0 for line in order.lines)
            continue
        assert [one.member_id for one in made] == order.chain
        earned = sum(line.earned_fen for one in made for line in one.lines)
        assert earned <= order.payable_fen * CAP_BP // 10_000
        for one in made:
            left[one.member_id] += one.amount_fen
            for line in one.lines:
                assert line.base_fen == paid_for(order, line.sku_id)
                assert line.amount_fen <= line.base_fen * line.rate_bp // 10_000
            assert one.state == ("reversed" if not one.base_fen and any(line.paid_fen for line in one.lines) else
                                 "available" if order.received_at else one.state)  # fmt: skip
    for member_id in played.sellers:
        months = ledger.months(member_id, date(9999, 1, 1))
        rewarded = sum(one.turnover.rewarded for one in months)
        withdrawn = sum(one.turnover.withdrawn for one in months)
        balance = ledger.balance(member_id)
        assert balance.owed == left[member_id] + rewarded - withdrawn
        assert (balance.withdrawn, balance.withdrawing) == (withdrawn, 0)
    assert sum(ledger.balance(member_id).withdrawn for member_id in played.sellers) == played.paid_out > 0
    assert sum(
        one.turnover.rewarded for member_id in played.sellers for one in ledger.months(member_id, date(9999, 1, 1))
    )
