"""What payouts owe to later: their withdrawals are brought to their end through WeChat."""

from __future__ import annotations

from chalicelib.jobs.declarations import OUTSIDE, handles

PUSH_WITHDRAWAL = handles("payouts.push_withdrawal", "chalicelib.distribution.transfers:push", OUTSIDE)
CANCEL_WITHDRAWAL = handles("payouts.cancel_withdrawal", "chalicelib.distribution.transfers:cancel", OUTSIDE)
