"""The jobs that a mall in this process owes."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.platform.jobs.tables import TABLES, Jobs
from chalicelib.platform.store import tools
from chalicelib.platform.store.base import call

#: Of deletions in one call.
_BATCH_MAX = 25


def all_jobs() -> Iterator[Jobs]:
    """Read every job of every lane, the dead among them, in no order."""
    return (job for table in TABLES for job in tools.scan(table))


def forget_all() -> None:
    """Delete every job, so that nothing is owed by whatever was before."""
    for table in TABLES:
        found = list(tools.scan(table))
        for start in range(0, len(found), _BATCH_MAX):
            keys = [{"shard": {"S": job.shard}, "due": {"S": job.due}} for job in found[start : start + _BATCH_MAX]]
            requests = {table.Meta.table_name: [{"DeleteRequest": {"Key": key}} for key in keys]}
            assert not call("BatchWriteItem", {"RequestItems": requests}).get("UnprocessedItems")
