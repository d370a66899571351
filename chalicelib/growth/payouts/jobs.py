"""What payouts owe to later: their withdrawals are brought to their end through WeChat."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import OUTSIDE, handles

PUSH_WITHDRAWAL = handles(
    "payouts.push_withdrawal", "chalicelib.growth.payouts.transfers.service:push_withdrawal", OUTSIDE
)
CANCEL_WITHDRAWAL = handles(
    "payouts.cancel_withdrawal", "chalicelib.growth.payouts.transfers.service:cancel_withdrawal", OUTSIDE
)
