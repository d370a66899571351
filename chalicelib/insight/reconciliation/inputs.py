"""What operators send about the comparison with WeChat's bills."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.insight.reconciliation.rules import DifferenceState
from chalicelib.platform.web.types import PageQuery, Text256


class DifferencesQuery(PageQuery, kw_only=True):
    """Which differences: those to be looked into, or those that were closed."""

    state: DifferenceState = "open"


class DifferenceClosingInput(msgspec.Struct, forbid_unknown_fields=True):
    """What the difference came from, and what was done about it."""

    reason: Annotated[Text256, Meta(min_length=1)]
