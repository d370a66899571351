"""Operators: who am I, appoint and change, and the audit log."""

from __future__ import annotations

from msgspec import UNSET

from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.mall.operators import queries as operator_queries
from chalicelib.mall.operators import service
from chalicelib.mall.operators.audit import queries as audit_queries
from chalicelib.mall.operators.inputs import (
    AuditQuery,
    OperatorChangeInput,
    OperatorInput,
    OwnPasswordInput,
)
from chalicelib.mall.operators.refusals import NOT_ONE_S_OWN
from chalicelib.mall.operators.rules import SELF
from chalicelib.mall.operators.views import AuditView, OperatorView, audit_view, operator_view
from chalicelib.platform.store import cursors
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.types import Page


@endpoint("GET /v1/admin/me", OPERATOR, permission=SELF)
def me(call: Call) -> OperatorView:
    """Who I am and what I may do."""
    operator = operator_queries.find(call.caller)
    if operator is None:
        raise MallError("unauthenticated")
    return operator_view(operator)


@endpoint(
    "PUT /v1/admin/me/password",
    OPERATOR,
    permission=SELF,
    errors=("login_failed", "too_many_requests", "invalid", "conflict"),
    secret=True,
)
def change_own_password(call: Call, body: OwnPasswordInput) -> None:
    """Change my password, which needs the one so far."""
    service.change_own_password(call.caller, body.password, body.new_password)


@endpoint("GET /v1/admin/operators", OPERATOR, permission="operators.read")
def list_operators() -> Page[OperatorView]:
    """All operators, by name, on one page."""
    return Page([operator_view(operator) for operator in operator_queries.operators()])


@endpoint(
    "POST /v1/admin/operators",
    OPERATOR,
    permission="operators.write",
    status=201,
    errors=("name_taken", "invalid"),
    secret=True,
)
def create_operator(call: Call, body: OperatorInput) -> OperatorView:
    """Appoint an operator."""
    operator = service.create(body.name, body.password, body.roles)
    call.outcome.update(name=operator.name, roles=operator.roles)
    return operator_view(operator)


@endpoint(
    "PATCH /v1/admin/operators/{name}",
    OPERATOR,
    permission="operators.write",
    errors=("invalid", "last_owner", "conflict"),
    secret=True,
)
def change_operator(call: Call, name: str, body: OperatorChangeInput) -> OperatorView:
    """Change roles, disable or enable, set a password, drop the second factor. It holds from their next call on.

    One's own password and second factor are changed at `/v1/admin/me`, where one proves the one so far.
    """
    if name == call.caller:
        own = [
            field for field, given in (("password", body.password is not UNSET), ("drop_totp", body.drop_totp)) if given
        ]
        if own:
            raise invalid(*(NOT_ONE_S_OWN.at(field) for field in own))
    roles = None if body.roles is UNSET else body.roles
    disabled = None if body.disabled is UNSET else body.disabled
    password = None if body.password is UNSET else body.password
    operator = service.change(name, roles, disabled, password, drop_totp=body.drop_totp)
    call.outcome.update(
        roles=operator.roles, disabled=operator.disabled, password_changed=password is not None,
        totp_dropped=body.drop_totp,
    )  # fmt: skip
    return operator_view(operator)


@endpoint("GET /v1/admin/audit", OPERATOR, permission="audit.read", errors=("cursor_invalid",))
def list_audit(query: AuditQuery) -> Page[AuditView]:
    """What operators did on a day, newest first."""
    day = query.day or clock.day(clock.now())
    listing = f"audit.{day}.{query.operator or ''}"
    entries, after = audit_queries.page(day, query.operator, query.limit, cursors.read(listing, query.cursor))
    return Page([audit_view(entry) for entry in entries], cursors.write(listing, after))
