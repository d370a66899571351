"""Withdrawals as distributors and operators see them, their lists, and what was paid in a quarter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec

from chalicelib.core.settings import settings
from chalicelib.distribution.withdrawal_rules import UNKNOWN_AT_WECHAT, Withdrawal, WithdrawalState
from chalicelib.distribution.withdrawal_tables import Withdrawals, quarter_shard, queue_shard, withdrawal_key
from chalicelib.store import cursor, read

#: Members on a page of the tax report.
REPORT_PAGE = 500
#: What operators read in `waits_for` where it is not the word that is stored.
_WAITS_FOR = {UNKNOWN_AT_WECHAT: "FORGOTTEN"}


class WithdrawalView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A withdrawal as its distributor sees it; `amount_fen` left the balance, `net_fen` is sent.

    While it awaits their confirmation, for a day at most, `package_info` is what wx.requestMerchantTransfer takes.
    `failed`: the money is in the balance again, and `reason` says why.
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
    """What one member was paid in a quarter, in fen."""

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
    )  # fmt: skip
    fields: dict[str, Any] = {field: getattr(withdrawal, field) for field in same}
    if withdrawal.state == "awaiting_confirmation" and withdrawal.cancel_requested_at is None:
        fields["package_info"] = withdrawal.package_info or None
    if withdrawal.state == "failed":
        fields["reason"] = withdrawal.reason or withdrawal.outcome
    return fields


def of_member(member_id: str, limit: int, given: str | None) -> tuple[list[Withdrawal], str | None]:
    """A page of the member's withdrawals, newest first; one of this moment may be missing."""
    listing = f"withdrawals:{member_id}"
    page, after = read.query(
        Withdrawals, member_id, index=Withdrawals.by_member, forward=False, limit=limit,
        after=cursor.read(listing, given),
    )  # fmt: skip
    return _withdrawals([raw["withdrawal_id"]["S"] for raw in page]), cursor.write(listing, after)


def in_queue(queue: str, limit: int, given: str | None) -> tuple[list[Withdrawal], str | None]:
    """A page of the withdrawals in an operators' queue, oldest first, over all its shards."""
    listing = f"withdrawals:queue:{queue}"
    page, position = read.merged(
        Withdrawals, (queue_shard(queue, shard) for shard in range(settings().distribution_shards)),
        index=Withdrawals.by_queue, along=Withdrawals.made, after=cursor.read(listing, given), limit=limit,
    )  # fmt: skip
    return _withdrawals([raw["withdrawal_id"]["S"] for raw in page]), cursor.write(listing, position)


def _withdrawals(ids: list[str]) -> list[Withdrawal]:
    """The withdrawals of these ids, in this order."""
    found = read.batch_get([withdrawal_key(withdrawal_id) for withdrawal_id in ids]) if ids else []
    return [item.withdrawal for item in found if item is not None]


def tax_rows(quarter: str, after: list[Any] | None, limit: int = REPORT_PAGE) -> tuple[list[TaxRow], list[Any] | None]:
    """What members were paid in a quarter, each whole in one row, and where to go on (None: no more).

    From an index that is a moment behind: complete once the quarter is over.
    """
    first, member = after or [0, ""]
    rows: list[TaxRow] = []
    for shard in range(first, settings().distribution_shards):
        where = Withdrawals.paid_to > f"{member}|~" if member else None
        for member_id, withdrawals in groupby(_paid(quarter, shard, where), key=lambda one: one.member_id):
            rows.append(_row(member_id, list(withdrawals)))
            if len(rows) >= limit:
                return rows, [shard, member_id]
        member = ""
    return rows, None


def _paid(quarter: str, shard: int, where: Any) -> Iterator[Withdrawal]:
    under, index = quarter_shard(quarter, shard), Withdrawals.by_quarter
    return (item.withdrawal for item in read.query_all(Withdrawals, under, index=index, where=where))


def _row(member_id: str, withdrawals: list[Withdrawal]) -> TaxRow:
    return TaxRow(
        member_id=member_id,
        withdrawals=len(withdrawals),
        gross_fen=sum(one.amount_fen for one in withdrawals),
        tax_fen=sum(one.tax_fen for one in withdrawals),
        fee_fen=sum(one.fee_fen for one in withdrawals),
        net_fen=sum(one.net_fen for one in withdrawals),
    )
