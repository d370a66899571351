"""A deployed mall restored beside itself to one second: all tables, with the settings DynamoDB does not restore."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.core.settings import settings
from infra import restore, tables

pytestmark = pytest.mark.slow

Json = dict[str, Any]
#: What CreateTable takes of a template's table; the other settings are made by calls of their own.
CREATED = ("TableName", "BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
AT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def wanted(prefix: str) -> list[Json]:
    """The tables that the template of a stack with this prefix has."""
    return [one["Properties"] for one in tables.resources(prefix).values()]


def settings_of(dynamodb: Any, name: str) -> Json:
    """A table as the template would say it."""
    told = dynamodb.describe_table(TableName=name)["Table"]
    recovery = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    ends = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    status = recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    found = {
        "TableName": name,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": status == "ENABLED"},
        "DeletionProtectionEnabled": told["DeletionProtectionEnabled"],
        "KeySchema": told["KeySchema"],
        "indexes": sorted(index["IndexName"] for index in told.get("GlobalSecondaryIndexes", [])),
    }
    if told.get("StreamSpecification", {}).get("StreamEnabled"):
        found["StreamSpecification"] = {"StreamViewType": told["StreamSpecification"]["StreamViewType"]}
    if ends["TimeToLiveStatus"] == "ENABLED":
        found["TimeToLiveSpecification"] = {"AttributeName": ends["AttributeName"], "Enabled": True}
    return found


def as_declared(table: Json) -> Json:
    """The same of the template's."""
    left_out = ("BillingMode", "AttributeDefinitions", "GlobalSecondaryIndexes", "SSESpecification")
    indexes = sorted(index["IndexName"] for index in table.get("GlobalSecondaryIndexes", []))
    return {name: value for name, value in table.items() if name not in left_out} | {"indexes": indexes}


def test_all_tables_come_back_as_of_one_second_and_guarded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    region = settings().region
    asked: list[Json] = []
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name=region)
        dynamodb.meta.events.register(
            "provide-client-params.dynamodb.RestoreTableToPointInTime", lambda params, **_: asked.append(params)
        )
        for table in wanted("mall-"):
            dynamodb.create_table(**{name: table[name] for name in CREATED if name in table})
        dynamodb.put_item(TableName="mall-jobs", Item={"shard": {"S": "i0"}, "due": {"S": "soon"}})
        names = restore.restore(dynamodb, "mall-", "mall-r1-", AT)
        assert {(one["SourceTableName"], one["TargetTableName"], one["RestoreDateTime"]) for one in asked} == {
            (name.replace("mall-r1-", "mall-"), name, AT) for name in names
        }
        assert len(names) == len(wanted("mall-")) > 20
        assert dynamodb.get_item(TableName="mall-r1-jobs", Key={"shard": {"S": "i0"}, "due": {"S": "soon"}})["Item"]
        for table in wanted("mall-r1-"):
            assert settings_of(dynamodb, table["TableName"]) == as_declared(table)

        # What was interrupted is run again, and changes nothing that is there.
        monkeypatch.setattr(sys, "argv", ["infra.restore", "mall-", "mall-r1-", "2026-11-22T10:00:00+08:00"])
        assert restore.main() == 0
    assert len(asked) == len(names)
    assert f"{len(names)} tables as of 2026-11-22T10:00:00+08:00" in capsys.readouterr().out


def test_a_moment_without_its_offset_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["infra.restore", "mall-", "mall-r1-", "2026-11-22T10:00:00"])
    with pytest.raises(SystemExit):
        restore.main()
