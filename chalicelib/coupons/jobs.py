"""What coupons owe to events: one after a purchase; what used ones took off is counted."""

from __future__ import annotations

from chalicelib.core import ids, log
from chalicelib.core.errors import MallError
from chalicelib.coupons import templates
from chalicelib.coupons.give import give
from chalicelib.coupons.tables import CouponCounters, used_key
from chalicelib.jobs import service as jobs
from chalicelib.store.transaction import Transaction

#: What ends a template's part without a coupon: none of it is anybody's fault.
_NONE = ("sold_out", "claim_limit", "not_for_you", "coupon_not_offered", "unauthenticated")


@jobs.subscribe("order.completed")
def after_purchase(job: jobs.Job) -> None:
    """Give the member one of every template that is given after a purchase, once for each order: it is the cause."""
    for template in templates.offered("purchase"):
        try:
            give(template, job.task.payload["member_id"], "purchase", (job.key,))
        except MallError as fault:
            if fault.code not in _NONE:
                raise
            log.info("no_coupon_after_purchase", order_id=job.key, template_id=template.template_id, reason=fault.code)


@jobs.subscribe("coupon.used")
def count_use(job: jobs.Job) -> None:
    """Count a used coupon, what it took off, and what was paid for its order."""
    _count(job, 1)


@jobs.subscribe("coupon.returned")
def count_return(job: jobs.Job) -> None:
    """Take it off again: its order was refunded whole, and the coupon is unused. It may be told before the use."""
    _count(job, -1)


def _count(job: jobs.Job, sign: int) -> None:
    """Exactly once: the count and the end of the job are one transaction."""
    told = job.task.payload
    template = templates.remembered(told["template_id"])
    counters = [
        CouponCounters.used.add(sign),
        CouponCounters.off_fen.add(sign * int(told["discount_fen"])),
        CouponCounters.paid_fen.add(sign * int(told["paid_fen"])),
    ]
    tx = Transaction()
    tx.update(*used_key(template.template_id, ids.shard(job.key, template.shards)), counters)
    job.finish(tx)
    tx.commit()
