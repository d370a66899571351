"""Counts what an index holds, page after page."""

from __future__ import annotations

from typing import Any

from chalicelib.platform.store.base import call


def how_many(arguments: dict[str, Any]) -> int:
    """Count the items that a Scan with these arguments finds."""
    count = 0
    while True:
        answer = call("Scan", arguments)
        count += int(answer["Count"])
        if "LastEvaluatedKey" not in answer:
            return count
        arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
