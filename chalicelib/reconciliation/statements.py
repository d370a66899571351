"""What WeChat's bills say, by our numbers. Importing this brings in the client for WeChat."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import msgspec

from chalicelib.orders.grant import refund_of
from chalicelib.reconciliation.rules import Key, Theirs, TheirState
from chalicelib.wechat import bills
from chalicelib.wechat.bills import FlowRow, TradeRow

#: WeChat's words in the fund-flow bill.
_FEE = "手续费"
_TRANSFER = "转账"
_STATES: dict[str, TheirState] = {"SUCCESS": "done", "PROCESSING": "pending"}

#: How many earlier bills are looked at for what we booked on a day and its own bill does not have.
LOOK_BACK_DAYS = 7


class Statement(msgspec.Struct, frozen=True):
    """The bills of a day, and what WeChat kept of its payments, in fen."""

    theirs: dict[Key, Theirs]
    fees_fen: int


def of(day: date) -> Statement:
    """Both bills of the day. Raises WechatError, STATEMENT_CREATING among it while one is not ready."""
    flow = bills.fund_flow_bill(day)
    theirs = of_trades(bills.trade_bill(day)) + of_flow(flow)
    return Statement({one.key: one for one in theirs}, -sum(row.amount_fen for row in flow if _FEE in row.kind))


def unseen(keys: dict[Key, date], day: date) -> set[Key]:
    """Those of `keys` that no bill of the days before `day` has either, from the one on which each was asked for."""
    left = dict(keys)
    for back in range(1, LOOK_BACK_DAYS + 1):
        earlier = day - timedelta(days=back)
        asked = {key[0] for key, since in left.items() if since <= earlier}
        if not asked:
            break
        told: list[Theirs] = []
        if asked & {"payment", "refund"}:
            told += of_trades(bills.trade_bill(earlier))
        if "transfer" in asked:
            told += of_flow(bills.fund_flow_bill(earlier))
        seen = {one.key for one in told if one.state != "failed"}
        left = {key: since for key, since in left.items() if key not in seen}
    return set(left)


def of_trades(rows: Iterable[TradeRow]) -> list[Theirs]:
    """Payments and refunds, one for each of our numbers."""
    told: dict[Key, list[Theirs]] = {}
    for row in rows:
        key: Key = ("refund", refund_of(row.out_refund_no)) if row.out_refund_no else ("payment", row.out_trade_no)
        state = _STATES.get(row.state, "failed")
        one = Theirs(key, row.out_refund_no or row.out_trade_no, row.amount_fen, state, row.state)
        told.setdefault(key, []).append(one)
    return [_together(lines) for lines in told.values()]


def of_flow(rows: Iterable[FlowRow]) -> list[Theirs]:
    """Transfers, one for each of our numbers; one that came back has failed."""
    moved: dict[str, list[int]] = {}
    for row in rows:
        if _TRANSFER in row.kind or _TRANSFER in row.name:
            moved.setdefault(row.number, []).append(-row.amount_fen)
    told: list[Theirs] = []
    for number, amounts in moved.items():
        went = sum(amounts)
        if went > 0:
            told.append(Theirs(("transfer", number), number, went, "done", "SUCCESS"))
        else:
            told.append(Theirs(("transfer", number), number, max(amounts), "failed", "RETURNED"))
    return told


def _together(lines: list[Theirs]) -> Theirs:
    """What several lines of one number come to: those that have moved money, else those that may, else the last."""
    for state in ("done", "pending"):
        some = [line for line in lines if line.state == state]
        if some:
            return msgspec.structs.replace(some[-1], amount_fen=sum(line.amount_fen for line in some))
    return lines[-1]
