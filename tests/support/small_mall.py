"""A small mall played in this process, for the audit to look at: WeChat is a book, and time goes by deeds.

It has tables of its own, which are put back to how the mall opened before each play.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.products.inputs import SkuInput
from chalicelib.commerce.coupons.issue.service import give
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.delivery import service as delivery
from chalicelib.commerce.orders.inputs import GroupInput, LineInput, OrderInput, QuoteInput
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.commerce.orders.placement import service as placement
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.rules import Order, Pieces
from chalicelib.commerce.pricing import service as pricing
from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import NewCustomerPrice, SkuPrice, ThresholdOff, ThresholdTier
from chalicelib.core import clock, ids, settings
from chalicelib.customers.members import service as members
from chalicelib.customers.members.rules import Address
from chalicelib.gateways.wechat import transfers as wechat_transfers
from chalicelib.gateways.wechat.transfers import TransferRequest, TransferResult
from chalicelib.growth.distribution.bindings.service import bind
from chalicelib.growth.distribution.rules import DistributionRules, Tier
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.groupbuy.activities import service as activities
from chalicelib.growth.groupbuy.inputs import ActivityInput
from chalicelib.growth.groupbuy.lottery.checks import drawn_by, mac
from chalicelib.growth.groupbuy.rules import Activity, Kind, Price
from chalicelib.growth.payouts import service as payouts
from chalicelib.growth.payouts.checks import Transfer
from chalicelib.growth.payouts.rules import WithdrawalRules
from chalicelib.growth.payouts.settings import WITHDRAWALS
from chalicelib.platform.store import tools
from local.client import SHANGHAI
from tests.support.book import Book
from tests.support.coupons import template
from tests.support.distribution import bare_member, quick_distributor
from tests.support.group_stage import Clock
from tests.support.owed import run_due
from tests.support.own_tables import Snapshot, own_tables, put_back, snapshot
from tools import audit

DAY = 86400
#: What a piece costs, in fen, by the SKU's name here. "sample" is cheaper for a new customer.
PRICES = {"pot": 10_000, "cup": 3_333, "crate": 400_000, "sample": 5_000, "group": 8_000}
WELCOME_FEN = 100
FREIGHT_FEN = 800
REWARD_FEN = 700
#: How often time is moved to the next job, at most, until the mall is at rest.
_ROUNDS_MAX = 400


class SmallMall:
    """Two distributors, the second brought by the first; five customers of the second; and a shop."""

    def __init__(self, held: Clock) -> None:
        self.clock = held
        self.book = Book()
        self.transfers: dict[str, Transfer] = {}
        self._keys = 0
        self._furnish()
        self._people()
        self.work()
        self._opened: Snapshot = snapshot(tools.tables())

    def _furnish(self) -> None:
        now = clock.now()
        times: dict[str, Any] = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=3000)}
        tier = Tier(tier_id="gold", name="金牌", rates_bp=[1200, 600], sales_fen=20_000, reward_fen=REWARD_FEN)
        DISTRIBUTION.change(
            DistributionRules(enabled=True, levels=2, rates_bp=[1000, 500], freeze_days=3, tiers=[tier])
        )
        WITHDRAWALS.change(WithdrawalRules(per_day=100, review_from_fen=None, tax="labour", fee_bp=60))
        pricing.put("default", FreightTemplate(name="包裹", rules=[FreightRule(first_fen=FREIGHT_FEN)]))
        self.skus: dict[str, str] = {}
        self.products: dict[str, str] = {}
        for name, price_fen in PRICES.items():
            rate = 400 if name == "cup" else None
            made = products.create(
                {
                    "product_code": name, "name": name, "publish": True, "commission_bp": rate,
                    "skus": [SkuInput(sku_code="a", price_fen=price_fen, stock=1000)],
                }
            ).product  # fmt: skip
            assert made is not None
            self.skus[name], self.products[name] = made.skus[0].sku_id, made.product_id
        sample = SkuPrice(sku_id=self.skus["sample"], price_fen=WELCOME_FEN)
        pricing.put_promotion("welcome", NewCustomerPrice(name="新客价", prices=[sample], **times))
        less = ThresholdTier(threshold_fen=25_000, off_fen=2_000)
        pricing.put_promotion("less", ThresholdOff(name="满减", tiers=[less], **times))
        self.templates = {
            "five": template(total=1000, limit_per_member=100),
            "tenth": template(
                kind="percent_off", amount_fen=None, percent_off=10, threshold_fen=0, total=1000, limit_per_member=100
            ),
        }

    def _people(self) -> None:
        self.above, self.seller = bare_member(), bare_member()
        codes = [quick_distributor(member_id) for member_id in (self.above, self.seller)]
        self.customers = [bare_member() for _ in range(5)]
        pairs = [(self.seller, codes[0]), *((customer, codes[1]) for customer in self.customers)]
        for member_id, code in pairs:
            assert bind(member_id, code) is not None
        self.addresses = {
            member_id: members.add_address(member_id, Address(address_id=ids.new("a"), **SHANGHAI)).address_id
            for member_id in (self.above, self.seller, *self.customers)
        }

    def reopen(self) -> None:
        """Make everything as it was when the mall opened; only time goes on."""
        put_back(self._opened)
        self.book.trades.clear()
        self.book.payouts.clear()
        self.transfers.clear()

    # What people do.

    def key(self) -> str:
        """Another Idempotency-Key."""
        self._keys += 1
        return f"k{self._keys}"

    def coupon(self, member_id: str, name: str = "five") -> str:
        """The member gets a coupon."""
        return give(self.templates[name], member_id, "grant").held.coupon.coupon_id

    def place(
        self, member_id: str, *lines: tuple[str, int], coupons: tuple[str, ...] = (), group: GroupInput | None = None
    ) -> Order:
        """Place an order of so many pieces of these, a moment later."""
        self.clock.advance(1)
        given: dict[str, Any] = {
            "lines": [LineInput(self.skus[name], pieces) for name, pieces in lines], "group": group,
            "coupon_ids": list(coupons), "address_id": self.addresses[member_id],
        }  # fmt: skip
        price = placement.quote(member_id, QuoteInput(**given))
        return placement.place(
            member_id, self.key(), OrderInput(**given, expected_payable_fen=price.payable_fen)
        )  # fmt: skip

    def pay(self, order: Order) -> Order:
        """Pay it; the mall is told, and does what it owes at once."""
        begun = payment.start(order.order_id, order.member_id)
        if not begun.paid:
            self.book.pay(order.order_id)
            payment.record(self.book.told(order.order_id))
        self.work()
        return self.order(order)

    def buy(self, member_id: str, *lines: tuple[str, int], **more: Any) -> Order:
        """Place and pay an order."""
        return self.pay(self.place(member_id, *lines, **more))

    def order(self, order: Order) -> Order:
        """The order as it is now."""
        return order_queries.load(order.order_id)

    def cancel(self, order: Order) -> None:
        """Cancel an unpaid order."""
        closing.cancel(order.order_id, order.member_id)
        self.work()

    def refund(self, order: Order, *pieces: tuple[str, int], restock: bool = False) -> Order:
        """An operator gives these pieces' money back, or all of it; WeChat pays it out."""
        asked = [Pieces(self.skus[name], count) for name, count in pieces] or None
        refunds.refund_by_operator(order.order_id, self.key(), asked, "缺货", restock, "op")
        self.work()
        self.wait(60)
        return self.order(order)

    def deliver(self, order: Order) -> Order:
        """Send all of it; it is received."""
        delivery.ship(order.order_id, "SF", f"SF{self.key()}", None, "operator:op")
        delivery.receive(order.order_id, order.member_id)
        self.work()
        return self.order(order)

    def withdraw(self, member_id: str, fen: int) -> str:
        """Take this much out; WeChat pays at once."""
        made = payouts.request(member_id, self.key(), fen)
        self.work()
        return made.withdrawal_id

    def activity(self, kind: Kind, prices: dict[int, int], **more: Any) -> Activity:
        """A group-buy of "group": what a piece costs, by the size of a lobby or the step of a ladder."""
        return activities.create(
            ActivityInput(
                product_id=self.products["group"], kind=kind, sizes=list(prices), lobby_minutes=60,
                prices=[Price(sku_id=self.skus["group"], size=size, price_fen=fen) for size, fen in prices.items()],
                starts_at=clock.now(), ends_at=clock.now() + timedelta(hours=3), name=self.key(), **more,
            )
        )  # fmt: skip

    def opens(self, activity: Activity) -> GroupInput:
        """What an order says that opens a lobby of the activity, of its smallest size."""
        size = None if activity.kind == "ladder" else activity.sizes[0]
        return GroupInput(activity_id=activity.activity_id, size=size)

    def joins(self, order: Order) -> GroupInput:
        """What an order says that joins the lobby of this one."""
        assert order.group is not None
        return GroupInput(lobby_id=order.group.lobby_id)

    def lobby(self, activity: Activity, *people: str, pieces: int = 1, coupons: tuple[str, ...] = ()) -> list[Order]:
        """These people sit down in one lobby and pay, the first of them leads it and has the coupons; their orders."""
        first = self.buy(people[0], ("group", pieces), group=self.opens(activity), coupons=coupons)
        return [first, *(self.buy(one, ("group", pieces), group=self.joins(first)) for one in people[1:])]

    def right_winners(self, orders: Sequence[Order]) -> bool:
        """Whether who won with these orders is who had to, by the secret of their lottery, drawn once more."""
        seats = {order.order_id: order.group for order in map(self.order, orders)}
        [drawing] = self.books().drawings
        secret = drawing.secret
        if drawing.activity.lottery is not None and drawing.activity.lottery.per == "lobby":
            secret = mac(secret, next(seat.lobby_id for seat in seats.values() if seat is not None))
        won = [order_id for order_id, seat in seats.items() if seat is not None and seat.state == "won"]
        return sorted(won) == sorted(drawn_by(secret, seats, len(won)))

    # Time.

    def work(self) -> None:
        """Run what is due."""
        run_due()

    def wait(self, seconds: float) -> None:
        """Let time pass, and run what is due by then at its time."""
        end = self.clock.seconds + seconds
        for _ in range(_ROUNDS_MAX):
            due = self.clock.seconds + min(run_due(), default=seconds) + 0.001
            if due >= end:
                break
            self.clock.advance(due - self.clock.seconds)
        self.clock.advance(max(0.0, end - self.clock.seconds))
        self.work()

    # What the audit says.

    def books(self) -> audit.Books:
        """All books, WeChat's with them."""
        return msgspec.structs.replace(
            audit.read(None), payments=self.book.payments(), refunds=self.book.paid_refunds(),
            transfers=list(self.transfers.values()),
        )  # fmt: skip

    def told(self) -> list[str]:
        """Every difference."""
        return [f"{one.about}: {one.what}" for one in self.books().differences()]

    # WeChat's transfers: whoever is sent money takes it at once.

    def _transfer(self, request: TransferRequest) -> TransferResult:
        self.transfers[request.out_bill_no] = Transfer(request.out_bill_no, request.amount_fen, "SUCCESS")
        return TransferResult(request.out_bill_no, "t", "SUCCESS")

    def _query_transfer(self, number: str) -> TransferResult | None:
        made = self.transfers.get(number)
        return None if made is None else TransferResult(number, "t", "SUCCESS", made.amount_fen)


@contextlib.contextmanager
def opened(suffix: str) -> Iterator[SmallMall]:
    """Open a small mall in tables of its own. The engine must run."""
    held = Clock()
    before, environment = clock.use(held), settings._environment
    settings.use({**environment, "YUTANG_JOB_SHARDS": "1", "YUTANG_MANY_SHARDS": "1", "YUTANG_LOBBY_SHARDS": "1"})
    try:
        with own_tables(suffix), pytest.MonkeyPatch.context() as patch:
            mall = SmallMall(held)
            patch.setattr(wechat_transfers, "transfer", mall._transfer)
            patch.setattr(wechat_transfers, "query_transfer", mall._query_transfer)
            patch.setattr(delivery, "report_shipping", lambda job: None)
            with mall.book.opened():
                yield mall
    finally:
        settings.use(environment)
        clock.use(before)
