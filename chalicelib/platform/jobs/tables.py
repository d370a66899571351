"""Jobs. Two tables of one shape, so that what is owed to very many members at once fills no partition and no stream of
the others: `jobs` has the shards s0, s1, ... of the lane INSIDE, o0, o1, ... of OUTSIDE, and the dead of all lanes;
`jobs_of_many` has m0, m1, ... of MANY, and p0, p1, ... of SENDS.

| who asks | how | units |
|---|---|---|
| what is due in a shard, oldest first | Query shard, due <= now | 1 RRU per 4 KB read, only what is due |
| take, finish, put back one job | by key | 1 WRU (2 in a transaction) |
| when is the next one due in a shard | Query shard, due > then, limit 1 | 1 RRU |
| dead jobs, for the operator | Query shard "dead" | 0.5 RRU per 4 KB |
"""

from __future__ import annotations

import msgspec
from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.platform.jobs.declarations import LANES
from chalicelib.platform.store.base import Document, Table, TableMeta, name

DEAD = "dead"


class Task(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job is to do, and how it has fared."""

    kind: str
    key: str
    payload: dict[str, str] = {}
    attempts: int = 0
    last_error: str = ""


class Jobs(Table):
    """A job stands at its shard and `<run at>|<kind>|<key>`, so that scheduling it twice is one job."""

    class Meta(TableMeta):
        table_name = name("jobs")
        #: Of what is deployed. Not by PynamoDB's name: it would give local tables a stream too, which nobody reads
        #: there, and all of which DynamoDB Local looks through at every write.
        stream = "NEW_IMAGE"

    shard = UnicodeAttribute(hash_key=True)
    due = UnicodeAttribute(range_key=True)
    task = Document(Task)
    #: Set on a job owed at once: the stream's filter wakes the worker for these only.
    at_once = BooleanAttribute(null=True)
    #: Who works on it, and until when nobody else may (Unix milliseconds).
    lease = UnicodeAttribute(null=True)
    leased_until = NumberAttribute(null=True)


class JobsOfMany(Jobs):
    """The same, of the lanes whose jobs are owed to very many members at once."""

    class Meta(Jobs.Meta):
        table_name = name("jobs_of_many")


TABLES = (Jobs, JobsOfMany)
_BY_NAME: dict[str, type[Jobs]] = {"jobs": Jobs, "jobs_of_many": JobsOfMany}
_BY_LANE: dict[str, type[Jobs]] = {lane.value: _BY_NAME[lane.table] for lane in LANES}


def table_of(shard: str) -> type[Jobs]:
    """Give the table in which a shard lies: its lane's. The dead lie in the first."""
    return _BY_LANE.get(shard[0], Jobs)
