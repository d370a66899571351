"""Withdrawals, for distributors and operators; and WeChat Pay's notices of how their transfers ended."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Annotated, Literal, cast

import msgspec
from msgspec import Meta

import chalicelib.distribution.withdrawal_person  # noqa: F401 - answers who asks for a member's data
from chalicelib.core.errors import invalid
from chalicelib.distribution import transfers, withdrawals
from chalicelib.distribution.withdrawal_views import (
    AdminWithdrawalView,
    TaxRow,
    WithdrawalView,
    admin_view,
    in_queue,
    of_member,
    tax_rows,
    view,
)
from chalicelib.ledger import service as ledger
from chalicelib.ledger.rules import Entry
from chalicelib.store import cursor
from chalicelib.web.endpoint import CALLBACK, MEMBER, OPERATOR, Call, Reply, endpoint
from chalicelib.web.types import Answer, Cursor, Fen, Id, LongLine, Page, PageQuery

if TYPE_CHECKING:
    from chalicelib.wechat.api import Notification

READ, REVIEW = "withdrawals.read", "withdrawals.review"
ONE = "/v1/admin/withdrawals/{withdrawal_id}"

Queue = Literal["reviewing", "processing", "waiting", "awaiting_confirmation"]


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """How much to withdraw; tax and fee are taken off it."""

    amount_fen: Fen


class WithdrawalQuery(PageQuery, kw_only=True):
    """Which withdrawals: those of a queue, or those of a member."""

    queue: Queue | None = None
    member_id: Id | None = None


class Refusal(msgspec.Struct, forbid_unknown_fields=True):
    """Why; the distributor reads it."""

    reason: Annotated[LongLine, Meta(min_length=1)]


class Conclusion(msgspec.Struct, forbid_unknown_fields=True):
    """How it ended, as WeChat Pay's console says: whether the money was paid; and a note on it."""

    paid: bool
    reason: Annotated[LongLine, Meta(min_length=1)]


class WithdrawalJournal(msgspec.Struct):
    """Everything that was posted for a withdrawal; it explains its money to the fen."""

    entries: list[Entry]


class QuarterQuery(msgspec.Struct, kw_only=True):
    """Which quarter, and where to go on: the answer's header `X-Next-Cursor`, which the last page has not."""

    quarter: Annotated[str, Meta(pattern=r"^20[0-9]{2}-Q[1-4]$(?!\n)")]
    cursor: Cursor | None = None


@endpoint(
    "POST /v1/distributor/withdrawals",
    MEMBER,
    status=201,
    idempotent=True,
    errors=("not_found", "distributor_state", "balance_short", "withdrawal_limit", "invalid", "conflict"),
)
def withdraw(call: Call, body: Wish) -> WithdrawalView:
    """Take commission out of the balance; WeChat pays it once the distributor has confirmed there."""
    return view(withdrawals.request(call.caller, call.idempotency_key, body.amount_fen))


@endpoint("GET /v1/distributor/withdrawals", MEMBER, errors=("cursor_invalid",))
def my_withdrawals(call: Call, query: PageQuery) -> Page[WithdrawalView]:
    """My withdrawals, newest first."""
    found, next_cursor = of_member(call.caller, query.limit, query.cursor)
    return Page([view(one) for one in found], next_cursor)


@endpoint("GET /v1/distributor/withdrawals/{withdrawal_id}", MEMBER)
def my_withdrawal(call: Call, withdrawal_id: str) -> WithdrawalView:
    """One of my withdrawals, with what confirms it while it waits for that."""
    return view(withdrawals.owned(withdrawal_id, call.caller))


@endpoint("GET /v1/admin/withdrawals", OPERATOR, permission=READ, errors=("cursor_invalid", "invalid"))
def search_withdrawals(query: WithdrawalQuery) -> Page[AdminWithdrawalView]:
    """The withdrawals of a queue (by default those to be decided), oldest first; or a member's, newest first.

    In `waiting` are those that WeChat does not go on with; `waits_for` says why.
    """
    if query.member_id is not None:
        if query.queue is not None:
            raise invalid("queue", "name a queue or a member, not both")
        found, next_cursor = of_member(query.member_id, query.limit, query.cursor)
    else:
        found, next_cursor = in_queue(query.queue or "reviewing", query.limit, query.cursor)
    return Page([admin_view(one) for one in found], next_cursor)


