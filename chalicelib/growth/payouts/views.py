"""Withdrawals as distributors and operators see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from chalicelib.growth.payouts.rules import UNKNOWN_AT_WECHAT, Withdrawal, WithdrawalState
from chalicelib.ledger.rules import Entry

#: What operators read in `waits_for` where it is not the word that is stored.
_WAITS_FOR = {UNKNOWN_AT_WECHAT: "FORGOTTEN"}


class WithdrawalView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A withdrawal as its distributor sees it; `amount_fen` left the balance, `net_fen` is sent.

    While it awaits their confirmation, for a day at most, `package_info` is what wx.requestMerchantTransfer takes.
    `failed`: the money is in the balance again, and `reason` says why; with it came `tax_returned_fen` that others of
    the month were kept back because of it (below zero: too little was kept back, which was taken off).
    """

    withdrawal_id: str
    state: WithdrawalState
    amount_fen: int
    tax_fen: int
    fee_fen: int
    net_fen: int
    created_at: datetime
    package_info: str | None = None
    finished_at: datetime | None = None
    reason: str = ""
    tax_returned_fen: int = 0


class AdminWithdrawalView(WithdrawalView, kw_only=True, omit_defaults=True):
    """A withdrawal as operators see it. `waits_for`: WeChat's last word on why it does not go on (NOT_ENOUGH or
    PROCESSING: the merchant's balance there is short; FORGOTTEN: only you can say how it ended). `called_off_at`: since
    when WeChat is asked to call it off."""

    member_id: str
    rules_version: int
    handed_over_at: datetime | None = None
    called_off_at: datetime | None = None
    decided_by: str = ""
    waits_for: str = ""


class TaxRow(msgspec.Struct, frozen=True):
    """What one member was paid in a quarter, in fen, less the tax that came back in it: gross = tax + fee + net."""

    member_id: str
    withdrawals: int
    gross_fen: int
    tax_fen: int
    fee_fen: int
    net_fen: int


def view(withdrawal: Withdrawal) -> WithdrawalView:
    """The withdrawal as its distributor sees it."""
    return WithdrawalView(**_fields(withdrawal))


def admin_view(withdrawal: Withdrawal) -> AdminWithdrawalView:
    """The withdrawal as operators see it; what lets the receiver confirm is nobody else's."""
    fields = _fields(withdrawal) | {"package_info": None}
    return AdminWithdrawalView(
        **fields,
        member_id=withdrawal.member_id,
        rules_version=withdrawal.rules_version,
        handed_over_at=withdrawal.submitted_at,
        called_off_at=withdrawal.cancel_requested_at,
        decided_by=withdrawal.decided_by,
        waits_for=_WAITS_FOR.get(withdrawal.outcome, withdrawal.outcome) if withdrawal.open else "",
    )


def _fields(withdrawal: Withdrawal) -> dict[str, Any]:
    same = (
        "withdrawal_id", "state", "amount_fen", "tax_fen", "fee_fen", "net_fen", "created_at", "finished_at",
        "tax_returned_fen",
    )  # fmt: skip
    fields: dict[str, Any] = {field: getattr(withdrawal, field) for field in same}
    if withdrawal.state == "awaiting_confirmation" and withdrawal.cancel_requested_at is None:
        fields["package_info"] = withdrawal.package_info or None
    if withdrawal.state == "failed":
        fields["reason"] = withdrawal.reason or withdrawal.outcome
    return fields


class WithdrawalJournal(msgspec.Struct):
    """Everything that was posted for a withdrawal; it explains its money to the fen."""

    entries: list[Entry]
