"""Operators are appointed, change, are reset; the mall always keeps an active owner."""

from __future__ import annotations

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.refusals import EMPTY
from chalicelib.mall.operators import queries as operator_queries
from chalicelib.mall.operators.access import passwords
from chalicelib.mall.operators.access import service as attempts
from chalicelib.mall.operators.access.rules import password_fault
from chalicelib.mall.operators.refusals import LOOKS_TAKEN, TAKEN, UNKNOWN_ROLES
from chalicelib.mall.operators.rules import OWNER, NewName, Operator, look, unknown_roles
from chalicelib.mall.operators.tables import OWNERS, Operators, look_key, operator_key
from chalicelib.platform.store import read, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, commit


def bootstrap(name: str, password: str) -> bool:
    """Create the first operator, an owner; False, and nothing done, when there is one already.

    Of several at once one succeeds. Raises ValueError for a name that no operator can have.
    """
    try:
        msgspec.convert(name, NewName)
    except msgspec.ValidationError:
        raise ValueError("an operator's name is 1 to 32 letters, digits, - or _, not signs alone") from None
    if read.get(Operators, *OWNERS) is not None:
        return False
    tx = Transaction()
    tx.create(Operators(*OWNERS, active=1))
    tx.create(_item(_new(name, [OWNER]), passwords.hashed(password)))
    tx.create(Operators(*look_key(look(name))))
    try:
        commit(tx)
    except Conflict:
        return False
    return True


def create(name: str, password: str, roles: list[str]) -> Operator:
    """Appoint an operator.

    Raises `name_taken` for a name that is another's, or looks like it, and `invalid` for roles that do not exist and a
    password that is too easy.
    """
    operator = _new(name, _checked(roles))
    item = _item(operator, _hashed(name, password))
    for other in operator_queries.operators():  # those of an older version have not written what their name looks like
        if look(other.name) == look(name):
            raise _taken(name, other.name)
    tx = Transaction()
    tx.create(item, _taken(name, name))
    tx.create(Operators(*look_key(look(name))), MallError("name_taken", errors=(TAKEN.at("name"),)))
    _count_owners(tx, int(operator.is_active_owner))
    commit(tx)
    return operator


def _taken(name: str, by: str) -> MallError:
    reason = TAKEN.at("name") if name == by else LOOKS_TAKEN.at("name", taken=by)
    return MallError("name_taken", errors=(reason,))


def change(
    name: str,
    roles: list[str] | None = None,
    disabled: bool | None = None,
    password: str | None = None,
    *,
    drop_totp: bool = False,
    log_out: bool = False,
    field: str = "password",
) -> Operator:
    """Change what is given; it holds from the operator's next call on.

    A new password, as a lock-out, ends all logins, and so does a second factor that is dropped. `field` is what the
    client calls the password. Raises `not_found`, `invalid` for unknown roles and a password that is too easy,
    `last_owner` and, when others change it just then, `conflict`.
    """
    new_hash = None if password is None else _hashed(name, password, field)
    changes = {} if roles is None else {"roles": _checked(roles)}

    def decide(before: Operator, _: Transaction) -> Operator:
        state = before.disabled if disabled is None else disabled
        ends_logins = new_hash is not None or drop_totp or log_out or (state and not before.disabled)
        return msgspec.structs.replace(
            before,
            disabled=state,
            tokens_from=clock.now() if ends_logins else before.tokens_from,
            has_totp=before.has_totp and not drop_totp,
            **changes,
        )

    def write(tx: Transaction, before: Versioned[Operator], after: Operator) -> None:
        actions = [Operators.operator.set(after), Operators.version.set(before.version + 1)]
        if new_hash is not None:
            actions.append(Operators.password.set(new_hash))
        if drop_totp:
            parts = (Operators.totp, Operators.totp_begun, Operators.totp_step, Operators.recovery)
            actions += [part.remove() for part in parts]
        tx.update(Operators, operator_key(name), actions, Operators.version == before.version, Conflict)
        _count_owners(tx, after.is_active_owner - before.value.is_active_owner)

    return versioned.change(lambda: operator_queries.existing(name), decide, write)


def change_own_password(name: str, password: str, new_password: str) -> None:
    """Set the caller's own password.

    Raises as `prove_password` does for the one so far, and `invalid` for a new one that is too easy.
    """
    prove_password(name, password)
    change(name, password=new_password, field="new_password")


def prove_password(name: str, password: str) -> None:
    """Hold a password against the caller's own.

    Raises `login_failed` where it is wrong, and after five of these `too_many_requests`. These failures are not those
    of logins: nobody outside can make the caller wait here.
    """
    attempt = attempts.count_own_password(name)
    item = operator_queries.item(name)
    if item is None or not passwords.matches(password, item.password):
        raise MallError("login_failed")
    attempts.forget(attempt)


def reset(name: str, password: str) -> Operator:
    """Give an operator a way back in: a new password, no second factor, no login, no failures. Raises as `change`."""
    operator = change(name, password=password, drop_totp=True)
    attempts.unlock(name)
    return operator


def _hashed(name: str, password: str, field: str = "password") -> str:
    if fault := password_fault(password, name):
        raise invalid(fault.at(field))
    return passwords.hashed(password)


def _count_owners(tx: Transaction, more: int) -> None:
    if more:
        tx.update(
            Operators,
            OWNERS,
            [Operators.active.set(Operators.active + more)],
            Operators.active > (1 if more < 0 else 0),
            MallError("last_owner"),
        )


def _item(operator: Operator, password_hash: str) -> Operators:
    return Operators(*operator_key(operator.name), operator=operator, password=password_hash, version=1)


def _new(name: str, roles: list[str]) -> Operator:
    now = clock.now()
    return Operator(name=name, roles=roles, created_at=now, tokens_from=now)


def _checked(roles: list[str]) -> list[str]:
    if not roles:
        raise invalid(EMPTY.at("roles"))
    if unknown := unknown_roles(roles):
        raise invalid(UNKNOWN_ROLES.at("roles", roles=unknown))
    return sorted(set(roles))