@endpoint(f"GET {ONE}", OPERATOR, permission=READ)
def get_withdrawal(withdrawal_id: str) -> AdminWithdrawalView:
    """One withdrawal."""
    return admin_view(withdrawals.load(withdrawal_id))


@endpoint(f"GET {ONE}/ledger", OPERATOR, permission=READ)
def explain_withdrawal(withdrawal_id: str) -> WithdrawalJournal:
    """The journal entries of a withdrawal, in the order of time."""
    withdrawals.load(withdrawal_id)
    return WithdrawalJournal(ledger.of(withdrawal_id))


@endpoint(f"POST {ONE}/approve", OPERATOR, permission=REVIEW, errors=("withdrawal_state", "conflict"))
def approve_withdrawal(call: Call, withdrawal_id: str) -> AdminWithdrawalView:
    """Let a withdrawal go; it is then handed to WeChat by itself. Twice is no error."""
    return admin_view(withdrawals.approve(withdrawal_id, _by(call)))


@endpoint(f"POST {ONE}/reject", OPERATOR, permission=REVIEW, errors=("withdrawal_state", "conflict"))
def reject_withdrawal(call: Call, withdrawal_id: str, body: Refusal) -> AdminWithdrawalView:
    """Refuse a withdrawal that is to be decided; its money is in the balance again. Twice is no error."""
    return admin_view(withdrawals.reject(withdrawal_id, body.reason, _by(call)))


@endpoint(f"POST {ONE}/cancel", OPERATOR, permission=REVIEW, errors=("withdrawal_state", "conflict"))
def cancel_withdrawal(call: Call, withdrawal_id: str, body: Refusal) -> AdminWithdrawalView:
    """Call a withdrawal off that its distributor has not confirmed yet; they read why. Twice is no error.

    It ends as WeChat says: it was paid after all, if they were quicker.
    """
    return admin_view(withdrawals.cancel(withdrawal_id, body.reason, _by(call)))


@endpoint(f"POST {ONE}/conclude", OPERATOR, permission=REVIEW, errors=("withdrawal_state", "conflict"))
def conclude_withdrawal(call: Call, withdrawal_id: str, body: Conclusion) -> AdminWithdrawalView:
    """Say how a withdrawal ended that waits for FORGOTTEN, once you have seen it in WeChat Pay's console."""
    return admin_view(withdrawals.conclude(withdrawal_id, body.paid, body.reason, _by(call)))


@endpoint("GET /v1/admin/tax-report", OPERATOR, permission=READ, media="text/csv", errors=("cursor_invalid",))
def tax_report(query: QuarterQuery) -> str:
    """What each distributor was paid in a quarter (Asia/Shanghai, by the day WeChat paid), as CSV; amounts in fen.

    500 distributors a page, each on one line. Complete a moment after the quarter's end.
    """
    listing = f"tax-report:{query.quarter}"
    rows, end = tax_rows(query.quarter, cursor.read(listing, query.cursor))
    headers = {"Content-Disposition": f'attachment; filename="tax-{query.quarter}.csv"'}
    next_cursor = cursor.write(listing, end)
    if next_cursor is not None:
        headers["X-Next-Cursor"] = next_cursor
    return cast("str", Reply(_csv(rows), content_type="text/csv; charset=utf-8", headers=headers))


def _csv(rows: list[TaxRow]) -> bytes:
    """The rows under their names, with a BOM, for spreadsheets."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(TaxRow.__struct_fields__)
    writer.writerows(msgspec.structs.astuple(row) for row in rows)
    return out.getvalue().encode("utf-8-sig")


@endpoint("POST /v1/callbacks/wechat/transfer", CALLBACK)
def transfer_ended(call: Call) -> Answer | Reply:
    """WeChat Pay says how a transfer ended."""
    from chalicelib.wechat import notices

    return notices.take(call, "MCHTRANSFER.BILL.FINISHED", _settle)


def _settle(notice: Notification) -> None:
    from chalicelib.wechat import transfers as wechat

    transfers.settle(wechat.read_transfer(notice))


def _by(call: Call) -> str:
    return f"operator:{call.caller}"
