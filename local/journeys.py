"""How many members of a local mall are in journeys, and what became of its messages, from what is counted of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from chalicelib.growth.journeys.tables import JourneyCounts
from chalicelib.growth.messaging.tables import MessageCounts, Messages
from chalicelib.platform.store.base import Table
from chalicelib.platform.store.tallies import counters
from chalicelib.platform.store.tools import scan_raw
from local.scans import how_many


def count_runs() -> dict[str, int]:
    """Count the runs that are active, and those that stand still while their journey rests."""
    counted = _counted(JourneyCounts)
    ended = sum(n for name, n in counted.items() if name.startswith("ended|"))
    parked = counted["parked"]
    # A walk's own counters are named otherwise: "<how>|<step>".
    return {"active": counted["entered"] - parked - ended, "parked": parked}


def count_messages() -> dict[str, int]:
    """Count the messages by state; those that wait their turn or are being sent are `queued`."""
    states: Counter[str] = Counter()
    for name, n in _counted(MessageCounts).items():
        states[name.partition("|")[2].partition(":")[0]] += n
    waiting = _listed() - sum(states.values())
    return {state: n for state, n in {"queued": max(0, waiting), **states}.items() if n}


def _counted(table: type[Table]) -> Counter[str]:
    """The counters of all items of a table, by their names."""
    counted: Counter[str] = Counter()
    for raw in scan_raw(table):
        counted.update(counters(raw))
    return counted


def _listed() -> int:
    """How many messages there are."""
    index = Messages.by_queueing.Meta.index_name
    arguments: dict[str, Any] = {"TableName": Messages.Meta.table_name, "IndexName": index, "Select": "COUNT"}
    return how_many(arguments)
