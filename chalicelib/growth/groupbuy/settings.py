"""The merchant's settings of group-buy; what they are stands in rules.py."""

from __future__ import annotations

from chalicelib.growth.groupbuy.rules import GroupRules
from chalicelib.mall.settings.service import declare

GROUP_BUY = declare("group_buy", GroupRules)
