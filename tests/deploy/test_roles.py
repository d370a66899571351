"""The roles of the built template: exactly the permissions that are declared or known to be needed, each on what it is
for and under its condition. One less, one more or another in its place is a difference, whichever it is."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra import permissions, sam
from infra.functions import FUNCTIONS, Function
from infra.tables import indexes_of_tables

pytestmark = pytest.mark.slow

Json = dict[str, Any]
#: One permission: whose role, allowed or not, the action, on what, and under which condition of the template.
Right = tuple[str, str, str, str, str]

ROLES = [f"{function.logical_id}Role" for function in FUNCTIONS]
#: IAM's quotas of a role's own policies together, and of a policy beside it, in characters without spaces.
OWN_MAX, POLICY_MAX = 10_240, 6_144
#: What Lambda itself asks a function's role for (AWS's Lambda developer guide: execution role, VPC, DynamoDB streams).
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
XRAY = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
VPC = (
    "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
)  # fmt: skip
STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
#: What DynamoDB asks of who uses a table that is encrypted by a key of the account's own, and of nobody else.
KEY = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
FIXED = {
    "api": "AllFixed", "operators": "AllFixed", "run-due-calls": "CallsFixed", "run-owed-calls": "CallsFixed",
    "run-due-sends": "CallsFixed", "run-owed-sends": "CallsFixed",
}  # fmt: skip
#: What DynamoDB asks of who exports a table (its developer guide: requesting a table export).
EXPORTS_EVENTS = {"run-due-calls", "run-owed-calls"}
TO_S3 = ("s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl")
READS_THE_STREAM_OF = {
    "run-owed-jobs": "JobsTable", "run-owed-calls": "JobsTable",
    "run-owed-many": "JobsOfManyTable", "run-owed-sends": "JobsOfManyTable",
}  # fmt: skip
NOTHING = {"Ref": "AWS::NoValue"}
SECRET = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:yutang/prod/%s-??????"


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def granted(resources: Json) -> set[Right]:
    """Every permission that the template's roles have, by their own policies and by those of the template that they
    name; what is not of the form known here is one too, as it stands."""
    found = set()
    named: set[str] = set()
    for name, resource in resources.items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        properties = dict(resource["Properties"])
        trust = properties.pop("AssumeRolePolicyDocument", None)
        found.add((name, "trust", text(trust), "", str(resource.get("Condition", ""))))
        others = properties.pop("ManagedPolicyArns", [])
        known = [one["Ref"] for one in others if "Ref" in one and one["Ref"] in resources]
        named.update(known)
        documents = [policy["PolicyDocument"] for policy in properties.pop("Policies", [])]
        documents += [resources[one]["Properties"]["PolicyDocument"] for one in known]
        for document in documents:
            for statement in document["Statement"]:
                found |= set(rights(name, statement))
        if more := [one for one in others if "Ref" not in one or one["Ref"] not in known]:
            properties["ManagedPolicyArns"] = more
        found |= {(name, "?", other, text(value), "") for other, value in properties.items()}
    for name, resource in resources.items():
        if resource["Type"].startswith("AWS::IAM::") and resource["Type"] != "AWS::IAM::Role":
            only = resource["Properties"].keys() == {"PolicyDocument"} and name in named
            found |= set() if only else {(name, "?", "", text(resource), "")}
    return found


def rights(role: str, statement: Json, condition: str = "") -> Iterator[Right]:
    """Those of one statement."""
    if statement.keys() == {"Fn::If"}:
        condition, within, otherwise = statement["Fn::If"]
        yield from rights(role, within, condition)
        if otherwise != NOTHING:
            yield from rights(role, otherwise, f"not {condition}")
    elif statement.keys() == {"Effect", "Action", "Resource"}:
        told = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        for action in statement["Action"]:
            for resource in (each for one in told for each in _each(one)):
                yield role, statement["Effect"], action, text(resource), condition
    else:
        yield role, "?", text(statement), "", condition


def _each(resource: Any) -> list[Any]:
    """All indexes of a table, one by one, where it is all of them that are meant; else the resource."""
    told = resource.get("Fn::Sub") if isinstance(resource, dict) else None
    whole = re.fullmatch(r"\$\{(\w+Table)\.Arn\}/index/\*", told) if isinstance(told, str) else None
    if whole is None:
        return [resource]
    by_table = {permissions.logical_id(table): names for table, names in indexes_of_tables().items()}
    return [{"Fn::Sub": f"${{{whole[1]}.Arn}}/index/{name}"} for name in by_table[whole[1]]]


def expected(function: Function) -> set[Right]:
    """Every permission that the function is to have."""
    role, declared = f"{function.logical_id}Role", permissions.declared()[function.name]

    def allow(actions: tuple[str, ...], on: Any, condition: str = "") -> set[Right]:
        return {(role, "Allow", action, text(on), condition) for action in actions}

    trusted = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    found = {(role, "trust", text({"Version": "2012-10-17", "Statement": [trusted]}), "", "")}
    found |= allow(LOGS, {"Fn::GetAtt": [f"{function.logical_id}Logs", "Arn"]})
    found |= allow(XRAY, "*", "HasXRay")  # these know no narrower resource, nor do network interfaces
    if function.name in FIXED:
        found |= allow(VPC, "*", FIXED[function.name])
    if function.name in EXPORTS_EVENTS:
        table = {"Fn::Sub": "${MemberEventsTable.Arn}"}
        found |= allow(("dynamodb:ExportTableToPointInTime",), table, "HasEventsBucket")
        found |= allow(
            TO_S3, {"Fn::Sub": "arn:${AWS::Partition}:s3:::${EventsBucket}/member_events/*"}, "HasEventsBucket"
        )
    if function.name in READS_THE_STREAM_OF:
        found |= allow(STREAM, {"Fn::GetAtt": [READS_THE_STREAM_OF[function.name], "StreamArn"]})
        found |= allow(("sqs:SendMessage",), {"Fn::GetAtt": ["UnreadJobs", "Arn"]})
    for name, actions in declared.tables.items():
        table, _, index = name.partition("/")
        logical = re.sub(r"(?:^|[-_])(\w)", lambda match: match[1].upper(), table) + "Table"
        arn = {"Fn::Sub": f"${{{logical}.Arn}}/index/{index}" if index else f"${{{logical}.Arn}}"}
        found |= allow(tuple(f"dynamodb:{action}" for action in actions), arn)
    for where, actions in declared.files.items():
        found |= allow(tuple(f"s3:{action}" for action in actions), {"Fn::Sub": f"${{UploadsBucket.Arn}}/{where}*"})
    if any("GetObject" in actions for actions in declared.files.values()):
        found |= allow(("s3:ListBucket",), {"Fn::GetAtt": ["UploadsBucket", "Arn"]})
    via = {"StringEquals": {"kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"}}}
    by_key = {"Effect": "Allow", "Action": [*KEY], "Resource": {"Ref": "TablesKeyArn"}, "Condition": via}
    found.add((role, "?", text(by_key), "", "HasTablesKey"))
    for secret in declared.secrets:
        found |= allow(("secretsmanager:GetSecretValue",), {"Fn::Sub": SECRET % secret})
    return found


def of_api_gateway() -> set[Right]:
    """The role that is no function's: API Gateway writes its access log by AWS's own policy for that."""
    policy = {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}
    trusted = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {
        ("ApiLogsRole", "trust", text({"Version": "2012-10-17", "Statement": [trusted]}), "", ""),
        ("ApiLogsRole", "?", "ManagedPolicyArns", text([policy]), ""),
    }


def test_the_roles_grant_what_is_needed_and_nothing_else(resources: Json) -> None:
    wanted = {right for function in FUNCTIONS for right in expected(function)} | of_api_gateway()
    assert granted(resources) - wanted == set()
    assert wanted - granted(resources) == set()


@pytest.fixture(scope="module", params=FUNCTIONS, ids=[function.name for function in FUNCTIONS])
def one(request: pytest.FixtureRequest, resources: Json) -> tuple[str, Json, set[Right]]:
    """The name of a function's role, the template's resources reduced to it, and what it is to grant."""
    role, policy = f"{request.param.logical_id}Role", f"{request.param.logical_id}Policy"
    return role, {role: resources[role], policy: resources[policy]}, expected(request.param)


def test_only_the_api_and_the_schedules_may_wake_a_function(template: Json) -> None:
    """Those of the streams fetch for themselves. Roles and permissions as SAM's transform leaves them."""
    made = sam.expanded(template, "cn-north-1")["Resources"]
    woken = {
        (one["Properties"]["FunctionName"]["Ref"], one["Properties"]["Principal"], one["Properties"]["Action"])
        for one in made.values()
        if one["Type"] == "AWS::Lambda::Permission" and one["Properties"]["SourceArn"]
    }
    assert woken == {
        ("APIHandler", "apigateway.amazonaws.com", "lambda:InvokeFunction"),
        ("Operators", "apigateway.amazonaws.com", "lambda:InvokeFunction"),
        ("RunDueJobs", "events.amazonaws.com", "lambda:InvokeFunction"),
        ("RunDueCalls", "events.amazonaws.com", "lambda:InvokeFunction"),
        ("RunDueMany", "events.amazonaws.com", "lambda:InvokeFunction"),
        ("RunDueSends", "events.amazonaws.com", "lambda:InvokeFunction"),
    }
    others = len(woken) + len(["ApiLogsRole"])
    told = sum(one["Type"].startswith(("AWS::Lambda::Perm", "AWS::IAM")) for one in made.values())
    assert told == others + 2 * len(ROLES), "a role and a policy of each function"


