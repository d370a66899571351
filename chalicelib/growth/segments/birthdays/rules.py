"""The solar birthday. Pure."""

from __future__ import annotations

import calendar
from datetime import date


def solar_birthday(year: int, month: int, day: int) -> date:
    """Find the day of a birthday in a year; 29 February is kept on the 28th where there is none."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))
