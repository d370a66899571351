"""Operators and their log as operators see them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.mall.operators.rules import Operator
from chalicelib.mall.operators.second_factor import service as second_factor
from chalicelib.mall.operators.tables import AuditEntries


class OperatorView(msgspec.Struct):
    """An operator, and what their roles allow."""

    name: str
    roles: list[str]
    permissions: list[str]
    disabled: bool
    created_at: datetime
    #: Whether a second factor is asked for at a login; `totp_due`: one has to be set up before anything else.
    totp: bool
    totp_due: bool


class AuditView(msgspec.Struct):
    """What an operator asked for, and how it ended; `status` is null while, or if, it did not end. `body` and `outcome`
    are JSON, or "": what came in, without secrets and what is told about persons, and what the call says of its end.

    `address` is where the request came from. `times` is above 1 where failed logins of an hour are counted together:
    it is the last of them then; under the name "-" are those under names that nobody has.
    """

    at: datetime
    operator: str
    permission: str
    method: str
    path: str
    parameters: dict[str, str]
    request_id: str
    address: str
    times: int
    body: str
    status: int | None
    outcome: str = ""


def operator_view(operator: Operator) -> OperatorView:
    """Show an operator."""
    return OperatorView(
        name=operator.name,
        roles=operator.roles,
        permissions=sorted(operator.permissions),
        disabled=operator.disabled,
        created_at=operator.created_at,
        totp=operator.has_totp,
        totp_due=second_factor.is_due(operator),
    )


def audit_view(item: AuditEntries) -> AuditView:
    """Show an entry of the operators' log."""
    entry = item.entry
    return AuditView(
        at=entry.at,
        operator=entry.operator,
        permission=entry.permission,
        method=entry.method,
        path=entry.path,
        parameters=entry.parameters,
        request_id=entry.request_id,
        address=entry.address,
        times=int(item.times or 1),
        body=entry.body,
        status=int(item.status) if item.status else None,
        outcome=item.outcome or "",
    )
