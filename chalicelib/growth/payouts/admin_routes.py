"""Withdrawals for operators: queues, review, conclusions by hand, and the tax report."""

from __future__ import annotations

from typing import cast

import msgspec

from chalicelib.core import spreadsheets
from chalicelib.core.errors import invalid
from chalicelib.core.refusals import QUEUE_OR_MEMBER
from chalicelib.customers.members.queries import resolved
from chalicelib.growth.payouts import queries as withdrawal_queries
from chalicelib.growth.payouts import service as withdrawals
from chalicelib.growth.payouts.inputs import (
    AdminWithdrawalsQuery,
    ConclusionInput,
    QuarterQuery,
    WithdrawalRejectionInput,
)
from chalicelib.growth.payouts.queries import tax_rows, withdrawals_in_queue, withdrawals_of_member
from chalicelib.growth.payouts.transfers import service as transfers
from chalicelib.growth.payouts.views import AdminWithdrawalView, TaxRow, WithdrawalJournal, admin_view
from chalicelib.ledger import queries as ledger_queries
from chalicelib.platform.store import cursors
from chalicelib.platform.web.endpoint import OPERATOR, Call, Reply, endpoint
from chalicelib.platform.web.types import Page

READ, REVIEW = "withdrawals.read", "withdrawals.review"
ONE = "/v1/admin/withdrawals/{withdrawal_id}"


@endpoint("GET /v1/admin/withdrawals", OPERATOR, permission=READ, errors=("cursor_invalid", "invalid"))
def search_withdrawals(query: AdminWithdrawalsQuery) -> Page[AdminWithdrawalView]:
    """The withdrawals of a queue (by default those to be decided), oldest first; or a member's, newest first.

    In `waiting` are those that WeChat does not go on with; `waits_for` says why.
    """
    if query.member_id is not None:
        if query.queue is not None:
            raise invalid(QUEUE_OR_MEMBER.at("queue"))
        found, next_cursor = withdrawals_of_member(resolved(query.member_id), query.limit, query.cursor)
    else:
        found, next_cursor = withdrawals_in_queue(query.queue or "reviewing", query.limit, query.cursor)
    return Page([admin_view(one) for one in found], next_cursor)


@endpoint(f"GET {ONE}", OPERATOR, permission=READ)
def get_withdrawal(withdrawal_id: str) -> AdminWithdrawalView:
    """One withdrawal."""
    return admin_view(withdrawal_queries.load(withdrawal_id))


@endpoint(f"GET {ONE}/ledger", OPERATOR, permission=READ)
def explain_withdrawal(withdrawal_id: str) -> WithdrawalJournal:
    """The journal entries of a withdrawal, in the order of time."""
    withdrawal_queries.load(withdrawal_id)
    return WithdrawalJournal(ledger_queries.entries_about(withdrawal_id))


@endpoint(f"POST {ONE}/approve", OPERATOR, permission=REVIEW, errors=("withdrawal_state", "conflict"))
def approve_withdrawal(call: Call, withdrawal_id: str) -> AdminWithdrawalView:
    """Let a withdrawal go; it is then handed to WeChat by itself. Twice is no error."""
    return admin_view(withdrawals.approve(withdrawal_id, _by(call)))


@endpoint(f"POST {ONE}/reject", OPERATOR, permission=REVIEW, errors=("withdrawal_state", "conflict"))
def reject_withdrawal(call: Call, withdrawal_id: str, body: WithdrawalRejectionInput) -> AdminWithdrawalView:
    """Refuse a withdrawal that is to be decided; its money is in the balance again. Twice is no error."""
    return admin_view(withdrawals.reject(withdrawal_id, body.reason, _by(call)))


@endpoint(f"POST {ONE}/cancel", OPERATOR, permission=REVIEW, errors=("withdrawal_state", "conflict"))
def cancel_withdrawal(call: Call, withdrawal_id: str, body: WithdrawalRejectionInput) -> AdminWithdrawalView:
    """Call a withdrawal off that its distributor has not confirmed yet; they read why. Twice is no error.

    It ends as WeChat says: it was paid after all, if they were quicker.
    """
    return admin_view(withdrawals.cancel(withdrawal_id, body.reason, _by(call)))


@endpoint(f"POST {ONE}/ask-wechat", OPERATOR, permission=REVIEW, errors=("conflict",))
def ask_wechat(withdrawal_id: str) -> AdminWithdrawalView:
    """Ask WeChat how far a withdrawal is, and take in what it says; where it tells nothing, nothing changes."""
    return admin_view(transfers.ask_wechat(withdrawal_id))


@endpoint(f"POST {ONE}/conclude", OPERATOR, permission=REVIEW, errors=("withdrawal_state", "conflict"))
def conclude_withdrawal(call: Call, withdrawal_id: str, body: ConclusionInput) -> AdminWithdrawalView:
    """Say how a withdrawal ended that waits for FORGOTTEN, once you have seen it in WeChat Pay's console."""
    return admin_view(withdrawals.conclude(withdrawal_id, body.paid, body.reason, _by(call)))


@endpoint("GET /v1/admin/tax-report", OPERATOR, permission=READ, media="text/csv", errors=("cursor_invalid",))
def tax_report(query: QuarterQuery) -> str:
    """What each distributor was paid in a quarter (Asia/Shanghai, by the day WeChat paid), as CSV; amounts in fen.

    500 distributors a page, each on one line. Complete a moment after the quarter's end.
    """
    listing = f"tax-report:{query.quarter}"
    rows, end = tax_rows(query.quarter, cursors.read(listing, query.cursor))
    headers = {"Content-Disposition": f'attachment; filename="tax-{query.quarter}.csv"'}
    next_cursor = cursors.write(listing, end)
    if next_cursor is not None:
        headers["X-Next-Cursor"] = next_cursor
    content = spreadsheets.write(TaxRow.__struct_fields__, map(msgspec.structs.astuple, rows))
    return cast("str", Reply(content, content_type="text/csv; charset=utf-8", headers=headers))


def _by(call: Call) -> str:
    return f"operator:{call.caller}"
