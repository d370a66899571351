"""Pictures that WeChat looks at. Table `picture_checks`.

| who asks | how | units |
|---|---|---|
| WeChat was asked | Put, in the transaction of the profile | 2 WRU |
| whose a verdict is | Get trace_id | 1 RRU |

Rubbish two days later: WeChat's verdict comes within half an hour.
"""

from __future__ import annotations

from pynamodb.attributes import TTLAttribute, UnicodeAttribute

from chalicelib.platform.store.base import Table, TableMeta, name


class PictureChecks(Table):
    """Whose picture WeChat looks at under a trace_id, and the digest of its address."""

    class Meta(TableMeta):
        table_name = name("picture_checks")

    trace_id = UnicodeAttribute(hash_key=True)
    member_id = UnicodeAttribute()
    picture = UnicodeAttribute()
    expires = TTLAttribute()
