"""Orders, refunds, receipts and withdrawals at random, told late, twice and out of order: every book closes.

All is done by the mall's own use cases, in tables of its own; WeChat's answers are given to them as they would come.

    BOOKS_ORDERS=10000 BOOKS_SEED=7 .venv/bin/pytest tests/faults/test_distribution_books.py

plays so many orders, from that seed; without them a few, from another seed each time, which is told when it fails.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from local.client import SHANGHAI
from tests.support.distribution import bare_member, complete, quick_distributor
from tests.support.group_stage import Clock
from tests.support.own_tables import own_tables

if TYPE_CHECKING:
    from chalicelib.commerce.orders.rules import Order
    from chalicelib.ledger.rules import Entry
    from tools.audit import Books

ORDERS = int(os.environ.get("BOOKS_ORDERS", "60"))
SEED = int(os.environ.get("BOOKS_SEED") or random.SystemRandom().randrange(10**6))
CAP_BP = 2000
DAY = 86400
TIERS = [
    {"tier_id": "silver", "name": "银牌", "rates_bp": [2000], "sales_fen": 200_000, "reward_fen": 1000},
    {"tier_id": "gold", "name": "金牌", "rates_bp": [2800, 900], "customers": 2, "sales_fen": 900_000, "reward_fen": 1},
]
#: What refuses a deed that was drawn, and is no fault: nothing is left, it was too late, too little, too much.
_NO_REFUND = {"nothing_to_refund", "refund_window_over", "order_state", "invalid"}
_NO_WITHDRAWAL = {"balance_short", "withdrawal_limit", "invalid"}


class Mall:
    """Six distributors, the second three brought by the first three; twenty customers; and what happens to them."""

    def __init__(self, chance: random.Random, clock: Clock) -> None:
        self.chance, self.clock = chance, clock
        self._open_shop()
        self.sellers = [bare_member() for _ in range(6)]
        codes = [quick_distributor(member_id) for member_id in self.sellers]
        self._bind(zip(self.sellers[3:], codes[:3], strict=True))
        self.customers = [bare_member() for _ in range(20)]
        self._bind((customer, chance.choice(codes)) for customer in self.customers)
        self.addresses = {member_id: _address(member_id) for member_id in [*self.customers, *self.sellers]}
        self.orders: list[str] = []
        #: What has happened to orders and their commissions were not told yet; refunds that WeChat was not heard of.
        self.untold: list[tuple[str, bool]] = []
        self.on_their_way: list[str] = []
        self.reviewing: list[str] = []
        self.withdrawals: list[str] = []
        self.done: Counter[str] = Counter()

    def _open_shop(self) -> None:
        from chalicelib.commerce.catalogue.products import service as products
        from chalicelib.commerce.catalogue.products.inputs import SkuInput
        from chalicelib.commerce.pricing import service as pricing
        from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
        from chalicelib.commerce.pricing.promotions.rules import ThresholdOff, ThresholdTier
        from chalicelib.core import clock
        from chalicelib.growth.distribution.rules import DistributionRules
        from chalicelib.growth.distribution.settings import DISTRIBUTION
        from chalicelib.growth.payouts.rules import WithdrawalRules
        from chalicelib.growth.payouts.settings import WITHDRAWALS

        rules = {"enabled": True, "levels": 2, "rates_bp": [1500, 700], "freeze_days": 3, "order_cap_bp": CAP_BP}
        DISTRIBUTION.change(_convert(rules | {"tiers": TIERS, "leaderboard": True}, DistributionRules))
        limits = {"per_day": 100, "review_from_fen": 15_000, "tax": "labour", "fee_bp": 60}
        WITHDRAWALS.change(_convert(limits, WithdrawalRules))
        pricing.put(
            "default", FreightTemplate(name="包裹", rules=[FreightRule(first=2, first_fen=800, further_fen=300)])
        )
        now = clock.now()
        less = ThresholdOff(
            name="满减", starts_at=now - timedelta(days=1), ends_at=now + timedelta(days=20_000),
            tiers=[ThresholdTier(threshold_fen=15_000, off_fen=1_777)],
        )  # fmt: skip
        pricing.put_promotion("less", less)
        self.skus: list[str] = []
        for number, rate in enumerate([None, None, 0, 350, 4000]):
            made = products.create({
                "product_code": f"book-{number}", "name": f"货{number}", "publish": True, "commission_bp": rate,
                "skus": [SkuInput(sku_code="a", price_fen=self.chance.randint(100, 9999), stock=900_000)],
                "limit_per_order": 999,
            }).product  # fmt: skip
            assert made is not None
            self.skus.append(made.skus[0].sku_id)

    def _bind(self, pairs: Any) -> None:
        from chalicelib.growth.distribution.bindings.service import bind

        for member_id, code in pairs:
            assert bind(member_id, code) is not None

    def play(self) -> None:
        often = [self.order] * 4 + [self.send] * 4 + [self.receive] * 4 + [self.tell] * 6 + [self.remember] * 2
        deeds = often + [self.refund, self.pay_out] * 2 + [self.withdraw, self.review, self.hear, self.hear]
        while len(self.orders) < ORDERS:
            self.chance.choice(deeds)()
            self.clock.advance(self.chance.choice([0, 1, 20]))
            if self.chance.random() < 0.05:
                self.clock.advance(self.chance.choice([60, 3600, DAY, 9 * DAY]))

    def order(self) -> None:
        """Somebody orders, and most of them pay."""
        from chalicelib.commerce.orders import inputs as orders_inputs
        from chalicelib.commerce.orders.payment import service as payment
        from chalicelib.commerce.orders.placement import service as placement

        member_id = self.chance.choice([*self.customers, *self.sellers])
        skus = self.chance.sample(self.skus, self.chance.randint(1, 3))
        lines = [orders_inputs.LineInput(sku_id, self.chance.randint(1, 3)) for sku_id in skus]
        address = self.addresses[member_id]
        price = placement.quote(member_id, orders_inputs.QuoteInput(lines=lines, address_id=address))
        asked = orders_inputs.OrderInput(lines=lines, address_id=address, expected_payable_fen=price.payable_fen)
        order = placement.place(member_id, f"k{len(self.orders)}", asked)
        self.orders.append(order.order_id)
        if self.chance.random() < 0.95:
            for _ in range(self.chance.choice([1, 1, 2])):
                payment.record(_paid(order))
            self.untold.append((order.order_id, True))

    def refund(self) -> None:
        """An operator gives money back, of whatever there is, before or after it was sent."""
        from chalicelib.commerce.orders.refunds import service as refunds
        from chalicelib.commerce.orders.rules import Pieces
        from chalicelib.core.errors import MallError

        if not self.orders:
            return
        order = self._some_order()
        line = self.chance.choice(order.lines)
        asked = self.chance.choice([None, *[[Pieces(line.sku_id, number)] for number in (1, 1, 2, 3)]])
        key, restock = f"k{len(order.refunds)}", self.chance.random() < 0.5
        try:
            refund = refunds.refund_by_operator(order.order_id, key, asked, "缺货", restock, "op")
        except MallError as refusal:
            assert refusal.code in _NO_REFUND, refusal.code
            return
        self.done["refunds"] += 1
        self.untold.append((order.order_id, False))
        if refund.amount_fen:
            self.on_their_way.append(refund.refund_id)

    def pay_out(self) -> None:
        """WeChat says how a refund goes: under way, failed, or paid out, which it may say twice."""
        from chalicelib.commerce.orders import queries as order_queries
        from chalicelib.commerce.orders.refunds import push
        from chalicelib.commerce.orders.refunds.issue import order_of

        if not self.on_their_way:
            return
        number = self.on_their_way.pop(self.chance.randrange(len(self.on_their_way)))
        refund = order_queries.load(order_of(number)).refund(number)
        assert refund is not None
        told = self.chance.choice([["SUCCESS"], ["SUCCESS", "SUCCESS"], ["PROCESSING", "SUCCESS"], ["ABNORMAL"]])
        for outcome in told:
            push.settle_refund(number, outcome, refund.amount_fen)

    def send(self) -> None:
        """Some of an order is sent, or all."""
        from chalicelib.commerce.orders.delivery import service as delivery
        from chalicelib.commerce.orders.rules import Pieces

        if self.orders and (order := self._some_order()).state == "awaiting_shipment":
            part = next([Pieces(line.sku_id, 1)] for line in order.lines if line.to_ship)
            asked = part if self.chance.random() < 0.3 else None
            delivery.ship(order.order_id, "SF", f"SF{len(order.shipments)}", asked, "operator:op")

    def receive(self) -> None:
        from chalicelib.commerce.orders.delivery import service as delivery

        if self.orders and (order := self._some_order()).state == "shipped":
            delivery.receive(order.order_id, order.member_id)
            self.untold.append((order.order_id, False))

    def tell(self) -> None:
        """Distribution hears of something that happened; it may hear of it again."""
        from chalicelib.growth.distribution.commissions.service import settle

        if self.untold:
            told = self.chance.randrange(len(self.untold))
            settle(*self.untold[told])
            if self.chance.random() < 0.8:
                self.untold.pop(told)

    def remember(self) -> None:
        """Distribution looks at an order again, as it does when its commissions may be due."""
        from chalicelib.growth.distribution.commissions.service import settle

        if self.orders:
            settle(self.chance.choice(self.orders[-200:]))

    def withdraw(self, fen: int | None = None, member_id: str = "") -> None:
        """A distributor takes money out; who has too little is refused."""
        from chalicelib.core.errors import MallError
        from chalicelib.growth.payouts import service as withdrawals
        from chalicelib.ledger import queries as ledger_queries

        member_id = member_id or self.chance.choice(self.sellers)
        has = ledger_queries.balance(member_id).available
        fen = self.chance.randint(30, max(100, min(has * 5 // 4, 30_000))) if fen is None else fen
        try:
            made = withdrawals.request(member_id, f"k{self.done['asked']}", fen)
        except MallError as refusal:
            assert refusal.code in _NO_WITHDRAWAL, refusal.code
            assert refusal.code != "balance_short" or has < fen
        else:
            assert has >= fen
            (self.reviewing if made.state == "reviewing" else self.withdrawals).append(made.withdrawal_id)
        self.done["asked"] += 1

    def review(self) -> None:
        """An operator decides on what waits for that."""
        from chalicelib.growth.payouts import service as withdrawals

        if self.reviewing:
            number = self.reviewing.pop(0)
            if self.chance.random() < 0.7:
                withdrawals.approve(number, "op")
            else:
                withdrawals.reject(number, "资料不符", "op")
            self.withdrawals.append(number)

    def hear(self, number: str = "", *told: str) -> None:
        """WeChat says how a transfer goes, and how it ended, in any order and more than once."""
        from chalicelib.gateways.wechat.transfers import TransferResult
        from chalicelib.growth.payouts.queries import load
        from chalicelib.growth.payouts.transfers.service import settle_transfer

        if not self.withdrawals:
            return
        number = number or self.chance.choice(self.withdrawals[-20:])
        withdrawal = load(number)
        if withdrawal.submitted_at is None:
            return
        end = self.chance.choice(["SUCCESS", "SUCCESS", "FAIL", "CANCELLED"])
        drawn = [["ACCEPTED"], ["WAIT_USER_CONFIRM"], ["TRANSFERING", "WAIT_USER_CONFIRM", end], [end], [end, end]]
        if not withdrawal.open:
            told = ({"succeeded": "SUCCESS", "failed": "FAIL"}[withdrawal.state],)
        for state in told or self.chance.choice(drawn):
            after = settle_transfer(TransferResult(number, "t", state, withdrawal.net_fen, "package", ""))  # type: ignore[arg-type]
        if withdrawal.open and not after.open:
            self.done[after.state] += 1

    def finish(self) -> None:
        """All is told and time passes; everybody takes out all they can; and then something is given back after all."""
        from chalicelib.growth.distribution.distributors.service import raise_tier
        from chalicelib.growth.distribution.jobs import RAISE_TIER
        from chalicelib.ledger import queries as ledger_queries
        from chalicelib.platform.jobs.job import Job
        from chalicelib.platform.jobs.tables import Task

        for last in (False, True):
            self._tell_all()
            for member_id in self.sellers:
                raise_tier(Job("", "", Task(RAISE_TIER.name, member_id, {}), ""))
                if not last:
                    self.withdraw(min(199_999, ledger_queries.balance(member_id).available), member_id)
            if not last:
                while self.reviewing:
                    self.review()
                for number in self.withdrawals[-len(self.sellers) :]:
                    self.hear(number, "SUCCESS")
                for _ in range(10 + ORDERS // 20):
                    self.refund()
                    self.pay_out()
                    self.hear()

    def _tell_all(self) -> None:
        from chalicelib.growth.distribution.commissions.service import settle

        while self.untold:
            settle(*self.untold.pop())
        self.clock.advance(30 * DAY)
        for order_id in self.orders:
            complete(order_id)
            settle(order_id)

    def _some_order(self) -> Order:
        from chalicelib.commerce.orders import queries as order_queries

        return order_queries.load(self.chance.choice(self.orders[-60:]))


def _convert(fields: dict[str, Any], to: type) -> Any:
    import msgspec

    return msgspec.convert(fields, to)


def _address(member_id: str) -> str:
    from chalicelib.core import ids
    from chalicelib.customers.members import service
    from chalicelib.customers.members.rules import Address

    made: str = service.add_address(member_id, Address(address_id=ids.new("a"), **SHANGHAI)).address_id
    return made


def _paid(order: Order) -> Any:
    """What WeChat says of its payment."""
    from chalicelib.core.settings import settings
    from chalicelib.gateways.wechat.pay import Trade

    mall, number = settings(), order.order_id
    return Trade(number, "SUCCESS", mall.wechat_appid, mall.wechat_mchid, f"4200{number}", order.payable_fen)


@pytest.fixture
def played(dynamodb: str) -> Iterator[Mall]:
    from chalicelib.core import clock

    print(f"BOOKS_ORDERS={ORDERS} BOOKS_SEED={SEED}")  # told when it fails
    held = Clock()
    before = clock.use(held)
    try:
        with own_tables("books"):
            mall = Mall(random.Random(SEED), held)
            mall.play()
            mall.finish()
            yield mall
    finally:
        clock.use(before)


def test_after_so_many_orders_refunds_and_withdrawals_every_book_closes(played: Mall) -> None:
    from tools.audit import read

    books = msgspec.structs.replace(read(None), at=None)  # jobs are not run here
    assert books.differences() == []
    assert len(books.orders) == len(played.orders) == ORDERS
    posted = Counter(entry.cause.partition(":")[0] for entry in books.entries)
    print(dict(posted), dict(played.done))
    assert min(posted[cause] for cause in ("paid", "granted", "refunded", "commission", "begun")) > 0
    assert played.done["refunds"] and played.done["succeeded"]
    _check_nobody_left_out(books)
    _check_cap(books.orders, books.entries)
    for member_id in played.sellers:
        _check_statements(member_id)


def _check_nobody_left_out(books: Books) -> None:
    """Whoever brought the shopper of a paid order earns by it, on each level, unless all was given back before that."""
    from chalicelib.commerce.orders.accounting.rules import paid_for

    earn: dict[str, list[str]] = {}
    for one in sorted(books.distribution.commissions, key=lambda one: one.level):
        earn.setdefault(one.order_id, []).append(one.member_id)
    for order in books.orders:
        kept = order.paid_at is not None and any(paid_for(order, line.sku_id) for line in order.lines)
        right = [order.chain] if kept else [[], order.chain] if order.paid_at is not None else [[]]
        assert earn.get(order.order_id, []) in right, order.order_id


def _check_cap(orders: list[Order], entries: list[Entry]) -> None:
    """What the journal says was earned on an order is at most the cap's share of what was paid for its goods."""
    earned: Counter[str] = Counter()
    for entry in entries:
        if entry.cause in ("commission:1", "commission:2"):
            earned[entry.about] += sum(one.amount_fen for one in entry.postings if one.account == "commissions")
    caps = {one.order_id: (one.payable_fen - one.freight_fen) * CAP_BP // 10_000 for one in orders}
    assert earned.keys() <= caps.keys()
    assert {order_id: fen for order_id, fen in earned.items() if fen > caps[order_id]} == {}
    assert any(fen == caps[order_id] for order_id, fen in earned.items()), "no order reached its cap"


def _check_statements(member_id: str) -> None:
    """Each month opens as the one before closed, and the last closes with the balance."""
    from chalicelib.core import clock
    from chalicelib.growth.distribution.commissions.queries import statement
    from chalicelib.growth.distribution.distributors import queries as distributor_queries
    from chalicelib.ledger import queries as ledger_queries
    from chalicelib.ledger.rules import month

    name, last, closed = month(distributor_queries.load(member_id).applied_at), month(clock.now()), 0
    while name <= last:
        one = statement(member_id, name)
        assert one.opening_fen == closed
        closed = one.opening_fen + one.earned_fen + one.rewarded_fen - one.reversed_fen - one.withdrawn_fen
        assert one.closing_fen == closed
        year, number = divmod(int(name[:4]) * 12 + int(name[5:]), 12)
        name = f"{year}-{number + 1:02d}"
    assert closed == ledger_queries.balance(member_id).owed
