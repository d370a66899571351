"""Operators: log in, with a tool or on a browser's page, and out."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.mall.operators import service as operators
from chalicelib.mall.operators.rules import SELF, Operator
from chalicelib.mall.operators.sessions import service
from chalicelib.mall.operators.sessions.inputs import OperatorLoginInput
from chalicelib.mall.operators.sessions.service import Visit
from chalicelib.mall.operators.sessions.views import OperatorSession
from chalicelib.mall.operators.views import operator_view
from chalicelib.platform.web.endpoint import OPERATOR, PUBLIC, Call, Reply, endpoint

_LOGIN_ERRORS = ("login_failed", "totp_required", "totp_wrong", "too_many_requests")


@endpoint("POST /v1/admin/login", PUBLIC, errors=_LOGIN_ERRORS, secret=True)
def login(call: Call, body: OperatorLoginInput) -> OperatorSession | Reply:
    """Log in as an operator. After five failures an address or a browser waits, for a while that grows."""
    admitted = service.log_in(body.name, body.password, body.totp or "", _visit(call, "POST /v1/admin/login"))
    token, expires_at = service.token(admitted.operator, admitted.began)
    return _answer(token, expires_at, admitted.operator, service.device_cookie(admitted))


@endpoint("POST /v1/admin/logout", OPERATOR, permission=SELF, errors=("conflict",))
def logout(call: Call) -> Reply:
    """Log out everywhere: all my tokens and browsers' sessions so far are void."""
    operators.change(call.caller, log_out=True)
    return Reply(b"", status=204, cookies=(service.no_session_cookie(),))


@endpoint("POST /v1/admin/session", PUBLIC, errors=(*_LOGIN_ERRORS, "origin_refused"), secret=True)
def begin_session(call: Call, body: OperatorLoginInput) -> OperatorSession | Reply:
    """Log in on a browser's page: a token of 15 minutes for its memory, and a cookie that no script can read."""
    visit = _visit(call, "POST /v1/admin/session")
    if visit.origin:
        service.demand_own_page(visit)
    admitted = service.log_in(body.name, body.password, body.totp or "", visit)
    token, expires_at = service.access_token(admitted.operator, admitted.began)
    cookies = (service.session_cookie(admitted), service.device_cookie(admitted))
    return _answer(token, expires_at, admitted.operator, *cookies)


@endpoint("POST /v1/admin/session/refresh", PUBLIC, errors=("unauthenticated", "origin_refused"))
def refresh_session(call: Call) -> OperatorSession:
    """Get the page's next token by the cookie; only a page of the mall's own may."""
    admitted = service.refresh(_visit(call, "POST /v1/admin/session/refresh"))
    token, expires_at = service.access_token(admitted.operator, admitted.began)
    return OperatorSession(token, expires_at, operator_view(admitted.operator))


@endpoint("DELETE /v1/admin/session", PUBLIC, errors=("origin_refused",))
def end_session(call: Call) -> Reply:
    """End the session of this browser: its cookie goes, and its token ends within 15 minutes. `logout` ends all."""
    service.leave(_visit(call, "DELETE /v1/admin/session"))
    return Reply(b"", status=204, cookies=(service.no_session_cookie(),))


def _visit(call: Call, route: str) -> Visit:
    method, path = route.split(" ")
    return Visit(
        method=method,
        path=path,
        request_id=call.request_id,
        address=call.address,
        cookies=call.headers.get("cookie", ""),
        origin=call.headers.get("origin", ""),
        host=call.headers.get("host", ""),
    )


def _answer(token: str, expires_at: datetime, operator: Operator, *cookies: str) -> Reply:
    return Reply(msgspec.json.encode(OperatorSession(token, expires_at, operator_view(operator))), cookies=cookies)
