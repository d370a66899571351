"""What WeChat's bills say, by our numbers. Importing this brings in the client for WeChat."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import TypeVar

import msgspec

from chalicelib.commerce.orders.refunds.issue import refund_of
from chalicelib.core import clock
from chalicelib.gateways.wechat import bills
from chalicelib.gateways.wechat.bills import FlowRow, TradeRow
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.insight.reconciliation.rules import BillLines, Key, Theirs, TheirState

_T = TypeVar("_T")

#: WeChat's words in the fund-flow bill.
_FEE = "手续费"
_TRANSFER = "转账"
_STATES: dict[str, TheirState] = {"SUCCESS": "done", "PROCESSING": "pending"}

#: How many earlier bills are searched for what the mall booked on a day and its own bill does not have.
LOOK_BACK_DAYS = 7


class Statement(msgspec.Struct, frozen=True):
    """The bills of a day, and what WeChat kept of its payments, in fen."""

    lines: BillLines
    fees_fen: int


def read_day(day: date, end: float) -> Statement:
    """Read both bills of the day.

    Raises WechatError: STATEMENT_CREATING while one is not ready, bill_too_large also when they are not read when
    clock.monotonic() is at `end`.
    """
    transfers, fees_fen = of_flow(until(end, bills.fund_flow_bill(day)))
    return Statement(BillLines(itertools.chain(of_trades(until(end, bills.trade_bill(day))), transfers)), fees_fen)


def until(end: float, things: Iterable[_T]) -> Iterator[_T]:
    """Yield all of them. Raises WechatError bill_too_large when one comes after `end` (of clock.monotonic())."""
    for thing in things:
        if clock.monotonic() > end:
            raise WechatError("bill_too_large")
        yield thing


def unseen(keys: dict[Key, date], day: date, end: float) -> set[Key]:
    """Find those of `keys` that no bill of the days before `day` has either, from the day on which each was asked for.

    Raises as `read_day` does.
    """
    missing = dict(keys)
    for back in range(1, LOOK_BACK_DAYS + 1):
        earlier = day - timedelta(days=back)
        asked = {key[0] for key, since in missing.items() if since <= earlier}
        if not asked:
            break
        lines: list[Theirs] = []
        if asked & {"payment", "refund"}:
            lines += [line for line in of_trades(until(end, bills.trade_bill(earlier))) if line.key in missing]
        if "transfer" in asked:
            lines += [line for line in of_flow(until(end, bills.fund_flow_bill(earlier)))[0] if line.key in missing]
        seen = {one.key for one in BillLines(lines).unmatched().values() if one.state != "failed"}
        missing = {key: since for key, since in missing.items() if key not in seen}
    return set(missing)


def of_trades(rows: Iterable[TradeRow]) -> Iterator[Theirs]:
    """Yield payments and refunds, line by line: a number may have several."""
    for row in rows:
        key: Key = ("refund", refund_of(row.out_refund_no)) if row.out_refund_no else ("payment", row.out_trade_no)
        yield Theirs(
            key, row.out_refund_no or row.out_trade_no, row.amount_fen, _STATES.get(row.state, "failed"), row.state
        )


def of_flow(rows: Iterable[FlowRow]) -> tuple[list[Theirs], int]:
    """Sum the transfers by our numbers, where one that came back has failed, and the fees that WeChat kept, in fen."""
    moved: dict[str, list[int]] = {}
    fees_fen = 0
    for row in rows:
        if _FEE in row.kind:
            fees_fen -= row.amount_fen
        elif _TRANSFER in row.kind or _TRANSFER in row.name:
            moved.setdefault(row.number, []).append(-row.amount_fen)
    transfers: list[Theirs] = []
    for number, amounts in moved.items():
        went = sum(amounts)
        if went > 0:
            transfers.append(Theirs(("transfer", number), number, went, "done", "SUCCESS"))
        else:
            transfers.append(Theirs(("transfer", number), number, max(amounts), "failed", "RETURNED"))
    return transfers, fees_fen
