"""Restore every table of a deployed mall to one second, beside it: `python -m infra.restore FROM TO AT`.

    python -m infra.restore yutang- yutang-r1- 2026-11-22T10:00:00+08:00

makes yutang-r1-orders of yutang-orders, and so on, and switches on what DynamoDB does not restore: point-in-time
recovery, stream, time to live and deletion protection. A stack with that prefix can then take the tables in
(docs/operations.md). What is there already is left as it is, so that it can be run again.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

import boto3

from chalicelib.core.settings import settings
from infra import tables

Json = dict[str, Any]

#: Every five seconds for twelve hours.
_LOOKS = {"Delay": 5, "MaxAttempts": 8640}


def restore(dynamodb: Any, source: str, target: str, at: datetime) -> list[str]:
    """Restore all tables of the prefix `source` as they were `at`, under the prefix `target`; the new names.

    Returns when all can be used. Raises botocore's ClientError when DynamoDB refuses; it can then be called again.
    """
    wanted = [one["Properties"] for one in tables.resources(target).values()]
    there = {name for page in dynamodb.get_paginator("list_tables").paginate() for name in page["TableNames"]}
    for table in wanted:
        name = table["TableName"]
        if name not in there:
            dynamodb.restore_table_to_point_in_time(
                SourceTableName=source + name.removeprefix(target), TargetTableName=name, RestoreDateTime=at
            )
    for table in wanted:
        _wait(dynamodb, table["TableName"])
        _switch_on(dynamodb, table)
    return [table["TableName"] for table in wanted]


def _switch_on(dynamodb: Any, table: Json) -> None:
    """The four settings, as the template says them for the table."""
    name = table["TableName"]
    recovery = table["PointInTimeRecoverySpecification"]
    dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    is_so = dynamodb.describe_table(TableName=name)["Table"]
    if "StreamSpecification" in table and not is_so.get("StreamSpecification", {}).get("StreamEnabled"):
        stream = table["StreamSpecification"] | {"StreamEnabled": True}
        dynamodb.update_table(TableName=name, StreamSpecification=stream)
        _wait(dynamodb, name)
    if "TimeToLiveSpecification" in table:
        ends = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if ends["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
            dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=table["TimeToLiveSpecification"])
    if not is_so.get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=table["DeletionProtectionEnabled"])
        _wait(dynamodb, name)


def _wait(dynamodb: Any, name: str) -> None:
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig=_LOOKS)


def main() -> int:
    """Restore, and say what there is now."""
    parser = argparse.ArgumentParser(prog="python -m infra.restore", description="Restores all tables to one second.")
    parser.add_argument("source", metavar="FROM", help="prefix of the tables that are restored: yutang-")
    parser.add_argument("target", metavar="TO", help="prefix of the new tables: yutang-r1-")
    parser.add_argument("at", metavar="AT", type=_moment, help="with its offset: 2026-11-22T10:00:00+08:00")
    told = parser.parse_args()
    names = restore(boto3.client("dynamodb", region_name=settings().region), told.source, told.target, told.at)
    print(f"{len(names)} tables as of {told.at.isoformat()}: {names[0]} to {names[-1]}")
    return 0


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at


if __name__ == "__main__":
    raise SystemExit(main())
