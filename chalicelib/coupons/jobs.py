"""What coupons owe to later, and what they hear."""

from __future__ import annotations

from chalicelib.jobs.declarations import OUTSIDE, handles, subscribe

#: It calls nobody, but an issue to everybody may take an hour, and jobs INSIDE are run at their second.
BULK_ISSUE = handles("coupons.bulk_issue", "chalicelib.coupons.grants:run", OUTSIDE)
REWARD_SHARER = handles("coupons.reward_sharer", "chalicelib.coupons.shares:reward")

subscribe("order.completed", "coupons.after_purchase", "chalicelib.coupons.purchases:after_purchase")
subscribe("coupon.used", "coupons.count_use", "chalicelib.coupons.usage:count_use")
subscribe("coupon.returned", "coupons.count_return", "chalicelib.coupons.usage:count_return")
