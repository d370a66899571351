"""The merchant's settings of attribution, with defaults and bounds."""

from __future__ import annotations

from chalicelib.customers.channels.touches.rules import AttributionRules
from chalicelib.mall.settings.service import declare

#: What they are stands in touches/rules.py.
ATTRIBUTION = declare("attribution", AttributionRules)
