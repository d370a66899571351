"""Operators: distributors to approve and suspend, their tiers, what they earn, and whether their accounts agree."""

from __future__ import annotations

from chalicelib.growth.distribution import queries as operator_queries
from chalicelib.growth.distribution.balances import service as balances
from chalicelib.growth.distribution.distributors import service
from chalicelib.growth.distribution.inputs import AdminCommissionsQuery, DistributorsQuery, TierInput, WriteOffInput
from chalicelib.growth.distribution.rules import DistributionRules
from chalicelib.growth.distribution.views import (
    AccountCheck,
    AdminCommission,
    AdminDistributor,
    AdminDistributorDetail,
    AdminLedgerLine,
)
from chalicelib.platform.web.endpoint import OPERATOR, endpoint
from chalicelib.platform.web.types import Page, PageQuery


@endpoint("GET /v1/admin/distributors", OPERATOR, permission="distributors.read", errors=("cursor_invalid",))
def list_distributors(query: DistributorsQuery) -> Page[AdminDistributor]:
    """List the distributors in a state with their sales: first those who applied first, or those who have sold most.

    By sales, one whose sales change while you turn the pages may be on two of them, or on none.
    """
    return Page(*operator_queries.in_state(query.state, query.sort, query.limit, query.cursor))


@endpoint("GET /v1/admin/distributors/{member_id}", OPERATOR, permission="distributors.read")
def get_distributor_detail(member_id: str) -> AdminDistributorDetail:
    """Read one distributor with their sales, balance and tier, and the distributor they are bound to themselves."""
    return operator_queries.detail(member_id)


@endpoint(
    "GET /v1/admin/distributors/{member_id}/ledger",
    OPERATOR,
    permission="distributors.read",
    errors=("cursor_invalid",),
)
def explain_account(member_id: str, query: PageQuery) -> Page[AdminLedgerLine]:
    """List the journal's entries that a distributor's balance comes to, the latest first."""
    return Page(*operator_queries.explain(member_id, query.limit, query.cursor))


@endpoint(
    "GET /v1/admin/distributors/{member_id}/audit", OPERATOR, permission="distributors.read",
    errors=("too_many_entries",),
)  # fmt: skip
def audit_account(member_id: str) -> AccountCheck:
    """Recompute a distributor's balance and months from the journal, and name every difference.

    What is posted meanwhile may show as one: then ask again. Accounts of more than 10,000 entries are for the command
    that audits a whole mall.
    """
    return operator_queries.audit(member_id)


@endpoint("GET /v1/admin/commissions", OPERATOR, permission="distributors.read", errors=("cursor_invalid", "invalid"))
def list_admin_commissions(query: AdminCommissionsQuery) -> Page[AdminCommission]:
    """List the commissions of an order by level, or those of a distributor or a day, the latest first."""
    return Page(*operator_queries.commissions(query.order_id, query.member_id, query.day, query.limit, query.cursor))


@endpoint(
    "POST /v1/admin/distributors/{member_id}/approve", OPERATOR, permission="distributors.write", errors=("conflict",)
)
def approve(member_id: str) -> AdminDistributorDetail:
    """Let a distributor work, also again after they were suspended. Twice is no error."""
    service.approve(member_id)
    return operator_queries.detail(member_id)


@endpoint(
    "POST /v1/admin/distributors/{member_id}/suspend", OPERATOR, permission="distributors.write", errors=("conflict",)
)
def suspend(member_id: str) -> AdminDistributorDetail:
    """Stop a distributor: nothing new is earned, what was earned stays theirs. Twice is no error."""
    service.suspend(member_id)
    return operator_queries.detail(member_id)


@endpoint(
    "PUT /v1/admin/distributors/{member_id}/tier",
    OPERATOR,
    permission="distributors.write",
    errors=("conflict", "invalid"),
)
def set_tier(member_id: str, body: TierInput) -> AdminDistributorDetail:
    """Put a distributor into a tier, whatever they have reached; from there they only rise by themselves."""
    service.set_tier(member_id, body.tier)
    return operator_queries.detail(member_id)


@endpoint(
    "POST /v1/admin/distributors/{member_id}/write-off",
    OPERATOR,
    permission="withdrawals.review",
    errors=("conflict", "invalid"),
)
def write_off(member_id: str, body: WriteOffInput) -> AdminDistributorDetail:
    """Write off what a distributor could withdraw, or a debt of theirs, also of one whose account is erased; what is
    pending or on its way stays. Where the balance is nothing, nothing changes: so twice is no error."""
    balances.write_off(member_id, body.reason)
    return operator_queries.detail(member_id)


@endpoint("POST /v1/admin/distribution/off", OPERATOR, permission="settings.write", errors=("conflict",))
def switch_off() -> DistributionRules:
    """Stop distribution for all: nothing new is earned, what was earned stays, and so do all other settings."""
    return service.switch(False)


@endpoint("POST /v1/admin/distribution/on", OPERATOR, permission="settings.write", errors=("conflict",))
def switch_on() -> DistributionRules:
    """Let distribution run by the settings that it had."""
    return service.switch(True)
