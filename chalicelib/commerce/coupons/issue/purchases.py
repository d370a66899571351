"""Coupons that members are given after a purchase."""

from __future__ import annotations

from chalicelib.commerce.coupons.issue.service import NO_COUPON_REASONS, give_owed
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.core import log
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs.job import Job


def after_purchase(job: Job) -> None:
    """Give the member one of every template that is given after a purchase, once for each order: it is the cause."""
    for template in template_queries.offered("purchase"):
        try:
            give_owed(template, job.task.payload["member_id"], "purchase", (job.key,))
        except MallError as fault:
            if fault.code not in NO_COUPON_REASONS:
                raise
            log.info("no_coupon_after_purchase", order_id=job.key, template_id=template.template_id, reason=fault.code)
