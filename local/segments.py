"""The members of a local mall whom time may have changed since they were looked at."""

from __future__ import annotations

from typing import Any

from chalicelib.core import clock
from chalicelib.growth.segments.tables import MemberTraits
from local.scans import how_many


def count_due() -> int:
    """Count members who wait to be looked at: while it is 0 and no job is due, lists and counts are as of now."""
    arguments: dict[str, Any] = {
        "TableName": MemberTraits.Meta.table_name,
        "IndexName": MemberTraits.by_due.Meta.index_name,
        "FilterExpression": "due_at <= :now",
        "ExpressionAttributeValues": {":now": {"S": clock.stamp(clock.now())}},
        "Select": "COUNT",
    }
    return how_many(arguments)
