"""Operators: the jobs that failed for good, and running one again."""

from __future__ import annotations

import base64
from datetime import datetime

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.core.refusals import NO_SUCH
from chalicelib.platform.jobs import queue
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import cursors
from chalicelib.platform.web.endpoint import OPERATOR, endpoint
from chalicelib.platform.web.types import Page, PageQuery


class DeadJob(msgspec.Struct):
    """A job that failed as often as jobs may. `last_error` is the kind of fault, without data."""

    job_id: str
    kind: str
    key: str
    run_at: datetime
    attempts: int
    last_error: str


@endpoint("GET /v1/admin/jobs/dead", OPERATOR, permission="jobs.read", errors=("cursor_invalid",))
def list_dead(query: PageQuery) -> Page[DeadJob]:
    """Dead jobs, oldest first."""
    jobs, after = queue.dead(query.limit, cursors.read("jobs.dead", query.cursor))
    return Page([_view(job) for job in jobs], cursors.write("jobs.dead", after))


@endpoint("POST /v1/admin/jobs/dead/{job_id}/retry", OPERATOR, permission="jobs.retry", errors=("job_not_dead",))
def retry_dead(job_id: str) -> None:
    """Run a dead job again, at once."""
    try:
        due = base64.urlsafe_b64decode(job_id + "=" * (-len(job_id) % 4)).decode()
    except ValueError:
        raise MallError("job_not_dead", errors=(NO_SUCH.at("job_id"),)) from None
    queue.revive(due)


def _view(job: Jobs) -> DeadJob:
    return DeadJob(
        job_id=base64.urlsafe_b64encode(job.due.encode()).decode().rstrip("="),
        kind=job.task.kind,
        key=job.task.key,
        run_at=clock.from_stamp(job.due.split("|")[0]),
        attempts=job.task.attempts,
        last_error=job.task.last_error,
    )
