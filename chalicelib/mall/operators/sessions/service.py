"""Operators log in, on a browser's page too, and every try is in the log."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.mall.operators import queries as operator_queries
from chalicelib.mall.operators.access import passwords
from chalicelib.mall.operators.access import service as attempts
from chalicelib.mall.operators.access.rules import is_listed
from chalicelib.mall.operators.access.service import Attempt
from chalicelib.mall.operators.audit import service as audit
from chalicelib.mall.operators.rules import Operator
from chalicelib.mall.operators.second_factor import service as second_factor
from chalicelib.mall.operators.sessions import rules
from chalicelib.mall.operators.tables import AuditEntry
from chalicelib.platform.web import tokens

#: Under this name the log counts failed logins under names that nobody has.
UNKNOWN = "-"


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A request by whom nobody knows yet: what it asks, and where it comes from."""

    method: str
    path: str
    request_id: str
    address: str
    cookies: str = ""
    origin: str = ""
    host: str = ""


class Admitted(msgspec.Struct, frozen=True):
    """An operator who has proved who they are, and when they began to: what they change meanwhile voids it."""

    operator: Operator
    began: datetime


def log_in(name: str, password: str, code: str, visit: Visit) -> Admitted:
    """Admit an operator who proves who they are.

    Raises `login_failed`, alike for an unknown name, a wrong password and a disabled operator; `totp_required` and
    `totp_wrong` where only the second factor is wrong; and after five failures in a row `too_many_requests`, which
    meets the address or browser that failed and nobody else.
    """
    log.about(ip=visit.address, caller=f"operator:{ids.digest(name.encode())[:12]}")
    began = clock.now()  # so that a password changed while this one was being checked makes the token void
    operator, how = _proved(name, password, code, visit)
    audit.record(_entry(visit, name, {"second_factor": how} if how else {}), 200)
    return Admitted(operator, began)


def _proved(name: str, password: str, code: str, visit: Visit) -> tuple[Operator, str]:
    device = _known_device(name, visit)
    try:
        attempt = attempts.count_login(name, visit.address, device)
    except MallError as refusal:
        _note(refusal, name, visit, None)
        raise
    item = operator_queries.item(name)
    stored = passwords.NOBODY if item is None else item.password
    if not passwords.matches(password, stored) or item is None or item.operator.disabled:
        failed = MallError("login_failed")
        _note(failed, name, visit, attempt, item is not None)
        raise failed
    attempts.forget(attempt)
    if not item.operator.has_totp:
        return item.operator, ""
    try:
        attempt = second_factor.count(name, code, device)
        return item.operator, second_factor.prove(name, code, attempt)
    except MallError as refusal:
        _note(refusal, name, visit, attempt, True)
        raise


def _note(refusal: MallError, name: str, visit: Visit, attempt: Attempt | None, is_known: bool | None = None) -> None:
    """Write down a login that was refused: by itself, or counted, when there are many or nobody has the name."""
    if refusal.code == "unavailable":
        return
    if is_known is None:
        is_known = operator_queries.find(name) is not None
    entry = _entry(visit, name if is_known else UNKNOWN, {"refused": refusal.code})
    if attempt is None or refusal.code == "too_many_requests" or not is_known:
        audit.count(entry, refusal.status)
    elif is_listed(attempt.in_a_row, attempt.on_this_day):
        audit.record(entry, refusal.status)
    else:
        audit.count(entry, refusal.status)


def _entry(visit: Visit, name: str, parameters: dict[str, str], permission: str = "login") -> AuditEntry:
    return AuditEntry(
        at=clock.now(),
        operator=name,
        permission=permission,
        method=visit.method,
        path=visit.path,
        parameters=parameters,
        request_id=visit.request_id,
        address=visit.address,
    )


def token(operator: Operator, began: datetime) -> tuple[str, datetime]:
    """Sign a token of the operator's, as long as a login is good; and say when it ends."""
    expires_at = began + _login_lifetime()
    return tokens.issue("operator", operator.name, expires_at, began), expires_at


