"""What the mall of this process owes, and a worker that does it.

A job is taken as a worker takes it, but all are found at one glance: how a worker looks, shard by shard, is tested and
struck elsewhere, and would be most of what such a test asks the engine for.
"""

from __future__ import annotations

from chalicelib.core import clock
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.queue import due_at
from chalicelib.platform.jobs.tables import DEAD, Jobs
from local.jobs import all_jobs

#: In so many rounds of running what is due a healthy mall comes to an end.
_ROUNDS_MAX = 400


def owed() -> list[tuple[float, Jobs]]:
    """Every job, those that were owed first at the top, with the seconds until somebody may take it."""
    return [(_wait(job), job) for job in sorted(all_jobs(), key=lambda job: job.due)]


def run_due(*kinds: str) -> list[float]:
    """Run what is due of the kinds that begin so, or of all, until nothing is; the seconds until each of the others
    may be taken."""
    for _ in range(_ROUNDS_MAX):
        found = owed()
        due = [job for wait, job in found if wait <= 0 and job.task.kind.startswith(kinds or "")]
        if sum(worker.run_one(job) for job in due) == 0:  # none is, or others have them
            return [wait for wait, _ in found]
    raise AssertionError("the jobs do not come to an end")


def _wait(job: Jobs) -> float:
    """Seconds until somebody may take the job; for ever, when it is dead."""
    if job.shard == DEAD:
        return float("inf")
    due = due_at(job.due).timestamp()
    return max(due, float(job.leased_until or 0) / 1000) - clock.now().timestamp()
