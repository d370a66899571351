"""WeChat Pay as random malls have it: its books, its rules, its bad days, and codes that nobody has written down.

It stands in where the mall's client sends (`api.call`), so that what the client makes of each answer is played too. A
trade takes a refund a minute, and 50 at most; a number that nobody knows is a 404, in whatever words; a request may
arrive as long after its caller has given up as its signature is good; what it says of money is the truth that the mall
is held against.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.core.settings import settings
from chalicelib.gateways.wechat import api, http, mini
from chalicelib.gateways.wechat import pay as client
from chalicelib.gateways.wechat.errors import WechatError

#: A refund is on its way for so long; of a trade WeChat takes one in so many seconds, and so many in all.
REFUND_SECONDS = 5
APART_SECONDS = 60
REFUNDS_MAX = 50
YEAR = timedelta(days=365)
#: For so long a signature is good; and who gets a transfer has so long to confirm it.
SIGNED_SECONDS = 300
CONFIRM = timedelta(hours=24)

#: How WeChat fares. strange: it refuses in words that nobody knows, and does nothing. late: what is asked arrives when
#: its caller has given up.
WEATHERS = ("unreachable", "answers_lost", "broken", "busy", "no_balance", "strange", "late")
CALLS = ("prepay", "query", "close", "refund", "query_refund", "transfer", "query_transfer", "cancel")
_CHANGES = ("prepay", "close", "refund", "transfer", "cancel")
_STRANGE = ((400, "PARAM_INVALID_TODAY"), (403, "RISK_CONTROL"), (401, "SIGN_ERROR"))


class Refused(Exception):
    """WeChat answers with an error."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Spelling:
    """In which words this mall's WeChat says what it means. `deaf`: it refuses to close what was not paid."""

    unknown: str = "ORDER_NOT_EXIST"
    paid: str = "ORDER_PAID"
    closed: str = ""
    too_soon: tuple[int, str] = (400, "INVALID_REQUEST")
    deaf: bool = False


def spelling(chance: random.Random) -> Spelling:
    """The words of one mall's WeChat: in every other mall those that its documents have."""
    if chance.random() < 0.5:
        return Spelling()
    return Spelling(
        unknown=chance.choice(["ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS", "NOT_FOUND"]),
        paid=chance.choice(["ORDER_PAID", "ORDERPAID", "INVALID_REQUEST"]),
        closed=chance.choice(["", "ORDER_CLOSED", "ORDERCLOSED"]),
        too_soon=chance.choice([(400, "INVALID_REQUEST"), (429, "FREQUENCY_LIMITED"), (403, "RULE_LIMIT")]),
        deaf=chance.random() < 0.3,
    )


@dataclass
class Trade:
    """A payment that was begun."""

    body: dict[str, Any]
    expire: datetime
    total_fen: int
    closed: bool = False
    transaction_id: str = ""
    paid_at: datetime | None = None

    @property
    def state(self) -> str:
        if self.transaction_id:
            return "SUCCESS"
        return "CLOSED" if self.closed or clock.now() >= self.expire else "NOTPAY"


@dataclass
class Payout:
    """A refund that was taken on; `end` is how it ends."""

    body: dict[str, Any]
    trade: str
    fen: int
    made: datetime
    end: str = "SUCCESS"

    @property
    def state(self) -> str:
        return self.end if clock.now() >= self.made + timedelta(seconds=REFUND_SECONDS) else "PROCESSING"


@dataclass
class Bill:
    """A transfer to a member. `end` is how it ended; until then its receiver may confirm it."""

    body: dict[str, Any]
    fen: int
    made: datetime
    end: str = ""

    @property
    def state(self) -> str:
        return self.end or ("FAIL" if clock.now() >= self.made + CONFIRM else "WAIT_USER_CONFIRM")


