"""What members owe to events: their purchases are counted as orders complete."""

from __future__ import annotations

from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.jobs import service as jobs
from chalicelib.members import service
from chalicelib.members.rules import with_purchase


@jobs.subscribe("order.completed")
def count_purchase(job: jobs.Job) -> None:
    """Count the purchase, exactly once: the count and the end of the job are one transaction."""
    member_id, at = job.task.payload["member_id"], clock.from_stamp(job.task.payload["at"])
    try:
        service.change_profile(member_id, lambda profile: with_purchase(profile, at), also=job.finish)
    except MallError as fault:
        if fault.code != "unauthenticated":
            raise
        log.info("purchase_of_nobody", order_id=job.key)  # the member is deleted; the worker ends the job
