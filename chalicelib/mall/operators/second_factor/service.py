"""Setting up a second factor, proving it, taking it away."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.settings import settings
from chalicelib.mall.operators import queries as operator_queries
from chalicelib.mall.operators import service as operators
from chalicelib.mall.operators.access import service as attempts
from chalicelib.mall.operators.access.service import Attempt
from chalicelib.mall.operators.refusals import LOG_IN_ANEW, NOT_BEGUN, WRONG_CODE
from chalicelib.mall.operators.rules import Operator
from chalicelib.mall.operators.second_factor.rules import (
    RECOVERY_CODES,
    SECRET_BYTES,
    is_fresh,
    is_timed,
    kept,
    recovery_code,
    secret_of,
    step_of,
    text_of,
    typed,
    uri,
)
from chalicelib.mall.operators.tables import Operators, operator_key
from chalicelib.platform.store import versioned
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, write
from chalicelib.platform.store.versioned import Conflict, Versioned


def is_due(operator: Operator) -> bool:
    """Whether the operator may only set up a second factor, before anything else."""
    return settings().totp_obligatory and operator.needs_totp


def count(name: str, code: str, device: str = "") -> Attempt:
    """Count a code before it is looked at, or that there is none: each of the three kinds by itself.

    Only whoever has proved their password may come here. Raises `too_many_requests` after five wrong codes of an
    authenticator, or five wrong recovery codes, in a row.
    """
    if not code:
        return attempts.count_missing_code(name)
    return attempts.count_code(name, device) if is_timed(typed(code)) else attempts.count_recovery(name, device)


def prove(name: str, code: str, attempt: Attempt) -> str:
    """Hold a code that was counted against the operator's second factor; which it was: "totp" or "recovery".

    Each code is good once. Raises `totp_required` for no code, and `totp_wrong`.
    """
    if not code:
        raise MallError("totp_required")
    code = typed(code)
    is_of_authenticator = is_timed(code)
    (_spend_timed if is_of_authenticator else _spend_recovery)(name, code)
    attempts.forget(attempt)
    return "totp" if is_of_authenticator else "recovery"


def _spend_timed(name: str, code: str) -> None:
    item = operator_queries.item(name)
    step = None if item is None or item.totp is None else step_of(secret_of(item.totp), code, clock.unix())
    if item is None or step is None:
        raise MallError("totp_wrong")
    unused = (Operators.totp == item.totp) & (Operators.totp_step.does_not_exist() | (Operators.totp_step < step))
    try:
        write(Operators, operator_key(name), [Operators.totp_step.set(step)], unused)
    except ConditionFailed:
        raise MallError("totp_wrong") from None


def _spend_recovery(name: str, code: str) -> None:
    digest = kept(code)
    try:
        write(
            Operators,
            operator_key(name),
            [Operators.recovery.delete({digest})],
            Operators.recovery.contains(digest),
        )
    except ConditionFailed:
        raise MallError("totp_wrong") from None


def begin(name: str, logged_in_at: datetime, code: str = "", password: str = "") -> tuple[str, str]:
    """Draw a secret for an authenticator: its text, and the address for a QR code. It holds once it is confirmed.

    Who has a second factor proves it. Who has none proves the password, unless they have just done so: a token that
    was stolen is not enough to take the operator's place for good. Raises as `count` and `prove` do, and
    `login_failed`.
    """
    found = operator_queries.existing(name)
    if found.value.has_totp:
        prove(name, code, count(name, code))
    elif not is_fresh(logged_in_at, clock.now()):
        if not password:
            raise MallError("login_failed", errors=(LOG_IN_ANEW.at("password"),))
        operators.prove_password(name, password)
    secret = text_of(ids.random_bytes(SECRET_BYTES))
    write(Operators, operator_key(name), [Operators.totp_begun.set(secret)], Operators.kind.exists())
    host = settings().public_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return secret, uri(name, host, secret)


def confirm(name: str, code: str) -> tuple[list[str], Operator]:
    """Make the secret that was drawn last the second factor; the recovery codes, which are shown this once, and whose.

    All logins so far end: one of them may be somebody's who knew the password alone. Raises `invalid` where none was
    drawn, or the code is not its, and `conflict`.
    """
    codes = [recovery_code(ids.new("")) for _ in range(RECOVERY_CODES)]
    item = operator_queries.item(name)
    if item is None or item.totp_begun is None:
        raise invalid(NOT_BEGUN.at("code"))
    secret = item.totp_begun
    step = step_of(secret_of(secret), typed(code), clock.unix())
    if step is None:
        raise invalid(WRONG_CODE.at("code"))

    def decide(before: Operator, _: Transaction) -> Operator:
        return msgspec.structs.replace(before, has_totp=True, tokens_from=clock.now())

    def save(tx: Transaction, before: Versioned[Operator], after: Operator) -> None:
        actions = [
            Operators.operator.set(after),
            Operators.version.set(before.version + 1),
            Operators.totp.set(secret),
            Operators.totp_step.set(step),
            Operators.recovery.set({kept(one) for one in codes}),
            Operators.totp_begun.remove(),
        ]
        still = (Operators.version == before.version) & (Operators.totp_begun == secret)
        tx.update(Operators, operator_key(name), actions, still, Conflict)

    return codes, versioned.change(lambda: operator_queries.existing(name), decide, save)
