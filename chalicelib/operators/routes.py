"""Operators: log in, who am I, appoint and change, and the audit log."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.operators import audit, service
from chalicelib.operators.rules import SELF, Operator, OperatorName, Password
from chalicelib.operators.tables import AuditEntries, AuditEntry
from chalicelib.store import cursor
from chalicelib.web.endpoint import OPERATOR, PUBLIC, Call, endpoint
from chalicelib.web.types import Page, PageQuery

#: What is typed at a login is only compared; an old password may be shorter than a new one must be.
Typed = Annotated[str, Meta(min_length=1, max_length=128)]
Role = Annotated[str, Meta(min_length=1, max_length=32)]
Roles = Annotated[list[Role], Meta(min_length=1, max_length=16)]


class OperatorView(msgspec.Struct):
    """An operator, and what their roles allow."""

    name: str
    roles: list[str]
    permissions: list[str]
    disabled: bool
    created_at: datetime


class OperatorLogin(msgspec.Struct, forbid_unknown_fields=True):
    """Name and password."""

    name: OperatorName
    password: Typed


class OperatorSession(msgspec.Struct):
    """A token, and until when it is good."""

    token: str
    expires_at: datetime
    operator: OperatorView


class OwnPassword(msgspec.Struct, forbid_unknown_fields=True):
    """The password so far, and the new one."""

    password: Typed
    new_password: Password


class NewOperator(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to appoint."""

    name: OperatorName
    password: Password
    roles: Roles


class OperatorChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    roles: Roles | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    password: Password | UnsetType = UNSET


class AuditQuery(PageQuery, kw_only=True):
    """Which day (Asia/Shanghai; today when left out), and whose entries."""

    day: date | None = None
    operator: OperatorName | None = None


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


@endpoint("POST /v1/admin/login", PUBLIC, errors=("login_failed", "too_many_requests"))
def login(call: Call, body: OperatorLogin) -> OperatorSession:
    """Log in as an operator. After five failures under a name it is closed for a while that grows."""
    token, expires_at, operator = service.login(body.name, body.password)
    entry = AuditEntry(
        at=clock.now(),
        operator=operator.name,
        permission="login",
        method="POST",
        path="/v1/admin/login",
        request_id=call.request_id,
    )
    audit.record(entry, 200)
    return OperatorSession(token, expires_at, _view(operator))


@endpoint("GET /v1/admin/me", OPERATOR, permission=SELF)
def me(call: Call) -> OperatorView:
    """Who I am and what I may do."""
    operator = service.find(call.caller)
    if operator is None:
        raise MallError("unauthenticated")
    return _view(operator)


@endpoint(
    "PUT /v1/admin/me/password", OPERATOR, permission=SELF, errors=("login_failed", "too_many_requests", "conflict")
)
def change_own_password(call: Call, body: OwnPassword) -> None:
    """Change my password, which needs the one so far."""
    service.change_own_password(call.caller, body.password, body.new_password)


@endpoint("GET /v1/admin/operators", OPERATOR, permission="operators.read")
def list_operators() -> Page[OperatorView]:
    """All operators, by name, on one page."""
    return Page([_view(operator) for operator in service.operators()])


@endpoint(
    "POST /v1/admin/operators", OPERATOR, permission="operators.write", status=201, errors=("name_taken", "invalid")
)
def create_operator(body: NewOperator) -> OperatorView:
    """Appoint an operator."""
    return _view(service.create(body.name, body.password, body.roles))


@endpoint(
    "PATCH /v1/admin/operators/{name}",
    OPERATOR,
    permission="operators.write",
    errors=("invalid", "last_owner", "conflict"),
)
def change_operator(name: str, body: OperatorChange) -> OperatorView:
    """Change roles, disable or enable, set a password. It holds from the operator's next call on."""
    roles = None if body.roles is UNSET else body.roles
    disabled = None if body.disabled is UNSET else body.disabled
    password = None if body.password is UNSET else body.password
    return _view(service.change(name, roles, disabled, password))


@endpoint("GET /v1/admin/audit", OPERATOR, permission="audit.read", errors=("cursor_invalid",))
def list_audit(query: AuditQuery) -> Page[AuditView]:
    """What operators did on a day, newest first."""
    day = query.day or clock.day(clock.now())
    listing = f"audit.{day}.{query.operator or ''}"
    entries, after = audit.page(day, query.operator, query.limit, cursor.read(listing, query.cursor))
    return Page([_audit_view(entry) for entry in entries], cursor.write(listing, after))


def _view(operator: Operator) -> OperatorView:
    return OperatorView(
        name=operator.name,
        roles=operator.roles,
        permissions=sorted(operator.permissions),
        disabled=operator.disabled,
        created_at=operator.created_at,
    )


def _audit_view(item: AuditEntries) -> AuditView:
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
