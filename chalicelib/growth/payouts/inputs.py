"""What distributors and operators send about withdrawals."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.platform.web.types import Cleaned, Cursor, Fen, Id, PageQuery, Reason256

WithdrawalQueue = Literal["reviewing", "processing", "waiting", "awaiting_confirmation"]


class WithdrawalInput(msgspec.Struct, forbid_unknown_fields=True):
    """How much to withdraw; tax and fee are taken off it."""

    amount_fen: Fen


class AdminWithdrawalsQuery(PageQuery, kw_only=True):
    """Which withdrawals: those of a queue, or those of a member."""

    queue: WithdrawalQueue | None = None
    member_id: Id | None = None


class WithdrawalRejectionInput(Cleaned, frozen=True, forbid_unknown_fields=True):
    """Why; the distributor reads it."""

    reason: Reason256


class ConclusionInput(Cleaned, frozen=True, forbid_unknown_fields=True):
    """How it ended, as WeChat Pay's console says: whether the money was paid; and a note on it."""

    paid: bool
    reason: Reason256


class QuarterQuery(msgspec.Struct, kw_only=True):
    """Which quarter, and where to go on: the answer's header `X-Next-Cursor`, which the last page has not."""

    quarter: Annotated[str, Meta(pattern=r"^20[0-9]{2}-Q[1-4]$(?!\n)")]
    cursor: Cursor | None = None
