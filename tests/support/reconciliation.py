"""Days in the life of a mall, for reconciliation: orders, refunds, transfers, and a clock to move."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib.commerce.orders.payment import service as payment
from chalicelib.core import clock, ids
from chalicelib.gateways.wechat import transfers
from chalicelib.ledger import rules as members
from chalicelib.ledger import service as ledger
from chalicelib.ledger.rules import Entry
from chalicelib.platform.jobs import worker
from chalicelib.platform.store.transaction import Transaction
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.distribution import quick_member

#: Of a piece.
PRICE = 1990


@dataclass
class Shop:
    """The mall of a test, and its WeChat."""

    operator: Operator
    sandbox: Sandbox
    clock: LocalClock
    sku: str

    @property
    def today(self) -> date:
        return clock.day(clock.now())

    def at(self, day: date, hour: int, minute: int = 0, second: int = 0) -> None:
        """Move the clock to that time of that day in Shanghai; what is due meanwhile waits."""
        target = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=clock.SHANGHAI)
        self.clock.advance(target.timestamp() - self.clock())

    def next_morning(self, day: date) -> None:
        """The day after `day`, when its bills are ready; what refunds are still owed is done before that day ends."""
        self.settle()
        self.at(day + timedelta(days=1), 10, 10)

    def settle(self) -> None:
        """Refunds that were granted are paid out."""
        worker.run_due()
        self.clock.advance(31)
        worker.run_due()

    def paid(self, pieces: int = 1, told: bool = True) -> str:
        """A new order that was paid; `told`: and the mall knows."""
        shopper = quick_member(self.operator.send, self.sandbox)
        self.shopper = shopper
        order_id: str = shopper.place([(self.sku, pieces)])["order_id"]
        self.sandbox.pay(shopper.start_payment(order_id), notify="none")
        if told:
            assert payment.ask(order_id) in payment.PAID_WORDS
        return order_id

    def refunded(self, order_id: str, shopper: Shopper, pieces: int = 1) -> str:
        """A refund of pieces of an order that was not sent; it is granted at once."""
        return str(shopper.refund(order_id, [(self.sku, pieces)])["refund_id"])

    def transferred(self, amount_fen: int, end: str = "paid") -> str:
        """A withdrawal that was paid by a transfer, less 30 fen of tax; or has failed, or is only begun."""
        number, now = ids.new("w"), clock.now
        post(members.withdrawal_begun(number, "m-promoter", now(), amount_fen))
        if end == "paid":
            self.sandbox.post("balance", {"available_fen": 10_000_000})
            request = transfers.TransferRequest(number, "o-promoter", amount_fen - 30, "佣金")
            assert transfers.transfer(request).state == "WAIT_USER_CONFIRM"
            self.sandbox.post(f"transfers/{number}", {"outcome": "confirm", "notify": "none"})
            post(members.withdrawal_paid(number, "m-promoter", now(), amount_fen, 30, 0))
        elif end == "failed":
            post(members.withdrawal_failed(number, "m-promoter", now(), amount_fen))
        return number

    def spoil(self, day: date, kind: str, number: str = "", **more: Any) -> None:
        """The bill of that day says something else."""
        self.sandbox.post(f"bills/{day}", {"kind": kind, **({"number": number} if number else {}), **more})

    def repair(self, day: date) -> None:
        """The bills of that day say again what WeChat's books say."""
        for bill in ("trade", "fund_flow"):
            self.spoil(day, "nothing", bill=bill)

    def differences(self, state: str = "open") -> list[dict[str, Any]]:
        """All of them, by the API."""
        return self.operator.items(f"/v1/admin/reconciliation/differences?state={state}")

    def told(self, day: date) -> set[tuple[Any, ...]]:
        """The open differences of that day in short: kind, subject, number, ours and theirs in fen."""
        names = ("kind", "subject", "number", "ours_fen", "theirs_fen")
        return {tuple(one[name] for name in names) for one in self.differences() if one["day"] == str(day)}


def post(entry: Entry) -> None:
    """Post an entry alone."""
    tx = Transaction()
    ledger.post(tx, entry)
    tx.commit()
