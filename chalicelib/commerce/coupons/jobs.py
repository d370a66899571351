"""What coupons owe to later, and what they hear."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import OUTSIDE, handles, subscribe

#: It calls nobody, but an issue to everybody may take an hour, and jobs INSIDE are run at their second.
BULK_ISSUE = handles("coupons.bulk_issue", "chalicelib.commerce.coupons.bulk_issue.service:bulk_issue", OUTSIDE)
REWARD_SHARER = handles("coupons.reward_sharer", "chalicelib.commerce.coupons.sharing.service:reward_sharer")
AFTER_PURCHASE = handles("coupons.after_purchase", "chalicelib.commerce.coupons.issue.purchases:after_purchase")

#: Of what the version before completed.
subscribe("order.completed", "coupons.after_purchase", "chalicelib.commerce.coupons.issue.purchases:after_purchase")
subscribe("coupon.used", "coupons.count_use", "chalicelib.commerce.coupons.usage.service:count_use", leased=False)
subscribe(
    "coupon.returned", "coupons.count_return", "chalicelib.commerce.coupons.usage.service:count_return", leased=False
)
