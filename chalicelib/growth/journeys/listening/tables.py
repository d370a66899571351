"""Journeys. Table `journeys`; the runs' stand in journeys/tables.py.

| who asks | how | units |
|---|---|---|
| what any journey listens to | Get (ALL, "book"), remembered for a second | 0.5 RRU |
| all journeys | Query (ALL, "book".."def#"), where the mark is another than the remembered | 1 RRU per 4 KB |
| a version | Get (ALL, "v#"), remembered for ever | 1 RRU |
| change a journey | Put under the number of its changes, and the book under its mark | 2 WRU per KB, 2 |

Whatever happens to a member reads the first of these: so documents are kept as text here, which book/queries.py reads,
and the shop imports nothing of what they are.
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.growth.journeys.listening.rules import Listens
from chalicelib.platform.store.base import Document, Table, TableMeta, name

ALL = "all"
BOOK = "book"
DEFINITION = "def#"
VERSION = "v#"
DAYS = "walked"


class Journeys(Table):
    """Journeys ("def#<id>"), their versions ("v#<id>#<number>"), what all of them listen to ("book"), and until which
    day members have come in whose day it was ("walked")."""

    class Meta(TableMeta):
        table_name = name("journeys")

    partition = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    #: A Journey, or a Version, as JSON.
    document = UnicodeAttribute(null=True)
    #: How often the journey was changed.
    changes = NumberAttribute(null=True)
    #: Of a journey what any of its versions listens to, of the book what any journey does.
    listens = Document(Listens, null=True)
    #: Of the book: another at every change of what the mall goes by. Of "walked": the day.
    mark = UnicodeAttribute(null=True)


def version_part(journey_id: str, number: int) -> str:
    """Name the part that keeps a version of a journey for ever."""
    return f"{VERSION}{journey_id}#{number:06}"
