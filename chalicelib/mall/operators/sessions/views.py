"""A login as the operator sees it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.mall.operators.views import OperatorView


class OperatorSession(msgspec.Struct):
    """A token, and until when it is good."""

    token: str
    expires_at: datetime
    operator: OperatorView
