"""Events: what has happened, for every wing that has subscribed. One job per event, which reaches each subscriber."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import Event, run_by_event, subscribers_of
from chalicelib.platform.jobs.job import Job, load
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction


def emit(tx: Transaction, event: Event, key: str, **payload: str) -> None:
    """Tell every subscriber, as part of `tx`; nothing is written when the event has none."""
    if subscribers_of(event.name):
        schedule(tx, event.kind, key, None, **payload)


def tell_subscribers(job: Job) -> None:
    """Run the only subscriber, where it is INSIDE as the event's own job is; owe any others a job each.

    Each of those has the subscriber's name and lane, so that none waits for another's failure or for WeChat, and no
    version that declares them otherwise hands one to another. All are owed in one transaction with this job's end.
    """
    only = run_by_event(job.task.kind)
    if only is not None:
        load(only.handler)(job)
        return
    tx = Transaction()
    for subscriber in subscribers_of(job.task.kind):
        schedule(tx, subscriber, job.key, None, **job.task.payload)
    job.finish(tx)
    tx.commit()
