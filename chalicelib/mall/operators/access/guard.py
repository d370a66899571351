"""The guard of every operator's endpoint: who they are now, whether they may, and the log of it."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.mall.operators import queries as operator_queries
from chalicelib.mall.operators.audit import service as audit
from chalicelib.mall.operators.rules import SELF, kept_body
from chalicelib.mall.operators.second_factor import service as second_factor
from chalicelib.mall.operators.tables import AuditEntry
from chalicelib.platform.web.endpoint import Call, Endpoint
from chalicelib.platform.web.tokens import Token


class OperatorGuard:
    """Reads the operator at every call, so that a change of role or a disabled operator takes effect at once."""

    def enter(self, token: Token, endpoint: Endpoint, call: Call, path: Mapping[str, str]) -> audit.Position:
        """Write the entry of the log, so that nothing happens unlogged, and admit the operator or not.

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
            parameters={**call.query, **path},
            request_id=call.request_id,
            address=call.address,
            # Of calls about oneself nothing is kept: what they take are passwords and codes.
            body="" if endpoint.permission == SELF else kept_body(call.raw_body, endpoint.takes == "application/json"),
        )
        position = audit.record(entry, None if refusal is None else refusal.status)
        if refusal is not None:
            raise refusal
        return position

    def leave(self, entry: audit.Position, status: int) -> None:
        """Close the entry with how the call ended."""
        audit.close(entry, status)
