"""Reconciliation. One table, `reconciliations`: under each day its run, and its differences.

| who asks | how | units |
|---|---|---|
| what a day has so far | Query day | 1 RRU per 4 KB, some 10 differences |
| write a run; find, close, open a difference | Put under its version, in a transaction | 3 or 4 WRU with the index |
| open differences, oldest first; closed ones, newest first; days, newest first | Query by_state | 0.5 RRU per 4 KB |
| days that have open differences | Query by_state beyond the last one found, limit 1 | 0.5 RRU a day |
| one difference, to close it | Get (day, difference): its id begins with the day | 1 RRU |

One item of the index's key holds what is open: differences are as few as what a person can look into.
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.insight.reconciliation.rules import BillDifference, ComparedDay
from chalicelib.platform.store.base import Document, Table, TableMeta, name

#: The part of a day that tells what the comparison came to, and the state it has in the index; else a difference's.
RUN = "run"


class ByState(GlobalSecondaryIndex["Reconciliations"]):
    """Runs, open and closed differences, each by day."""

    class Meta:
        index_name = "by_state"
        projection = AllProjection()

    state = UnicodeAttribute(hash_key=True)
    since = UnicodeAttribute(range_key=True)


class Reconciliations(Table):
    """A day's run (part "run"), or one of its differences (part: its id)."""

    class Meta(TableMeta):
        table_name = name("reconciliations")

    day = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    version = NumberAttribute()
    state = UnicodeAttribute()
    since = UnicodeAttribute()
    run = Document(ComparedDay, null=True)
    difference = Document(BillDifference, null=True)

    by_state = ByState()


def run_item(run: ComparedDay, version: int) -> Reconciliations:
    """Make the item of a run."""
    day = run.day.isoformat()
    return Reconciliations(day, RUN, version=version, state=RUN, since=day, run=run)


def difference_item(difference: BillDifference, version: int) -> Reconciliations:
    """Make the item of a difference."""
    day, part = difference.day.isoformat(), difference.difference_id
    return Reconciliations(day, part, version=version, state=difference.state, since=part, difference=difference)
