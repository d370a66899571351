"""The jobs that a mall in this process owes."""

from __future__ import annotations

from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import tools
from chalicelib.platform.store.base import call

#: Of deletions in one call.
_BATCH_MAX = 25


def forget_all() -> None:
    """Delete every job, so that nothing is owed by whatever was before."""
    found = list(tools.scan(Jobs))
    for start in range(0, len(found), _BATCH_MAX):
        keys = [{"shard": {"S": job.shard}, "due": {"S": job.due}} for job in found[start : start + _BATCH_MAX]]
        requests = {Jobs.Meta.table_name: [{"DeleteRequest": {"Key": key}} for key in keys]}
        assert not call("BatchWriteItem", {"RequestItems": requests}).get("UnprocessedItems")
