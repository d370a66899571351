"""WeChat Pay as a book kept in this process: what may be paid, what was paid, and what went back.

It stands in for the functions of chalicelib.gateways.wechat.pay, by the mall's clock and without HTTP or signatures,
and answers as local/sandbox does. What it says of money is the truth that the mall is held against.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import pytest

from chalicelib.commerce.orders.checks import PaidRefund, Payment
from chalicelib.core import clock
from chalicelib.core.settings import settings
from chalicelib.gateways.wechat import pay as wechat
from chalicelib.gateways.wechat.errors import WechatError

_T = TypeVar("_T")

#: A refund is on its way for so long.
REFUND_SECONDS = 5

#: How WeChat fares: not reached at all; the call is carried out and its answer lost; it answers with an error; it wants
#: fewer calls; the merchant's balance is too low for a refund.
Weather = Literal["unreachable", "answers_lost", "broken", "busy", "no_balance"]

#: What the mall's client makes of it: WeChat's code, the HTTP status, and whether it may have been carried out.
_FAULTS: dict[str, tuple[str, int | None, bool]] = {
    "unreachable": ("connect_failed", None, False),
    "answers_lost": ("read_timeout", None, True),
    "broken": ("SYSTEM_ERROR", 500, True),
    "busy": ("FREQUENCY_LIMITED", 429, False),
}


@dataclass
class Trade:
    """A payment that was begun."""

    body: wechat.Prepay
    closed: bool = False
    transaction_id: str = ""

    @property
    def state(self) -> str:
        if self.transaction_id:
            return "SUCCESS"
        return "CLOSED" if self.closed or clock.now() >= self.body.time_expire else "NOTPAY"


@dataclass
class Payout:
    """A refund that was taken on."""

    body: wechat.RefundRequest
    made: float

    @property
    def paid_out(self) -> bool:
        return clock.now().timestamp() >= self.made + REFUND_SECONDS


class Book:
    """All payments and refunds, by their numbers."""

    def __init__(self) -> None:
        self.trades: dict[str, Trade] = {}
        self.payouts: dict[str, Payout] = {}
        #: How often a call failed.
        self.faults = 0
        #: Happens while the next prepay is on its way to WeChat.
        self.meanwhile: Callable[[], None] | None = None
        self._weather: tuple[Weather, float] | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """From here on the mall speaks to this book when it speaks to WeChat Pay."""
        with pytest.MonkeyPatch.context() as patch:
            for function in (self.prepay, self.pay_params, self.query, self.close, self.refund, self.query_refund):
                patch.setattr(wechat, function.__name__, function)
            yield

    # What only WeChat and the shopper do.

    def storm(self, weather: Weather, seconds: float) -> None:
        """WeChat fares so for a while."""
        self._weather = weather, clock.now().timestamp() + seconds

    def clear_up(self) -> None:
        """WeChat is well again."""
        self._weather = None

    @property
    def weather(self) -> Weather | None:
        if self._weather is None or clock.now().timestamp() >= self._weather[1]:
            return None
        return self._weather[0]

    def payable(self) -> list[str]:
        """The numbers that can be paid now."""
        return [number for number, trade in self.trades.items() if trade.state == "NOTPAY"]

    def paid(self) -> list[str]:
        """The numbers that were paid, the latest last."""
        return sorted(
            (number for number, trade in self.trades.items() if trade.transaction_id),
            key=lambda number: self.trades[number].transaction_id,
        )

    def pay(self, number: str) -> None:
        """The shopper pays."""
        assert self.trades[number].state == "NOTPAY"
        self.trades[number].transaction_id = f"4200{len(self.paid()):024}"

    def told(self, number: str) -> wechat.Trade:
        """The payment as a callback or a query tells it."""
        trade = self.trades[number]
        body, mine = trade.body, settings()
        told = wechat.Trade(number, trade.state, mine.wechat_appid, mine.wechat_mchid)
        if not trade.transaction_id:
            return told
        state = "REFUND" if self._refunds_of(number) else "SUCCESS"
        return wechat.Trade(
            number, state, told.appid, told.mchid, trade.transaction_id, body.total_fen, body.openid, clock.now()
        )

    def payments(self) -> list[Payment]:
        """Every payment, for the audit."""
        return [
            Payment(number, self.trades[number].transaction_id, self.trades[number].body.total_fen)
            for number in self.paid()
        ]

    def paid_refunds(self) -> list[PaidRefund]:
        """Every refund that was paid out, for the audit."""
        return [
            PaidRefund(number, payout.body.refund_fen) for number, payout in self.payouts.items() if payout.paid_out
        ]

    def kept_fen(self, number: str) -> int:
        """What of this payment is still the mall's: paid, less what went back."""
        trade = self.trades.get(number)
        if trade is None or not trade.transaction_id:
            return 0
        back = sum(payout.body.refund_fen for payout in self._refunds_of(number) if payout.paid_out)
        return trade.body.total_fen - back

    def _refunds_of(self, number: str) -> list[Payout]:
        return [payout for payout in self.payouts.values() if payout.body.out_trade_no == number]

    # What the mall calls.

    def prepay(self, body: wechat.Prepay) -> str:
        what, self.meanwhile = self.meanwhile, None
        if what is not None:
            what()
        return self._answer(lambda: self._prepay(body))

    def pay_params(self, prepay_id: str) -> wechat.PayParams:
        return wechat.PayParams("0", "", f"prepay_id={prepay_id}", "RSA", "")

    def query(self, out_trade_no: str) -> wechat.Trade | None:
        return self._answer(lambda: self.told(out_trade_no) if out_trade_no in self.trades else None)

    def close(self, out_trade_no: str) -> Literal["closed", "unknown_number", "refused"]:
        return self._answer(lambda: self._close(out_trade_no))

    def refund(self, request: wechat.RefundRequest) -> wechat.RefundResult:
        return self._answer(lambda: self._refund(request))

    def query_refund(self, out_refund_no: str) -> wechat.RefundResult | None:
        return self._answer(lambda: self.refund_told(out_refund_no) if out_refund_no in self.payouts else None)

    def refund_told(self, number: str) -> wechat.RefundResult:
        """The refund as a callback or a query tells it."""
        payout = self.payouts[number]
        state: wechat.RefundState = "SUCCESS" if payout.paid_out else "PROCESSING"
        return wechat.RefundResult(number, state, f"503{number}", payout.body.refund_fen)

    def _answer(self, effect: Callable[[], _T]) -> _T:
        weather = self.weather
        if weather not in _FAULTS:
            return effect()
        if weather == "answers_lost":
            with contextlib.suppress(WechatError):
                effect()
        self.faults += 1
        code, http, outcome_unknown = _FAULTS[weather]
        raise WechatError(code, http=http, retryable=True, outcome_unknown=outcome_unknown)

    def _prepay(self, body: wechat.Prepay) -> str:
        trade = self.trades.get(body.out_trade_no)
        if trade is None:
            if (body.time_expire - clock.now()).total_seconds() < 60:
                raise WechatError("PARAM_ERROR", http=400)
            self.trades[body.out_trade_no] = Trade(body)
        elif trade.state != "NOTPAY":
            raise WechatError("ORDER_PAID" if trade.transaction_id else "ORDER_CLOSED", http=400)
        elif trade.body != body:
            raise WechatError("INVALID_REQUEST", http=400)
        return f"wx{body.out_trade_no}"

    def _close(self, number: str) -> Literal["closed", "unknown_number", "refused"]:
        trade = self.trades.get(number)
        if trade is None:
            return "unknown_number"
        if trade.transaction_id:
            return "refused"
        trade.closed = True
        return "closed"

    def _refund(self, body: wechat.RefundRequest) -> wechat.RefundResult:
        known = self.payouts.get(body.out_refund_no)
        if known is None:
            trade = self.trades.get(body.out_trade_no)
            if trade is None:
                raise WechatError("RESOURCE_NOT_EXISTS", http=404)
            given = sum(payout.body.refund_fen for payout in self._refunds_of(body.out_trade_no))
            paid = trade.body.total_fen if trade.transaction_id else 0
            if body.total_fen != trade.body.total_fen or body.refund_fen <= 0 or given + body.refund_fen > paid:
                raise WechatError("INVALID_REQUEST", http=400)
            if self.weather == "no_balance":
                raise WechatError("NOT_ENOUGH", http=403)
            self.payouts[body.out_refund_no] = Payout(body, clock.now().timestamp())
        elif known.body != body:
            raise WechatError("INVALID_REQUEST", http=400)
        return self.refund_told(body.out_refund_no)
