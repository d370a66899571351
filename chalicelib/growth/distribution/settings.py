"""The merchant's settings of distribution; what they are stands in rules.py."""

from __future__ import annotations

from chalicelib.growth.distribution.rules import DistributionRules, check
from chalicelib.mall.settings.service import declare

DISTRIBUTION = declare("distribution", DistributionRules, check)
