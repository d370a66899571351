"""How often somebody has done something this minute, or this hour. Table `limits`.

| who asks | how | units |
|---|---|---|
| once more, and how often was it | Update <what>#<who>#<which minute or hour>, ADD 1 | 1 WRU |
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute

from chalicelib.platform.store.base import Table, TableMeta, name


class Limits(Table):
    """How often somebody did something in one minute, or one hour; rubbish an hour later."""

    class Meta(TableMeta):
        table_name = name("limits")

    key = UnicodeAttribute(hash_key=True)
    times = NumberAttribute()
    expires = TTLAttribute()
