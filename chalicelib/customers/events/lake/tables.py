"""Which days of events went to the bucket. Table `event_exports`.

| who asks | how | units |
|---|---|---|
| which of the last days are there | BatchGet their days | 1 RRU each |
| a day has gone there | Put | 1 WRU |
"""

from __future__ import annotations

from pynamodb.attributes import TTLAttribute, UnicodeAttribute

from chalicelib.platform.store.base import Table, TableMeta, name
from chalicelib.platform.store.read import Key


class EventExports(Table):
    """A day (Asia/Shanghai, YYYY-MM-DD) of which DynamoDB was asked to write the events; no export where it could not.
    Rubbish when nobody asks for the day any more."""

    class Meta(TableMeta):
        table_name = name("event_exports")

    day = UnicodeAttribute(hash_key=True)
    export_arn = UnicodeAttribute(null=True)
    expires = TTLAttribute()


def export_key(day: str) -> Key:
    """Name the item of a day."""
    return EventExports, (day,)
