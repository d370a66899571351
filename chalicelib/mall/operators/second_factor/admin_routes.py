"""Operators set up their second factor."""

from __future__ import annotations

from chalicelib.mall.operators.rules import SELF
from chalicelib.mall.operators.second_factor import service
from chalicelib.mall.operators.second_factor.inputs import TotpCodeInput, TotpInput
from chalicelib.mall.operators.second_factor.views import TotpConfirmed, TotpSecret
from chalicelib.mall.operators.sessions import service as sessions
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint


@endpoint(
    "POST /v1/admin/me/totp",
    OPERATOR,
    permission=SELF,
    errors=("login_failed", "totp_required", "totp_wrong", "too_many_requests"),
    secret=True,
)
def begin_totp(call: Call, body: TotpInput | None) -> TotpSecret:
    """Get a secret for my authenticator; it holds once it is confirmed.

    Who has one already proves it; who has none, and logged in more than 10 minutes ago, gives their password.
    """
    assert call.token is not None
    given = body or TotpInput()
    secret, uri = service.begin(call.caller, call.token.issued_at, given.totp or "", given.password or "")
    return TotpSecret(secret, uri)


@endpoint("POST /v1/admin/me/totp/confirm", OPERATOR, permission=SELF, errors=("invalid", "conflict"), secret=True)
def confirm_totp(call: Call, body: TotpCodeInput) -> TotpConfirmed:
    """Confirm it by its code: from now on each login wants one. All my logins end; the token here lasts 15 minutes."""
    codes, operator = service.confirm(call.caller, body.code)
    token, expires_at = sessions.access_token(operator, operator.tokens_from)
    return TotpConfirmed(codes, token, expires_at)