@dataclass
class Wechat:
    """All payments, refunds and transfers, by their numbers."""

    chance: random.Random
    words: Spelling
    trades: dict[str, Trade] = field(default_factory=dict)
    payouts: dict[str, Payout] = field(default_factory=dict)
    bills: dict[str, Bill] = field(default_factory=dict)
    #: How often a call failed; and what WeChat refused for good, by number.
    faults: int = 0
    refused: dict[str, list[str]] = field(default_factory=dict)
    #: From when on refunds end well, whatever comes up.
    calm: bool = False
    _weather: tuple[str, frozenset[str], datetime] | None = None
    #: What is on its way here, and when it arrives; and when that was which arrives now.
    _late: list[tuple[datetime, Callable[[], object]]] = field(default_factory=list)
    _arrived: datetime | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """From here on the mall speaks to this one when it speaks to WeChat."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(api, "call", self.call)
            patch.setattr(client, "pay_params", lambda number: client.PayParams("0", "", number, "RSA", ""))
            patch.setattr(mini, "report_shipping", lambda **_: None)
            yield

    # What only WeChat and the shopper do.

    def storm(self, weather: str, calls: frozenset[str], seconds: float) -> None:
        """WeChat fares so for a while, in these calls."""
        self._weather = weather, calls, clock.now() + timedelta(seconds=seconds)

    def clear_up(self) -> None:
        """WeChat is well again, and what went wrong there was seen to: refunds end well from here on."""
        self._weather, self.calm = None, True
        for payout in self.payouts.values():
            payout.end = "SUCCESS" if payout.end == "ABNORMAL" else payout.end

    def arrive(self) -> None:
        """What was on its way arrives, if it is time."""
        now = clock.now()
        due = sorted((one for one in self._late if one[0] <= now), key=lambda one: one[0])
        self._late = [one for one in self._late if one[0] > now]
        for self._arrived, act in due:
            with contextlib.suppress(Refused):
                act()
        self._arrived = None

    def _now(self) -> datetime:
        """When it is that what WeChat does now is done: what was on its way arrived at its own time."""
        return self._arrived or clock.now()

    def unconfirmed(self) -> list[str]:
        """The transfers that their receivers may confirm."""
        return [number for number, bill in self.bills.items() if bill.state == "WAIT_USER_CONFIRM"]

    def payable(self) -> list[str]:
        """The numbers that can be paid now."""
        return [number for number, trade in self.trades.items() if trade.state == "NOTPAY"]

    def paid(self) -> list[str]:
        """The numbers that were paid."""
        return [number for number, trade in self.trades.items() if trade.transaction_id]

    def pay(self, number: str) -> None:
        """The shopper pays."""
        trade = self.trades[number]
        assert trade.state == "NOTPAY"
        trade.transaction_id, trade.paid_at = f"4200{len(self.paid()):024}", clock.now()

    def told(self, number: str) -> client.Trade:
        """The payment as a callback tells it."""
        mine, trade = settings(), self.trades[number]
        state = "REFUND" if self._refunds_of(number) else "SUCCESS"
        return client.Trade(
            number, state, mine.wechat_appid, mine.wechat_mchid, trade.transaction_id, trade.total_fen, None,
            trade.paid_at,
        )  # fmt: skip

    def kept_fen(self, number: str) -> int:
        """What of this payment is still the mall's: paid, less what went back."""
        trade = self.trades.get(number)
        if trade is None or not trade.transaction_id:
            return 0
        return trade.total_fen - sum(payout.fen for payout in self._refunds_of(number) if payout.state == "SUCCESS")

    def _refunds_of(self, number: str) -> list[Payout]:
        return [payout for payout in self.payouts.values() if payout.trade == number and payout.state != "CLOSED"]

    # What the mall calls.

    def call(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Answer as WeChat would by the mall's clock."""
        self.arrive()
        given = msgspec.json.decode(body) if body else {}
        place, _, number = path.partition("?")[0].rpartition("/")
        name = {
            ("POST", "/v3/pay/transactions"): "prepay",
            ("GET", "/v3/pay/transactions/out-trade-no"): "query",
            ("POST", "/v3/refund/domestic"): "refund",
            ("GET", "/v3/refund/domestic/refunds"): "query_refund",
            ("POST", "/v3/fund-app/mch-transfer"): "transfer",
            ("GET", "/v3/fund-app/mch-transfer/transfer-bills/out-bill-no"): "query_transfer",
        }.get((method, place), number)
        if name in ("close", "cancel"):
            place, _, number = place.rpartition("/")
            assert (method, place.rpartition("/")[2]) in (("POST", "out-trade-no"), ("POST", "out-bill-no")), path
        about: str = {"prepay": "out_trade_no", "refund": "out_refund_no", "transfer": "out_bill_no"}.get(name, "")
        about = given[about] if about else number
        try:
            return self._answer(name, about, given)
        except Refused as no:
            self.faults += 1
            self.refused.setdefault(about, []).append(no.code)
            raise api._refusal(http.Reply(no.status, {}, msgspec.json.encode({"code": no.code}))) from None

    def _answer(self, name: str, number: str, given: dict[str, Any]) -> bytes:
        weather = self._weather_for(name)
        if weather == "unreachable":
            self.faults += 1
            raise WechatError("connect_failed", retryable=True)
        if weather == "busy":
            raise Refused(429, "FREQUENCY_LIMITED")
        if weather == "strange":
            raise Refused(*self.chance.choice(_STRANGE))
        if weather == "no_balance" and name in ("refund", "transfer") and number not in self.payouts | self.bills:
            raise Refused(403, "NOT_ENOUGH")
        if weather == "late":
            self.faults += 1
            if name in _CHANGES:
                at = clock.now() + timedelta(seconds=self.chance.randint(1, SIGNED_SECONDS - 1))
                self._late.append((at, lambda: getattr(self, f"_{name}")(number, given)))
            raise WechatError("read_timeout", retryable=True, outcome_unknown=True)
        if weather == "broken" and self.chance.random() < 0.5:
            raise Refused(500, "SYSTEM_ERROR")
        done = getattr(self, f"_{name}")(number, given)
        if weather == "answers_lost":
            self.faults += 1
            raise WechatError("read_timeout", retryable=True, outcome_unknown=True)
        if weather == "broken":
            raise Refused(500, "SYSTEM_ERROR")
        return msgspec.json.encode(done)

    def _weather_for(self, name: str) -> str:
        if self._weather is None or name not in self._weather[1] or clock.now() >= self._weather[2]:
            return ""
        return self._weather[0]

    def _prepay(self, number: str, given: dict[str, Any]) -> dict[str, Any]:
        trade = self.trades.get(number)
        if trade is None:
            expire = datetime.fromisoformat(given["time_expire"])
            if (expire - self._now()).total_seconds() < 60:
                raise Refused(400, "PARAM_ERROR")
            self.trades[number] = Trade(given, expire, given["amount"]["total"])
        elif trade.state != "NOTPAY":
            raise Refused(400, self.words.paid if trade.transaction_id else self.words.closed or "ORDER_CLOSED")
        elif trade.body != given:
            raise Refused(400, "INVALID_REQUEST")
        return {"prepay_id": f"wx{number}"}

    def _query(self, number: str, _: dict[str, Any]) -> dict[str, Any]:
        trade, mine = self.trades.get(number), settings()
        if trade is None:
            raise Refused(404, self.words.unknown)
        told: dict[str, Any] = {"appid": mine.wechat_appid, "mchid": mine.wechat_mchid, "out_trade_no": number}
        if not trade.transaction_id:
            return told | {"trade_state": trade.state}
        return told | {
            "trade_state": self.told(number).state, "transaction_id": trade.transaction_id,
            "success_time": trade.paid_at, "amount": {"total": trade.total_fen, "currency": "CNY"},
        }  # fmt: skip

    def _close(self, number: str, _: dict[str, Any]) -> dict[str, Any]:
        trade = self.trades.get(number)
        if trade is None:
            raise Refused(404, self.words.unknown)
        if trade.transaction_id:
            raise Refused(400, self.words.paid)
        if self.words.deaf:
            raise Refused(400, "INVALID_REQUEST")
        if trade.state == "CLOSED" and self.words.closed:
            raise Refused(400, self.words.closed)
        trade.closed = True
        return {}

    def _refund(self, number: str, given: dict[str, Any]) -> dict[str, Any]:
        known = self.payouts.get(number)
        if known is None:
            self.payouts[number] = self._new_payout(given)
        elif (known.body["out_trade_no"], known.fen) != (given["out_trade_no"], given["amount"]["refund"]):
            raise Refused(400, "INVALID_REQUEST")
        return self._query_refund(number, {})

    def _new_payout(self, given: dict[str, Any]) -> Payout:
        of, fen, now = given["out_trade_no"], given["amount"]["refund"], self._now()
        trade = self.trades.get(of)
        if trade is None or trade.paid_at is None:
            raise Refused(404, "RESOURCE_NOT_EXISTS")
        before = self._refunds_of(of)
        over = sum(payout.fen for payout in before) + fen > trade.total_fen
        if over or fen < 1 or given["amount"]["total"] != trade.total_fen or now >= trade.paid_at + YEAR:
            raise Refused(400, "INVALID_REQUEST")
        if len(before) >= REFUNDS_MAX:
            raise Refused(400, "INVALID_REQUEST")
        if any(now < payout.made + timedelta(seconds=APART_SECONDS) for payout in before):
            raise Refused(*self.words.too_soon)
        rare = self.chance.random()
        end = "SUCCESS" if self.calm or rare > 0.04 else "ABNORMAL" if rare > 0.02 else "CLOSED"
        return Payout(given, of, fen, now, end)

    def _query_refund(self, number: str, _: dict[str, Any]) -> dict[str, Any]:
        payout = self.payouts.get(number)
        if payout is None:
            raise Refused(404, self.words.unknown)
        return {
            "out_refund_no": number, "refund_id": f"503{number}", "status": payout.state,
            "amount": {"refund": payout.fen},
        }  # fmt: skip

    def _transfer(self, number: str, given: dict[str, Any]) -> dict[str, Any]:
        known = self.bills.get(number)
        if known is None:
            self.bills[number] = Bill(given, given["transfer_amount"], self._now())
        elif known.body != given:
            raise Refused(400, "INVALID_REQUEST")
        return self._query_transfer(number, {}) | {"package_info": f"package {number}"}

    def _query_transfer(self, number: str, _: dict[str, Any]) -> dict[str, Any]:
        bill = self.bills.get(number)
        if bill is None:
            raise Refused(404, "NOT_FOUND")
        return {
            "out_bill_no": number, "transfer_bill_no": f"1030{number}", "state": bill.state,
            "transfer_amount": bill.fen,
        }  # fmt: skip

    def _cancel(self, number: str, _: dict[str, Any]) -> dict[str, Any]:
        if number in self.bills and self.bills[number].state not in ("WAIT_USER_CONFIRM", "CANCELLED"):
            raise Refused(400, "INVALID_REQUEST")
        told = self._query_transfer(number, {}) | {"state": "CANCELING"}
        self.bills[number].end = "CANCELLED"
        return told
