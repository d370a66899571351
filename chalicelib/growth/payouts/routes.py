"""Withdrawals for distributors."""

from __future__ import annotations

from chalicelib.growth.payouts import queries as withdrawal_queries
from chalicelib.growth.payouts import service as withdrawals
from chalicelib.growth.payouts.inputs import WithdrawalInput
from chalicelib.growth.payouts.queries import withdrawals_of_member
from chalicelib.growth.payouts.views import WithdrawalView, view
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint
from chalicelib.platform.web.types import Page, PageQuery


@endpoint(
    "POST /v1/distributor/withdrawals",
    MEMBER,
    status=201,
    idempotent=True,
    errors=("not_found", "distributor_state", "balance_short", "withdrawal_limit", "invalid", "conflict"),
)
def withdraw(call: Call, body: WithdrawalInput) -> WithdrawalView:
    """Take commission out of the balance; WeChat pays it once the distributor has confirmed there."""
    return view(withdrawals.request(call.caller, call.idempotency_key, body.amount_fen, call.subject))


@endpoint("GET /v1/distributor/withdrawals", MEMBER, errors=("cursor_invalid",))
def my_withdrawals(call: Call, query: PageQuery) -> Page[WithdrawalView]:
    """My withdrawals, newest first."""
    found, next_cursor = withdrawals_of_member(call.caller, query.limit, query.cursor)
    return Page([view(one) for one in found], next_cursor)


@endpoint("GET /v1/distributor/withdrawals/{withdrawal_id}", MEMBER)
def my_withdrawal(call: Call, withdrawal_id: str) -> WithdrawalView:
    """One of my withdrawals, with what confirms it while it waits for that."""
    return view(withdrawal_queries.owned(withdrawal_id, call.caller))
