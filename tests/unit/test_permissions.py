"""Least privilege: what was seen is what is granted. One permission less or more is found, whichever it is.

Every full run compares the declaration with what all tests together saw (tests/support/permissions.py).
"""

from __future__ import annotations

import json

import msgspec
import pytest

from infra import permissions
from infra.functions import FUNCTIONS
from infra.permissions import Grant, Seen

DECLARED = permissions.declared()
EVERY = [
    (function, name, action)
    for function, grant in DECLARED.items()
    for name, actions in (grant.tables | grant.files | {"": grant.secrets}).items()
    for action in actions
]


def changed(function: str, grant: Grant) -> dict[str, Grant]:
    return DECLARED | {function: grant}


def test_every_function_has_a_grant() -> None:
    assert set(DECLARED) == {function.name for function in FUNCTIONS}
    assert len(EVERY) > 100


def test_every_permission_that_is_taken_away_is_missed() -> None:
    for function, name, action in EVERY:
        grant = DECLARED[function]
        if name in grant.files:
            left = [one for one in grant.files[name] if one != action]
            less = msgspec.structs.replace(grant, files=grant.files | {name: left})
        elif name:
            less = msgspec.structs.replace(
                grant, tables=grant.tables | {name: [one for one in grant.tables[name] if one != action]}
            )
        else:
            less = msgspec.structs.replace(grant, secrets=[one for one in grant.secrets if one != action])
        (found,) = permissions.differences(changed(function, less), DECLARED)
        assert found.startswith(f"{function}: ")
        assert action in found
        assert found.endswith("is missing")


@pytest.mark.parametrize("function", sorted(DECLARED))
def test_a_permission_too_many_is_found(function: str) -> None:
    grant = DECLARED[function]
    more = msgspec.structs.replace(grant, tables=grant.tables | {"orders": [*grant.tables.get("orders", []), "Scan"]})
    assert permissions.differences(changed(function, more), DECLARED) == [f"{function}: Scan on orders is spare"]
    more = msgspec.structs.replace(grant, secrets=[*grant.secrets, "another"])
    assert permissions.differences(changed(function, more), DECLARED) == [f"{function}: secret another is spare"]
    more = msgspec.structs.replace(grant, files={**grant.files, "other/": ["GetObject"]})
    assert permissions.differences(changed(function, more), DECLARED) == [f"{function}: GetObject on other/ is spare"]


def test_what_is_done_with_files_is_granted_where_they_lie() -> None:
    seen = [
        Seen("api", "GetObject", "private/"),
        Seen("api", "PutItem", "uploads"),
        Seen("api", "secret", "token_keys"),
    ]
    grant = permissions.needed(seen)["api"]
    assert grant == Grant({"uploads": ["PutItem"]}, ["token_keys"], {"private/": ["GetObject"]})
    on = [
        (one["Action"], one["Resource"])
        for one in permissions.statements_on_files_and_secrets(grant, {"token_keys": "ssm:k"})
    ]
    assert (["s3:GetObject"], {"Fn::Sub": "${UploadsBucket.Arn}/private/*"}) in on
    assert (["s3:ListBucket"], {"Fn::GetAtt": ["UploadsBucket", "Arn"]}) in on


def test_the_shops_function_can_do_nothing_that_is_only_for_operators() -> None:
    shop = DECLARED["api"].tables
    theirs = {"operators", "audit_entries", "coupon_grants", "movements", "reconciliations"}
    assert not {name.partition("/")[0] for name in shop} & theirs
    reads = {"GetItem", "BatchGetItem", "Query"}
    for table in ("settings_sections", "pricing", "categories", "coupon_templates", "listings", "search_chunks"):
        assert set(shop.get(table, [])) <= reads, table
    assert not {"PutItem", "DeleteItem"} & set(shop["products"]), "a piece that is sold is an update"
    assert not {"GetItem", "DeleteItem", "Query"} & set(shop["jobs"]), "who lets a shopper wait owes a job, no more"


