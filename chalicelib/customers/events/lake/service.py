"""Yesterday's events go to the merchant's bucket, where there is one, by DynamoDB's own incremental export.

What lies there is as the table has it: batches, packed, and the keys of what was erased or has expired. Whoever reads
it takes an event once by its `event_id`. An answer that was lost for eight hours brings a day there twice.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from chalicelib.core import clock, ids, log
from chalicelib.core.settings import settings
from chalicelib.customers.events.lake.tables import EventExports, export_key
from chalicelib.customers.events.tables import MemberEvents
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store import exports, read
from chalicelib.platform.store.transaction import save

#: How far back a day that was left out is made up for.
_CATCH_UP_DAYS = 7
_KNOWN = timedelta(days=60)


def export(_: Job) -> None:
    """Have yesterday's events exported, and those of the days before that were left out; nothing without a bucket.
    Raises what `export_changes` raises: the job comes again."""
    if not settings().events_bucket:
        return
    today = clock.day(clock.now())
    days = [today - timedelta(days=back) for back in range(_CATCH_UP_DAYS, 0, -1)]
    known = read.batch_get([export_key(day.isoformat()) for day in days])
    for day, item in zip(days, known, strict=True):
        if item is None:
            _export(day)


def _export(day: date) -> None:
    since = datetime.combine(day, time(), clock.SHANGHAI)
    bucket, prefix = settings().events_bucket, f"member_events/dt={day.isoformat()}"
    token = ids.derived("", "event_exports", bucket, day.isoformat())
    try:
        arn = exports.export_changes(MemberEvents, bucket, prefix, since, since + timedelta(days=1), token)
    except exports.OutsideWindow:  # the table is younger than that day
        log.warning("events_not_exported", day=day.isoformat())
        arn = None
    save(EventExports(day.isoformat(), export_arn=arn, expires=clock.now() + _KNOWN))
