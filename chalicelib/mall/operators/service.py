"""Operators log in, are appointed, change; the mall always keeps an active owner."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.refusals import EMPTY, NO_SUCH
from chalicelib.core.settings import settings
from chalicelib.mall.operators.access import passwords
from chalicelib.mall.operators.refusals import TAKEN, UNKNOWN_ROLES
from chalicelib.mall.operators.rules import OWNER, Operator, OperatorName, unknown_roles, wait_seconds
from chalicelib.mall.operators.tables import OWNERS, Operators, attempts_key, operator_key
from chalicelib.platform.store import read, versioned
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, remove, write
from chalicelib.platform.store.versioned import Conflict, Versioned, commit, retry
from chalicelib.platform.web import tokens

#: Failures are forgotten a day after the last one.
_FAILURES_SECONDS = 86_400


def login(name: str, password: str) -> tuple[str, datetime, Operator]:
    """Log an operator in: a token, when it ends, and whose it is.

    Raises `login_failed`, alike for an unknown name, a wrong password and a disabled operator; and after five
    failures in a row under a name, known or not, `too_many_requests`.
    """
    began = clock.now()  # so that a password changed while this one was being checked makes the token void
    operator = _prove(name, password)
    expires_at = began + timedelta(hours=settings().operator_token_hours)
    return tokens.issue("operator", operator.name, expires_at, began), expires_at, operator


def _prove(name: str, password: str) -> Operator:
    # The attempt is counted before the password is looked at, so that guesses made at the same time count too.
    attempt = _count_attempt(name)
    item = read.get(Operators, *operator_key(name))
    stored = passwords.NOBODY if item is None else item.password
    if not passwords.matches(password, stored) or item is None or item.operator.disabled:
        raise MallError("login_failed")
    with contextlib.suppress(ConditionFailed):  # somebody else tries at the same time: their failures stay counted
        remove(Operators, attempts_key(name), Operators.failures == attempt)
    return item.operator


def _count_attempt(name: str) -> int:
    try:
        return retry(lambda: _count_once(name))
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
    try:
        write(Operators, attempts_key(name), changes, unchanged)
    except ConditionFailed as fault:
        raise Conflict from fault
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
        commit(tx)
    except Conflict:
        return False
    return True


def create(name: str, password: str, roles: list[str]) -> Operator:
    """Appoint an operator. Raises `name_taken`, and `invalid` for roles that do not exist."""
    operator = _new(name, _checked(roles))
    tx = Transaction()
    tx.create(_item(operator, password), MallError("name_taken", errors=(TAKEN.at("name"),)))
    _count_owners(tx, int(operator.is_active_owner))
    commit(tx)
    return operator


def change(
    name: str, roles: list[str] | None = None, disabled: bool | None = None, password: str | None = None
) -> Operator:
    """Change what is given; it holds from the operator's next call on. A new password, as a lock-out, ends all logins.

    Raises `not_found`, `invalid` for unknown roles, `last_owner` and, when others change it just then, `conflict`.
    """
    new_hash = None if password is None else passwords.hashed(password)
    changes = {} if roles is None else {"roles": _checked(roles)}

    def decide(before: Operator, _: Transaction) -> Operator:
        state = before.disabled if disabled is None else disabled
        ends_logins = new_hash is not None or (state and not before.disabled)
        since = clock.now() if ends_logins else before.tokens_from
        return msgspec.structs.replace(before, disabled=state, tokens_from=since, **changes)

    def write(tx: Transaction, before: Versioned[Operator], after: Operator) -> None:
        actions = [Operators.operator.set(after), Operators.version.set(before.version + 1)]
        if new_hash is not None:
            actions.append(Operators.password.set(new_hash))
        tx.update(Operators, operator_key(name), actions, Operators.version == before.version, Conflict)
        _count_owners(tx, after.is_active_owner - before.value.is_active_owner)

    return versioned.change(lambda: _existing(name), decide, write)


def change_own_password(name: str, password: str, new_password: str) -> None:
    """Set the caller's own password. Raises `login_failed` and `too_many_requests` as `login` does."""
    _prove(name, password)
    change(name, password=new_password)


def _existing(name: str) -> Versioned[Operator]:
    item = read.get(Operators, *operator_key(name))
    if item is None:
        raise MallError("not_found", errors=(NO_SUCH.at("name"),))
    return Versioned(item.operator, int(item.version))


def _count_owners(tx: Transaction, more: int) -> None:
    if more:
        tx.update(
            Operators,
            OWNERS,
            [Operators.active.set(Operators.active + more)],
            Operators.active > (1 if more < 0 else 0),
            MallError("last_owner"),
        )


def _item(operator: Operator, password: str) -> Operators:
    return Operators(*operator_key(operator.name), operator=operator, password=passwords.hashed(password), version=1)


def _new(name: str, roles: list[str]) -> Operator:
    now = clock.now()
    return Operator(name=name, roles=roles, created_at=now, tokens_from=now)


def _checked(roles: list[str]) -> list[str]:
    if not roles:
        raise invalid(EMPTY.at("roles"))
    if unknown := unknown_roles(roles):
        raise invalid(UNKNOWN_ROLES.at("roles", roles=unknown))
    return sorted(set(roles))