def test_the_operators_function_is_nobody_elses_either() -> None:
    office = DECLARED["operators"]
    assert not {"carts", "links", "link_pictures"} & set(office.tables)
    assert "PutItem" not in office.tables["identities"], "who is one person is said here, and nobody joins"
    assert not {"wechat_secret", "wechat_apiv3_key"} & set(office.secrets), "no shopper logs in here, no notice comes"


def test_nobody_reads_or_deletes_whole_tables() -> None:
    assert not {action for _, name, action in EVERY if name} & {"Scan", "DeleteTable", "CreateTable", "UpdateTable"}


@pytest.mark.parametrize(
    ("operation", "arguments", "asked"),
    [
        ("GetItem", {"TableName": "orders"}, [("GetItem", "orders")]),
        ("Query", {"TableName": "orders", "IndexName": "by_member"}, [("Query", "orders/by_member")]),
        ("BatchGetItem", {"RequestItems": {"a": {}, "b": {}}}, [("BatchGetItem", "a"), ("BatchGetItem", "b")]),
        (
            "TransactWriteItems",
            {"TransactItems": [{kind: {"TableName": kind}} for kind in ("Put", "Update", "Delete", "ConditionCheck")]},
            [("PutItem", "Put"), ("UpdateItem", "Update"), ("DeleteItem", "Delete"),
             ("ConditionCheckItem", "ConditionCheck")],
        ),
    ],
)  # fmt: skip
def test_what_a_call_asks_permission_for(operation: str, arguments: object, asked: list[tuple[str, str]]) -> None:
    assert permissions.actions(operation, arguments) == asked  # type: ignore[arg-type]


def test_who_does_what() -> None:
    seen = [
        Seen("api", "PutItem", "orders"),
        Seen("operators", "PutItem", "audit"),
        Seen("sweep", "Query", "jobs"),
        Seen("sweep", "Query", "jobs_of_many"),
        Seen("job", "GetItem", "stock", "INSIDE"),
        Seen("job", "secret", "wechat_secret", "OUTSIDE"),
        Seen("job", "UpdateItem", "segments", "MANY"),
        Seen("job", "secret", "wechat_oa_secret", "SENDS"),
    ]
    by_key = ["BatchGetItem", "GetItem"]  # one right, of one item or of many
    assert permissions.needed(seen) == {
        "api": Grant({"orders": ["PutItem"]}),
        "operators": Grant({"audit": ["PutItem"]}),
        "run-due-jobs": Grant({"jobs": ["Query"], "stock": by_key}),
        "run-owed-jobs": Grant({"stock": by_key}),
        "run-due-calls": Grant({"jobs": ["Query"]}, ["wechat_secret"]),
        "run-owed-calls": Grant({}, ["wechat_secret"]),
        "run-due-many": Grant({"jobs_of_many": ["Query"], "segments": ["UpdateItem"]}),
        "run-owed-many": Grant({"segments": ["UpdateItem"]}),
        "run-due-sends": Grant({"jobs_of_many": ["Query"]}, ["wechat_oa_secret"]),
        "run-owed-sends": Grant({}, ["wechat_oa_secret"]),
    }


def test_an_index_and_a_secret_in_a_policy() -> None:
    grant = Grant({"group_activities": ["GetItem"], "orders/by_member": ["Query"]}, ["one", "two"])
    assert [statement["Resource"] for statement in permissions.statements_on_tables(grant)] == [
        [{"Fn::Sub": "${GroupActivitiesTable.Arn}"}],
        [{"Fn::Sub": "${OrdersTable.Arn}/index/by_member"}],
    ]
    kept = {"one": "secretsmanager:mall/one", "two": "ssm:/mall/two"}
    one, two = permissions.statements_on_files_and_secrets(grant, kept)
    assert "secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:mall/one-??????" in json.dumps(one)
    assert "ssm:${AWS::Region}:${AWS::AccountId}:parameter/mall/two" in json.dumps(two)
