"""Operators: members who may not shop, and whose tokens are called in."""

from __future__ import annotations

from chalicelib.customers.members import service
from chalicelib.customers.members.inputs import BlockInput
from chalicelib.customers.members.views import BlockView
from chalicelib.platform.web.endpoint import OPERATOR, endpoint


@endpoint("POST /v1/admin/members/{member_id}/block", OPERATOR, permission="members.block", errors=("conflict",))
def block(member_id: str, body: BlockInput) -> BlockView:
    """Block a member: they order, pay, claim and hold nothing; reads, receipts, refunds and leaving go on.

    They are logged out everywhere; for what goes on they log in anew.
    """
    return BlockView(member_id, service.block(member_id, body.reason).blocked)


@endpoint("POST /v1/admin/members/{member_id}/unblock", OPERATOR, permission="members.block", errors=("conflict",))
def unblock(member_id: str) -> BlockView:
    """Let a blocked member shop again."""
    return BlockView(member_id, service.block(member_id, None).blocked)


@endpoint("POST /v1/admin/members/{member_id}/log-out", OPERATOR, permission="members.block", errors=("conflict",))
def log_out(member_id: str) -> None:
    """Log a member out on every device, where a token of theirs is in wrong hands; they may log in anew."""
    service.log_out_member(member_id)
