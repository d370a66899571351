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
from chalicelib.insight.reconciliation.rules import Key, Theirs, TheirState, Told

_T = TypeVar("_T")

#: WeChat's words in the fund-flow bill.
_FEE = "手续费"
_TRANSFER = "转账"
_STATES: dict[str, TheirState] = {"SUCCESS": "done", "PROCESSING": "pending"}

#: How many earlier bills are looked at for what we booked on a day and its own bill does not have.
LOOK_BACK_DAYS = 7


class Statement(msgspec.Struct, frozen=True):
    """The bills of a day, and what WeChat kept of its payments, in fen."""

    told: Told
    fees_fen: int


def of(day: date, end: float) -> Statement:
    """Both bills of the day. Raises WechatError: STATEMENT_CREATING while one is not ready, bill_too_large also when
    they are not read when clock.monotonic() is at `end`.
    """
    transfers, fees_fen = of_flow(until(end, bills.fund_flow_bill(day)))
    return Statement(Told(itertools.chain(of_trades(until(end, bills.trade_bill(day))), transfers)), fees_fen)


def until(end: float, things: Iterable[_T]) -> Iterator[_T]:
    """All of them. Raises WechatError bill_too_large when one comes after `end`."""
    for thing in things:
        if clock.monotonic() > end:
            raise WechatError("bill_too_large")
        yield thing


def unseen(keys: dict[Key, date], day: date, end: float) -> set[Key]:
    """Those of `keys` that no bill of the days before `day` has either, from the one on which each was asked for.

    Raises as `of` does.
    """
    left = dict(keys)
    for back in range(1, LOOK_BACK_DAYS + 1):
        earlier = day - timedelta(days=back)
        asked = {key[0] for key, since in left.items() if since <= earlier}
        if not asked:
            break
        lines: list[Theirs] = []
        if asked & {"payment", "refund"}:
            lines += [line for line in of_trades(until(end, bills.trade_bill(earlier))) if line.key in left]
        if "transfer" in asked:
            lines += [line for line in of_flow(until(end, bills.fund_flow_bill(earlier)))[0] if line.key in left]
        seen = {one.key for one in Told(lines).left().values() if one.state != "failed"}
        left = {key: since for key, since in left.items() if key not in seen}
    return set(left)


def of_trades(rows: Iterable[TradeRow]) -> Iterator[Theirs]:
    """Payments and refunds, line by line: a number may have several."""
    for row in rows:
        key: Key = ("refund", refund_of(row.out_refund_no)) if row.out_refund_no else ("payment", row.out_trade_no)
        yield Theirs(
            key, row.out_refund_no or row.out_trade_no, row.amount_fen, _STATES.get(row.state, "failed"), row.state
        )


def of_flow(rows: Iterable[FlowRow]) -> tuple[list[Theirs], int]:
    """Transfers, one for each of our numbers, where one that came back has failed; and what WeChat kept in fees."""
    moved: dict[str, list[int]] = {}
    fees_fen = 0
    for row in rows:
        if _FEE in row.kind:
            fees_fen -= row.amount_fen
        elif _TRANSFER in row.kind or _TRANSFER in row.name:
            moved.setdefault(row.number, []).append(-row.amount_fen)
    told: list[Theirs] = []
    for number, amounts in moved.items():
        went = sum(amounts)
        if went > 0:
            told.append(Theirs(("transfer", number), number, went, "done", "SUCCESS"))
        else:
            told.append(Theirs(("transfer", number), number, max(amounts), "failed", "RETURNED"))
    return told, fees_fen
