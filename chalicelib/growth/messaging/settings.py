"""The merchant's settings of messages: how often members are written to, in which hours, and by which media."""

from __future__ import annotations

from chalicelib.growth.messaging.limits.rules import CapRules, MediaRules, QuietRules, check_quiet
from chalicelib.mall.settings.service import declare

#: What they are stands in limits/rules.py.
CAPS = declare("caps", CapRules)
QUIET = declare("quiet", QuietRules, check_quiet)
MEDIA = declare("media", MediaRules)
