"""Commissions, statements and lines of the account as a distributor sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.growth.distribution.rules import CommissionState
from chalicelib.ledger.rules import CHARGED, MERGE, BalanceChange, Entry, change_of

What = Literal[
    "commission_earned",
    "commission_raised",
    "commission_taken_back",
    "commission_released",
    "tier_reward",
    "withdrawal_begun",
    "withdrawal_returned",
    "withdrawal_returned_with_tax",
    "withdrawal_paid",
    "written_off",
    "debt_charged",
    "account_merged",
    "other",
]
_WORDS: dict[What, tuple[str, str]] = {
    "commission_earned": ("订单佣金，待结算", "Commission on an order, pending"),
    "commission_raised": ("订单退款后，佣金上限重新分配", "More of an order's limit after a refund"),
    "commission_taken_back": ("订单退款，扣回佣金", "Commission taken back by a refund"),
    "commission_released": ("佣金已结算，可提现", "Commission settled, can be withdrawn"),
    "tier_reward": ("等级奖励", "Reward for a tier"),
    "withdrawal_begun": ("申请提现", "Withdrawal begun"),
    "withdrawal_returned": ("提现未成功，已退回", "Withdrawal did not succeed, given back"),
    "withdrawal_returned_with_tax": (
        "提现未成功，已退回，当月代扣个税已重新计算",
        "Withdrawal did not succeed, given back, with the month's tax reckoned anew",
    ),
    "withdrawal_paid": ("提现成功", "Withdrawal paid"),
    "written_off": ("余额已核销", "Balance written off"),
    "debt_charged": ("注销前的欠款，重新计入", "What was owed when the account was deleted, charged again"),
    "account_merged": ("账户合并转入", "Moved here from an account that was merged with this one"),
    "other": ("账户变动", "Change of the account"),
}


class CommissionView(msgspec.Struct, kw_only=True):
    """What one line of an order earns on one level, in fen: `base_fen` was paid for it and not given back, `rate_bp`
    basis points of it (of the product, the tier or the default) are the commission, of which `capped_fen` went over
    the order's limit; `amount_fen` remains. `reversed_fen` went back with what was given back of this line."""

    commission_id: str
    order_id: str
    line: str
    name: str
    quantity: int
    level: int
    base_fen: int
    rate_bp: int
    rate_source: str
    capped_fen: int
    reversed_fen: int
    amount_fen: int
    state: CommissionState
    created_at: datetime
    available_at: datetime | None


class Statement(msgspec.Struct, kw_only=True):
    """What the mall owed a distributor before and after a month (pending and held for withdrawals included), and what
    came between, in fen: opening + earned + rewarded + tax_returned + transferred - reversed - withdrawn - written_off
    = closing. `tax_returned_fen` was kept back for income tax and came back with a withdrawal that failed (below zero:
    more was due); `transferred_fen` came from an account that was merged with this one; `written_off_fen` below zero is
    a debt. A month is `closed` a minute after its end."""

    month: str
    closed: bool
    opening_fen: int
    earned_fen: int
    rewarded_fen: int
    reversed_fen: int
    withdrawn_fen: int
    tax_returned_fen: int
    written_off_fen: int
    transferred_fen: int
    closing_fen: int


class LedgerLine(msgspec.Struct, kw_only=True):
    """A change of the account: what it was, in a stable word and for people, of which order or withdrawal, and by how
    many fen each part of the account changed."""

    at: datetime
    what: What
    text: str
    about: str
    pending_fen: int
    available_fen: int
    withdrawing_fen: int
    withdrawn_fen: int


def ledger_line(entry: Entry, language: str) -> LedgerLine:
    """Show an entry as a line of the account that it moves."""
    concerned = change_of(entry)
    assert concerned is not None
    what, change = explained(entry, concerned), concerned.change
    return LedgerLine(
        at=entry.at, what=what, text=_WORDS[what][language == "en"], about=entry.about, pending_fen=change.pending,
        available_fen=change.available, withdrawing_fen=change.withdrawing, withdrawn_fen=change.withdrawn,
    )  # fmt: skip


def explained(entry: Entry, concerned: BalanceChange) -> What:
    """Tell what an entry was, which its amounts say; of a debt that is charged again, or a merger, its cause."""
    if entry.cause == CHARGED:
        return "debt_charged"
    if entry.cause.startswith(MERGE):
        return "account_merged"
    change, turnover = concerned.change, concerned.turnover
    signs = tuple((fen > 0) - (fen < 0) for fen in (change.pending, change.available, change.withdrawing))
    if turnover.withdrawn:
        return "withdrawal_paid"
    if turnover.tax_returned:
        return "withdrawal_returned_with_tax"
    if turnover.written_off:
        return "written_off"
    if turnover.rewarded:
        return "tier_reward"
    if turnover.earned or turnover.reversed:
        if turnover.reversed:
            return "commission_taken_back"
        return "commission_raised" if change.available else "commission_earned"
    moves: dict[tuple[int, ...], What] = {
        (-1, 1, 0): "commission_released", (0, -1, 1): "withdrawal_begun", (0, 1, -1): "withdrawal_returned",
    }  # fmt: skip
    return moves.get(signs, "other")
