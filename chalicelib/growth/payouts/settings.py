"""The merchant's settings of withdrawals; what they are stands in rules.py."""

from __future__ import annotations

from chalicelib.growth.payouts.rules import WithdrawalRules, check
from chalicelib.mall.settings.service import declare

WITHDRAWALS = declare("withdrawals", WithdrawalRules, check)
