"""What operators send to log in."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.mall.operators.rules import OperatorName

#: What is typed at a login is only compared; an old password may be shorter than a new one must be.
Typed = Annotated[str, Meta(min_length=1, max_length=128)]
#: Six digits, or a recovery code, with whatever blanks and hyphens.
TypedCode = Annotated[str, Meta(min_length=1, max_length=32)]


class OperatorLoginInput(msgspec.Struct, forbid_unknown_fields=True):
    """Name and password; `totp` is the code of an authenticator, or one of the recovery codes."""

    name: OperatorName
    password: Typed
    totp: TypedCode | None = None
