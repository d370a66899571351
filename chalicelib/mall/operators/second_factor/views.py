"""A second factor as its operator sees it, once."""

from __future__ import annotations

from datetime import datetime

import msgspec


class TotpSecret(msgspec.Struct):
    """What an authenticator is given: by hand, or `uri` as a QR code."""

    secret: str
    uri: str


class TotpConfirmed(msgspec.Struct):
    """Ten codes, each good once in place of the authenticator's; and a token, since those so far are void."""

    recovery_codes: list[str]
    token: str
    expires_at: datetime
