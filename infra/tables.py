"""The tables of the mall as CloudFormation resources, generated from the models: the code is where they are said."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.core.settings import settings
from chalicelib.platform import wings
from chalicelib.platform.store import tools
from chalicelib.platform.store.base import Table
from infra import NOTHING, permissions

Json = dict[str, Any]

#: Encrypted by a key of the merchant's own where they name one, else by one of AWS's that costs nothing.
_OWN_KEY = {
    "Fn::If": [
        "HasTablesKey",
        {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "TablesKeyArn"}},
        NOTHING,
    ]
}
#: Kept by the stack's deletion and replacement, and not deletable by hand either.
_KEPT = "Retain"


def resources(prefix: str) -> Json:
    """A resource for every table of every wing, by its logical id; `prefix` is the stage's, for the tables' names."""
    return {logical_id(table): _resource(table, prefix) for table in every_table()}


def every_table() -> list[type[Table]]:
    """Import the tables of all wings; every table, by name."""
    wings.load(importlib.import_module("app").WINGS, "tables")  # a table is known when its module is imported
    return tools.tables()


def indexes_of_tables() -> dict[str, list[str]]:
    """Name the indexes of each table that has some, by the table's name without a prefix."""
    prefix = settings().table_prefix
    return {
        table.Meta.table_name.removeprefix(prefix): sorted(
            index["index_name"] for index in table._get_schema()["global_secondary_indexes"]
        )
        for table in every_table()
        if table._get_schema()["global_secondary_indexes"]
    }


def kept(template: Json, prefix: str) -> Json:
    """The tables of a template that is deployed, for an older version of the code to be deployed with.

    Raises SystemExit when they are another mall's, which has another prefix.
    """
    found = {name: one for name, one in template["Resources"].items() if one["Type"] == "AWS::DynamoDB::Table"}
    names = [one["Properties"]["TableName"] for one in found.values()]
    others = [name for name in names if not name.startswith(prefix)]
    if others or not names:
        raise SystemExit(f"these are not the tables of {prefix}: {others}")
    return found


def logical_id(table: type[Table]) -> str:
    """What the template calls the table: OrdersTable."""
    return permissions.logical_id(_plain_name(table))


def _plain_name(table: type[Table]) -> str:
    return str(table.Meta.table_name).removeprefix(settings().table_prefix)


def _resource(table: type[Table], prefix: str) -> Json:
    schema = table._get_schema()  # private to PynamoDB; it is what its create_table sends
    properties: Json = {
        "TableName": prefix + _plain_name(table),
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": schema["attribute_definitions"],
        "KeySchema": _hash_first(schema["key_schema"]),
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": _OWN_KEY,
        "DeletionProtectionEnabled": True,
    }
    if schema["global_secondary_indexes"]:
        properties["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index["index_name"],
                "KeySchema": _hash_first(index["key_schema"]),
                "Projection": index["projection"],
            }
            for index in schema["global_secondary_indexes"]
        ]
    stream = getattr(table.Meta, "stream", None)
    if stream is not None:
        properties["StreamSpecification"] = {"StreamViewType": stream}
    expires = table._ttl_attribute()  # type: ignore[no-untyped-call]
    if expires is not None:
        properties["TimeToLiveSpecification"] = {"AttributeName": expires.attr_name, "Enabled": True}
    return {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": _KEPT,
        "UpdateReplacePolicy": _KEPT,
        "Properties": properties,
    }


def _hash_first(keys: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(keys, key=lambda key: str(key["KeyType"]))