def access_token(operator: Operator, began: datetime) -> tuple[str, datetime]:
    """Sign a token for a browser's page, of a session that began then; it ends in 15 minutes. And say when."""
    expires_at = clock.now() + timedelta(seconds=rules.ACCESS_SECONDS)
    return tokens.issue("operator", operator.name, expires_at, began), expires_at


def device_cookie(admitted: Admitted) -> str:
    """Write the cookie by which this browser is known from now on when this operator logs in; it opens nothing."""
    name, until = admitted.operator.name, admitted.began + timedelta(seconds=rules.DEVICE_SECONDS)
    value = tokens.issue("device", f"{name}/{ids.new('')}", until, admitted.began)
    return rules.set_cookie(rules.device_cookie(name, _https()), value, rules.DEVICE_SECONDS, _https())


def session_cookie(admitted: Admitted) -> str:
    """Write the cookie of a browser's session, which brings its page new tokens for as long as a login is good."""
    lifetime = _login_lifetime()
    value = tokens.issue("session", admitted.operator.name, admitted.began + lifetime, admitted.began)
    return rules.set_cookie(rules.session_cookie(_https()), value, int(lifetime.total_seconds()), _https())


def no_session_cookie() -> str:
    """Write the cookie that takes a browser's session away."""
    return rules.set_cookie(rules.session_cookie(_https()), "", 0, _https())


def refresh(visit: Visit) -> Admitted:
    """Admit a browser's page again by its cookie; as often as it likes, also in two tabs at once. It has proved who it
    is when the session began, not now.

    Raises `origin_refused` for a page of somebody else's, and `unauthenticated` where the cookie, or the operator's
    tokens of that age, hold no more.
    """
    demand_own_page(visit)
    log.about(ip=visit.address)
    admitted = _of_session(visit)
    if admitted is None:
        raise MallError("unauthenticated")
    log.about(caller=f"operator:{ids.digest(admitted.operator.name.encode())[:12]}")
    return admitted


def leave(visit: Visit) -> None:
    """Write down that a browser's session ends; its page forgets its token. Raises `origin_refused`."""
    demand_own_page(visit)
    log.about(ip=visit.address)
    admitted = _of_session(visit)
    if admitted is not None:
        audit.record(_entry(visit, admitted.operator.name, {}, "logout"), 204)


def demand_own_page(visit: Visit) -> None:
    """Refuse a request that no page of the mall's own makes: its Origin is another, or it has none."""
    if not rules.is_own_page(visit.origin, visit.host, _https()):
        raise MallError("origin_refused")


def _signed(kind: tokens.Kind, cookie: str) -> tokens.Token | None:
    """Read a cookie that the mall has signed; None where it has not, or it is over. Raises `unavailable` where the key
    cannot be read: whoever it is, they come again."""
    try:
        return tokens.check(kind, cookie)
    except MallError as fault:
        if fault.code != "unauthenticated":
            raise
        return None


def _of_session(visit: Visit) -> Admitted | None:
    session = _signed("session", rules.cookie(visit.cookies, rules.session_cookie(_https())))
    if session is None:
        return None
    operator = operator_queries.find(session.subject)
    holds = operator is not None and operator.honours(session.issued_at)
    return Admitted(operator, session.issued_at) if operator is not None and holds else None


def _known_device(name: str, visit: Visit) -> str:
    """The id of the browser, where this operator has logged in there before; else ""."""
    device = _signed("device", rules.cookie(visit.cookies, rules.device_cookie(name, _https())))
    if device is None:
        return ""
    owner, _, device_id = device.subject.partition("/")
    return device_id if owner == name else ""


def _login_lifetime() -> timedelta:
    return timedelta(hours=settings().operator_token_hours)


def _https() -> bool:
    return settings().public_url.startswith("https://")
