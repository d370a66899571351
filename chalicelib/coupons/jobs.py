"""After a purchase: one coupon of every template that is given for one."""

from __future__ import annotations

from chalicelib.core import log
from chalicelib.core.errors import MallError
from chalicelib.coupons import templates
from chalicelib.coupons.give import give
from chalicelib.jobs import service as jobs

#: What ends a template's part without a coupon: none of it is anybody's fault.
_NONE = ("sold_out", "claim_limit", "not_for_you", "coupon_not_offered", "unauthenticated")


@jobs.subscribe("order.completed")
def after_purchase(job: jobs.Job) -> None:
    """Give the member theirs for this order, once whatever happens: the order is the cause."""
    for template in templates.offered("purchase"):
        try:
            give(template, job.task.payload["member_id"], "purchase", (job.key,))
        except MallError as fault:
            if fault.code not in _NONE:
                raise
            log.info("no_coupon_after_purchase", order_id=job.key, template_id=template.template_id, reason=fault.code)
