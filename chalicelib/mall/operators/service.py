"""Operators log in, are appointed, change; the mall always keeps an active owner."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.settings import settings
from chalicelib.mall.operators.access import passwords
from chalicelib.mall.operators.rules import OWNER, Operator, OperatorName, unknown_roles, wait_seconds
from chalicelib.mall.operators.tables import OWNERS, Operators, attempts_key, operator_key
from chalicelib.platform.store import read
from chalicelib.platform.store.base import retry_busy
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, remove, write
from chalicelib.platform.web import tokens

#: Failures are forgotten a day after the last one.
_FAILURES_SECONDS = 86_400


def login(name: str, password: str) -> tuple[str, datetime, Operator]:
    """A token for who knows the password, when it ends, and whose it is.

    Raises `login_failed`, alike for an unknown name, a wrong password and a disabled operator; and after five
    failures in a row `too_many_requests`, whoever asks, known or not.
    """
    began = clock.now()  # so that a password changed while this one was being checked makes the token void
    operator = _prove(name, password)
    expires_at = began + timedelta(hours=settings().operator_token_hours)
    return tokens.issue("operator", operator.name, expires_at, began), expires_at, operator


def _prove(name: str, password: str) -> Operator:
    # The attempt is counted before the password is looked at, so that guesses made at the same time count too.
    attempt = _count_attempt(name)
    item = read.get(Operators, *operator_key(name))
    kept = passwords.NOBODY if item is None else item.password
    if not passwords.matches(password, kept) or item is None or item.operator.disabled:
        raise MallError("login_failed")
    with contextlib.suppress(ConditionFailed):  # somebody else tries at the same time: their failures stay counted
        remove(Operators, attempts_key(name), Operators.failures == attempt)
    return item.operator


def _count_attempt(name: str) -> int:
    try:
        return retry_busy(lambda: _count_once(name), ConditionFailed)
    except MallError as fault:
        if fault.code != "conflict":
            raise
        raise MallError("too_many_requests", retry_after=1) from None


def _count_once(name: str) -> int:
    now = clock.unix()
    item = read.get(Operators, *attempts_key(name))
    seen = 0
    unchanged = Operators.kind.does_not_exist()
    if item is not None:
        if item.locked_until > now:
            raise MallError("too_many_requests", retry_after=int(item.locked_until) - now)
        unchanged = (Operators.failures == item.failures) & (Operators.locked_until == item.locked_until)
        seen = int(item.failures) if item.expires.timestamp() > now else 0
    changes = [
        Operators.failures.set(seen + 1),
        Operators.locked_until.set(now + wait_seconds(seen + 1)),
        Operators.expires.set(clock.now() + timedelta(seconds=_FAILURES_SECONDS)),
    ]
    write(Operators, attempts_key(name), changes, unchanged)
    return seen + 1


def bootstrap(name: str, password: str) -> bool:
    """Create the first operator, an owner; False, and nothing done, when there is one already.

    Of several at once one succeeds. Raises ValueError for a name that no operator can have.
    """
    try:
        msgspec.convert(name, OperatorName)
    except msgspec.ValidationError:
        raise ValueError("an operator's name is 1 to 32 letters, digits, - or _") from None
    if read.get(Operators, *OWNERS) is not None:
        return False
    tx = Transaction()
    tx.create(Operators(*OWNERS, active=1))
    tx.create(_item(_new(name, [OWNER]), password))
    try:
        tx.commit()
    except ConditionFailed:
        return False
    return True


def create(name: str, password: str, roles: list[str]) -> Operator:
    """Appoint an operator. Raises `name_taken`, and `invalid` for roles that do not exist."""
    operator = _new(name, _checked(roles))
    tx = Transaction()
    tx.create(_item(operator, password), MallError("name_taken"))
    _count_owners(tx, int(operator.is_active_owner))
    _commit(tx)
    return operator


def change(
    name: str, roles: list[str] | None = None, disabled: bool | None = None, password: str | None = None
) -> Operator:
    """Change what is given; it holds from the operator's next call on. A new password, as a lock-out, ends all logins.

    Raises `not_found`, `invalid` for unknown roles, `last_owner` and, when others change it just then, `conflict`.
    """
    kept = None if password is None else passwords.hashed(password)
    given = {} if roles is None else {"roles": _checked(roles)}

    def decide(operator: Operator) -> Operator:
        state = operator.disabled if disabled is None else disabled
        since = clock.now() if kept is not None or (state and not operator.disabled) else operator.tokens_from
        return msgspec.structs.replace(operator, disabled=state, tokens_from=since, **given)

    return retry_busy(lambda: _change_once(name, decide, kept), _Moved)


def change_own_password(name: str, password: str, new_password: str) -> None:
    """Set one's own password. Raises `login_failed` and `too_many_requests` as `login` does."""
    _prove(name, password)
    change(name, password=new_password)


class _Moved(Exception):
    """The operator was changed between read and write."""


def _change_once(name: str, decide: Callable[[Operator], Operator], kept: str | None) -> Operator:
    item = read.get(Operators, *operator_key(name))
    if item is None:
        raise MallError("not_found")
    after = decide(item.operator)
    changes = [Operators.operator.set(after), Operators.version.set(item.version + 1)]
    if kept is not None:
        changes.append(Operators.password.set(kept))
    tx = Transaction()
    tx.update(Operators, operator_key(name), changes, Operators.version == item.version, _Moved())
    _count_owners(tx, after.is_active_owner - item.operator.is_active_owner)
    _commit(tx)
    return after


def _count_owners(tx: Transaction, more: int) -> None:
    if more:
        tx.update(
            Operators,
            OWNERS,
            [Operators.active.set(Operators.active + more)],
            Operators.active > (1 if more < 0 else 0),
            MallError("last_owner"),
        )


def _commit(tx: Transaction) -> None:
    try:
        tx.commit()
    except ConditionFailed as fault:
        first = fault.failed[0]
        if isinstance(first, Exception):
            raise first from fault
        raise


def _item(operator: Operator, password: str) -> Operators:
    return Operators(*operator_key(operator.name), operator=operator, password=passwords.hashed(password), version=1)


def _new(name: str, roles: list[str]) -> Operator:
    now = clock.now()
    return Operator(name=name, roles=roles, created_at=now, tokens_from=now)


def _checked(roles: list[str]) -> list[str]:
    unknown = unknown_roles(roles)
    if unknown or not roles:
        raise invalid("roles", f"unknown role: {', '.join(unknown)}" if unknown else "at least one role")
    return sorted(set(roles))
