"""What operators are told when they have a day compared."""

from __future__ import annotations

from datetime import date

import msgspec


class ComparisonOwed(msgspec.Struct):
    """A day that is being compared; `GET /v1/admin/reconciliation/days` tells when that is done."""

    day: date
