"""What operators send to set up a second factor."""

from __future__ import annotations

import msgspec

from chalicelib.mall.operators.sessions.inputs import Typed, TypedCode


class TotpInput(msgspec.Struct, forbid_unknown_fields=True):
    """Who has a second factor and wants another proves the first: `totp` is its code, or a recovery code. Who has none
    gives their password, where they logged in more than 10 minutes ago."""

    totp: TypedCode | None = None
    password: Typed | None = None


class TotpCodeInput(msgspec.Struct, forbid_unknown_fields=True):
    """The code that the authenticator shows."""

    code: TypedCode
