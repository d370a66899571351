"""Operators and their log as operators see them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.mall.operators.rules import Operator
from chalicelib.mall.operators.tables import AuditEntries


class OperatorView(msgspec.Struct):
    """An operator, and what their roles allow."""

    name: str
    roles: list[str]
    permissions: list[str]
    disabled: bool
    created_at: datetime


class OperatorSession(msgspec.Struct):
    """A token, and until when it is good."""

    token: str
    expires_at: datetime
    operator: OperatorView


class AuditView(msgspec.Struct):
    """What an operator asked for, and how it ended; `status` is null while, or if, it did not end."""

    at: datetime
    operator: str
    permission: str
    method: str
    path: str
    parameters: dict[str, str]
    request_id: str
    body: str
    status: int | None


def operator_view(operator: Operator) -> OperatorView:
    """Show an operator."""
    return OperatorView(
        name=operator.name,
        roles=operator.roles,
        permissions=sorted(operator.permissions),
        disabled=operator.disabled,
        created_at=operator.created_at,
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
        body=entry.body,
        status=int(item.status) if item.status else None,
    )