def test_a_data_action_is_on_tables_by_name(resources: Json) -> None:
    wide = {right[2] for right in granted(resources) if right[3] == '"*"' or "*" in right[2]}
    assert wide == {*XRAY, *VPC}


Place = tuple[str | int, ...]


def places(roles: Json, role: str) -> list[Place]:
    """Where each statement of the role stands."""
    own: Place = (role, "Properties", "Policies", 0, "PolicyDocument", "Statement")
    beside: Place = (f"{role.removesuffix('Role')}Policy", "Properties", "PolicyDocument", "Statement")
    return [(*where, number) for where in (own, beside) for number in range(len(at(roles, where)))]


def at(roles: Json, place: Place) -> Any:
    """What stands there."""
    found: Any = roles
    for step in place:
        found = found[step]
    return found


def bare(statement: Json) -> Json:
    """The statement, out of its condition."""
    found: Json = statement["Fn::If"][1] if "Fn::If" in statement else statement
    return found


def parts(roles: Json, role: str) -> Iterator[Place]:
    """Where each statement, action and resource of the role stands."""
    for place in places(roles, role):
        yield place
        statement = at(roles, place)
        within = (*place, "Fn::If", 1) if "Fn::If" in statement else place
        for name in ("Action", "Resource"):
            several = bare(statement)[name]
            yield from ((*within, name, index) for index in range(len(several)) if isinstance(several, list))


