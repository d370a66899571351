"""What operators send about the comparison with WeChat's bills."""

from __future__ import annotations

from chalicelib.insight.reconciliation.rules import DifferenceState
from chalicelib.platform.web.types import Cleaned, PageQuery, Reason256


class DifferencesQuery(PageQuery, kw_only=True):
    """Which differences: those to be looked into, or those that were closed."""

    state: DifferenceState = "open"


class DifferenceClosingInput(Cleaned, frozen=True, forbid_unknown_fields=True):
    """What the difference came from, and what was done about it."""

    reason: Reason256
