"""How often the coupons of a template were used, and what they took off, counted as orders are paid and refunded."""

from __future__ import annotations

from chalicelib.core import ids
from chalicelib.coupons import templates
from chalicelib.coupons.tables import CouponCounters, used_key
from chalicelib.jobs.job import Job
from chalicelib.store.transaction import Transaction


def count_use(job: Job) -> None:
    """Count a used coupon, what it took off, and what was paid for its order."""
    _count(job, 1)


def count_return(job: Job) -> None:
    """Take it off again: its order was refunded whole, and the coupon is unused. It may be told before the use."""
    _count(job, -1)


def _count(job: Job, sign: int) -> None:
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