def test_every_permission_that_is_taken_away_is_missed(one: tuple[str, Json, set[Right]]) -> None:
    role, roles, wanted = one
    everything = list(parts(roles, role))
    assert len(everything) > len(places(roles, role)) + 10
    for *way, last in everything:
        less = copy.deepcopy(roles)
        del at(less, tuple(way))[last]
        assert wanted - granted(less), (*way, last)
    less = copy.deepcopy(roles)
    less[role]["Properties"]["ManagedPolicyArns"].clear()
    assert wanted - granted(less), "the policy beside the role's own"


SPARE = [
    ("sqs:DeleteQueue", {"Fn::GetAtt": ["UnreadJobs", "Arn"]}),
    ("ssm:PutParameter", "*"),
    ("iam:PassRole", "*"),
    ("ec2:TerminateInstances", "*"),
    ("dynamodb:Scan", {"Fn::Sub": "${OrdersTable.Arn}"}),
    ("dynamodb:DeleteTable", "*"),
    ("secretsmanager:PutSecretValue", "*"),
    ("logs:*", "*"),
]


def test_a_permission_too_many_is_found(one: tuple[str, Json, set[Right]]) -> None:
    role, roles, wanted = one
    for action, resource in SPARE:
        for *where, _ in {place[:-1]: place for place in places(roles, role)}.values():
            more = copy.deepcopy(roles)
            at(more, tuple(where)).append({"Effect": "Allow", "Action": [action], "Resource": resource})
            assert granted(more) - wanted == {(role, "Allow", action, text(resource), "")}
        for place in places(roles, role):  # on what another statement is for
            more = copy.deepcopy(roles)
            bare(at(more, place))["Action"].append(action)
            assert granted(more) - wanted
    more = copy.deepcopy(roles)
    more[role]["Properties"]["ManagedPolicyArns"].append("arn:x")
    assert granted(more) - wanted == {(role, "?", "ManagedPolicyArns", text(["arn:x"]), "")}
    more = copy.deepcopy(roles)
    more[role]["Properties"]["PermissionsBoundary"] = "arn:x"
    assert granted(more) - wanted == {(role, "?", "PermissionsBoundary", text("arn:x"), "")}
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        policy = {"Type": kind, "Properties": {"Roles": [{"Ref": role}], "PolicyDocument": {"Statement": []}}}
        assert granted({**roles, "More": policy}) - wanted


def test_another_resource_effect_or_condition_in_its_place_is_found(one: tuple[str, Json, set[Right]]) -> None:
    role, roles, wanted = one
    for place in places(roles, role):
        statement = at(roles, place)
        within = bare(statement)
        others = [bare(at(roles, other))["Resource"] for other in places(roles, role) if other != place]
        for change in (
            *({"Resource": other} for other in others if text(other) != text(within["Resource"])),
            {"Effect": "Deny"},
            {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        ):
            changed = copy.deepcopy(roles)
            bare(at(changed, place)).update(change)
            assert granted(changed) != wanted
        changed = copy.deepcopy(roles)
        conditional = {"Fn::If": ["HasDomain", within, NOTHING]}
        at(changed, place[:-1])[place[-1]] = within if "Fn::If" in statement else conditional
        assert granted(changed) != wanted


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_within_what_iam_takes(role: str, resources: Json) -> None:
    made = {logical: one["Properties"] for logical, one in resources.items() if one["Type"] == "AWS::DynamoDB::Table"}
    names = {f"${{{logical}.Arn}}": properties["TableName"] for logical, properties in made.items()}

    def arn(match: re.Match[str]) -> str:
        return f"arn:aws-cn:dynamodb:cn-northwest-1:123456789012:table/{names[match[0]]}"

    def length(document: Json) -> int:
        policy = json.dumps(document, separators=(",", ":"))
        policy = re.sub(r'\{"Fn::Sub":("\$\{\w+Table\.Arn\}")\}', r"\1", policy)
        return len(re.sub(r"\$\{\w+Table\.Arn\}", arn, policy))

    own, beside = resources[role]["Properties"]["Policies"], resources[f"{role.removesuffix('Role')}Policy"]
    assert sum(length(one["PolicyDocument"]) for one in own) < OWN_MAX * 0.9
    assert length(beside["Properties"]["PolicyDocument"]) < POLICY_MAX * 0.9
