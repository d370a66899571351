"""How often the coupons of a template were used, and what they took off, counted as orders are paid and refunded."""

from __future__ import annotations

from chalicelib.commerce.coupons.tables import CouponCounters, used_key
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.core import ids
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store.transaction import Transaction


def count_use(job: Job) -> None:
    """Count a used coupon, what it took off, and what was paid for its order."""
    _count(job, 1)


def count_return(job: Job) -> None:
    """Take a use off the counts again: its order was refunded whole. May run before the use is counted."""
    _count(job, -1)


def _count(job: Job, sign: int) -> None:
    """Exactly once: the count and the end of the job are one transaction."""
    use = job.task.payload
    template = template_queries.remembered(use["template_id"])
    counters = [
        CouponCounters.used.add(sign),
        CouponCounters.off_fen.add(sign * int(use["discount_fen"])),
        CouponCounters.paid_fen.add(sign * int(use["paid_fen"])),
    ]
    tx = Transaction()
    tx.update(*used_key(template.template_id, ids.shard(job.key, template.shards)), counters)
    job.finish(tx)
    tx.commit()
