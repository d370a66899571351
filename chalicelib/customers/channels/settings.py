"""The merchant's settings of attribution and of advertisements, with defaults and bounds."""

from __future__ import annotations

from chalicelib.customers.channels.ads.rules import AdRules, check_account
from chalicelib.customers.channels.touches.rules import AttributionRules
from chalicelib.mall.settings.service import declare

#: What they are stands in touches/rules.py.
ATTRIBUTION = declare("attribution", AttributionRules)
#: What they are stands in ads/rules.py.
ADS = declare("ads", AdRules, check_account)
