"""What has changed in a table, written to a bucket by DynamoDB itself: nothing is read for it, and nobody is slowed."""

from __future__ import annotations

from datetime import datetime

from botocore.exceptions import ClientError

from chalicelib.core.settings import settings
from chalicelib.platform.store.base import Table, call


class OutsideWindow(Exception):
    """DynamoDB knows no more, or not yet, what the table was like then."""


def export_changes(table: type[Table], bucket: str, prefix: str, since: datetime, until: datetime, token: str) -> str:
    """Have DynamoDB write what has changed in the table from `since` until `until` (a quarter of an hour to a day, in
    whole seconds) to the bucket under that prefix, as DynamoDB JSON; the ARN of the export, which has only begun.

    The same `token` is the same export for eight hours. Items are written as they are then, and keys alone of those
    that were deleted. Raises OutsideWindow, `unavailable`, and ClientError for what else DynamoDB refuses.
    """
    arguments = {
        "TableArn": _arn(table),
        "ClientToken": token,
        "S3Bucket": bucket,
        "S3Prefix": prefix,
        "S3SseAlgorithm": "AES256",
        "ExportFormat": "DYNAMODB_JSON",
        "ExportType": "INCREMENTAL_EXPORT",
        "IncrementalExportSpecification": {
            "ExportFromTime": int(since.timestamp()),
            "ExportToTime": int(until.timestamp()),
            "ExportViewType": "NEW_IMAGE",
        },
    }
    try:
        answer = call("ExportTableToPointInTime", arguments)
    except ClientError as fault:
        if fault.response["Error"]["Code"] == "InvalidExportTimeException":
            raise OutsideWindow from fault
        raise
    return str(answer["ExportDescription"]["ExportArn"])


def _arn(table: type[Table]) -> str:
    told = settings()
    partition = "aws-cn" if told.region.startswith("cn-") else "aws"
    return f"arn:{partition}:dynamodb:{told.region}:{told.account_id}:table/{table.Meta.table_name}"
