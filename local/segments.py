"""The members of a local mall whom time may have changed since they were looked at."""

from __future__ import annotations

from typing import Any

from chalicelib.core import clock
from chalicelib.growth.segments.tables import MemberTraits
from chalicelib.platform.store.base import call


def count_due() -> int:
    """Count members who wait to be looked at: while it is 0 and no job is due, lists and counts are as of now."""
    arguments: dict[str, Any] = {
        "TableName": MemberTraits.Meta.table_name,
        "IndexName": MemberTraits.by_due.Meta.index_name,
        "FilterExpression": "due_at <= :now",
        "ExpressionAttributeValues": {":now": {"S": clock.stamp(clock.now())}},
        "Select": "COUNT",
    }
    count = 0
    while True:
        answer = call("Scan", arguments)
        count += int(answer["Count"])
        if "LastEvaluatedKey" not in answer:
            return count
        arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
