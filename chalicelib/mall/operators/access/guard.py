"""The guard of every operator's endpoint: who they are now, whether they may, and the log of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.mall.operators import queries as operator_queries
from chalicelib.mall.operators.audit import rules
from chalicelib.mall.operators.audit import service as audit
from chalicelib.mall.operators.rules import SELF
from chalicelib.mall.operators.second_factor import service as second_factor
from chalicelib.mall.operators.tables import AuditEntry
from chalicelib.platform.web.endpoint import Call, Endpoint
from chalicelib.platform.web.tokens import Token


class OperatorGuard:
    """Reads the operator at every call, so that a change of role or a disabled operator takes effect at once."""

    def enter(
        self, token: Token, endpoint: Endpoint, call: Call, path: Mapping[str, str]
    ) -> tuple[audit.Position, frozenset[str]]:
        """Write the entry of the log, so that nothing happens unlogged, and admit the operator or not; the entry, and
        all that the operator may do.

        A refused call has an entry too, closed at once. Raises `unauthenticated`, `forbidden` or `totp_not_set_up`,
        and `unavailable` when the log cannot be written.
        """
        log.about(ip=call.address)
        operator = operator_queries.find(token.subject)
        refusal: MallError | None = None
        if operator is None or not operator.honours(token.issued_at):
            refusal = MallError("unauthenticated")
        elif endpoint.permission not in operator.permissions:
            refusal = MallError("forbidden")
        elif endpoint.permission != SELF and second_factor.is_due(operator):
            refusal = MallError("totp_not_set_up")
        entry = AuditEntry(
            at=clock.now(),
            operator=token.subject,
            permission=endpoint.permission,
            method=endpoint.method,
            path=endpoint.path,
            parameters=rules.kept_parameters({**call.query, **path}, rules.is_about_persons(endpoint.permission)),
            request_id=call.request_id,
            address=call.address,
            body=_kept_body(endpoint, call.raw_body),
        )
        position = audit.record(entry, None if refusal is None else refusal.status)
        if refusal is not None:
            raise refusal
        assert operator is not None
        return position, operator.permissions

    def leave(self, entry: audit.Position, status: int, outcome: Mapping[str, Any]) -> None:
        """Close the entry with how the call ended, and what it says of that."""
        audit.close(entry, status, rules.kept_outcome(outcome))


def _kept_body(endpoint: Endpoint, body: bytes) -> str:
    """Give what the log keeps of the body; of one with a password, and in calls about oneself, nothing."""
    if endpoint.secret or endpoint.permission == SELF or not body:
        return ""
    if endpoint.takes != "application/json":
        return rules.kept_file(body)
    return rules.kept_body(body, endpoint.body_fields, rules.is_about_persons(endpoint.permission))
