"""The functions: each with its memory, time-out, log group and role, and with what wakes it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from chalicelib.platform.jobs.declarations import INSIDE, MANY, OUTSIDE, SENDS, Lane
from infra import NOTHING, permissions

Json = dict[str, Any]


class Function(NamedTuple):
    """A function: its name in the template and in app.py; what wakes it, and which jobs it runs."""

    logical_id: str
    name: str
    wakes: str = ""
    lane: Lane | None = None
    #: The condition under which it calls from the fixed address.
    fixed: str = ""


FUNCTIONS = (
    Function("APIHandler", "api", fixed="AllFixed"),
    Function("Operators", "operators", fixed="AllFixed"),
    Function("RunDueJobs", "run-due-jobs", "schedule", INSIDE),
    Function("RunDueCalls", "run-due-calls", "schedule", OUTSIDE, fixed="CallsFixed"),
    Function("RunDueMany", "run-due-many", "schedule", MANY),
    Function("RunDueSends", "run-due-sends", "schedule", SENDS, fixed="CallsFixed"),
    Function("RunOwedJobs", "run-owed-jobs", "stream", INSIDE),
    Function("RunOwedCalls", "run-owed-calls", "stream", OUTSIDE, fixed="CallsFixed"),
    Function("RunOwedMany", "run-owed-many", "stream", MANY),
    Function("RunOwedSends", "run-owed-sends", "stream", SENDS, fixed="CallsFixed"),
)
#: How many batches of its records each shard of the stream hands out at once, by the lane of their reader. AWS keeps
#: the order of an item, which here is a job, whatever shard of jobs it is in. It is the most that Lambda does; but
#: outside WeChat bounds it, which takes 150 refunds a second and 100 transfers: the four shards of a new table's stream
#: then have 12 readers, and these send 100 a second, at 120 ms each. What is sent to very many has 16: 80 a second, at
#: 200 ms each, and a hundred thousand within 21 minutes.
BATCHES_AT_ONCE = {INSIDE: 10, OUTSIDE: 3, MANY: 10, SENDS: 4}
_UNREAD = {"Fn::GetAtt": ["UnreadJobs", "Arn"]}
#: What there must be before a function in the VPC can call anybody, by the condition that puts it there. Where requests
#: are answered there, secrets are read past the NAT gateway, which stands in one zone.
_WAYS_OUT = ("PrivateRoute", "PrivateSubnetARoutes", "PrivateSubnetBRoutes", "DynamoDBEndpoint")
_WAITS_FOR = {"CallsFixed": _WAYS_OUT, "AllFixed": (*_WAYS_OUT, "SecretsEndpoint")}
#: Of each worker that a schedule wakes: one is woken every minute, and each lives up to 83 seconds.
_ALIVE_AT_ONCE = 2
#: The mall's lines are JSON and stay as they are; of Lambda's own those that tell of a fault.
_LOGGING = {"LogFormat": "JSON", "SystemLogLevel": "WARN"}
#: What Chalice wants to find in the event of a schedule.
_MINUTE: Json = {
    "version": "0", "id": "", "detail-type": "Scheduled Event", "source": "aws.events", "account": "", "time": "",
    "region": "", "resources": [],
}  # fmt: skip


def physical_name(function: Function) -> Json:
    """What the function is called in AWS: the stack's name and its own."""
    return {"Fn::Sub": f"${{AWS::StackName}}-{function.name}"}


def resources(variables: Json, secrets: dict[str, str], workers: int) -> Json:
    """What is merged into Chalice's functions, and a role and a log group for each.

    `variables` are those whose values are given at deployment; `secrets` says where each secret is kept; each schedule
    wakes so many `workers`.
    """
    granted = permissions.declared()
    found: Json = {}
    for function in FUNCTIONS:
        name = function.logical_id
        found[name] = {"DependsOn": f"{name}Logs", "Properties": _properties(function, variables, workers)}
        found[f"{name}Role"] = _role(function, granted[function.name])
        found[f"{name}Policy"] = _policy(function, granted[function.name], secrets)
        found[f"{name}Logs"] = {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": _log_group(function), "RetentionInDays": {"Ref": "LogDays"}},
        }
    return found


def _properties(function: Function, variables: Json, workers: int) -> Json:
    traced = {"YUTANG_TRACE": {"Fn::If": ["HasXRay", "true", "false"]}}
    properties: Json = {
        "FunctionName": physical_name(function),
        "Role": {"Fn::GetAtt": [f"{function.logical_id}Role", "Arn"]},
        "Tracing": {"Fn::If": ["HasXRay", "Active", "PassThrough"]},
        "LoggingConfig": _LOGGING,
        "Environment": {"Variables": variables | traced},
    }
    if function.fixed:
        network = {
            "SubnetIds": [{"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}],
            "SecurityGroupIds": [{"Ref": "OutwardOnly"}],
        }
        properties["VpcConfig"] = {"Fn::If": [function.fixed, network, NOTHING]}
        # Nobody reads it: CloudFormation moves the function only once these are there. DependsOn knows no condition.
        ways = {"Fn::Join": [" ", [{"Ref": way} for way in _WAITS_FOR[function.fixed]]]}
        properties["Environment"]["Variables"]["YUTANG_WAYS_OUT"] = {"Fn::If": [function.fixed, ways, NOTHING]}
    if function.wakes:
        # A flood of requests may take all other environments of the account; what moves money goes on.
        kept = {"Ref": "WorkersReserved"} if function.wakes == "stream" else _ALIVE_AT_ONCE * workers
        properties["ReservedConcurrentExecutions"] = {"Fn::If": ["WorkersKept", kept, NOTHING]}
    if function.wakes == "stream":
        properties["Events"] = {f"{function.logical_id}DynamodbEventSource": {"Properties": _stream(function)}}
    if function.wakes == "schedule":
        # The next minute's invocation does what this one could not.
        properties["EventInvokeConfig"] = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
        properties["Events"] = _schedules(function, workers)
    return properties


def _schedules(function: Function, workers: int) -> Json:
    """Chalice's own event, for the first part of the shards, and one for each further worker."""
    retries = {"RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}}
    events: Json = {f"{function.logical_id}Event": {"Properties": retries}}
    for part in range(1, workers):
        told = _MINUTE | {"detail": {"part": part}}
        more = {"Schedule": "rate(1 minute)", "Input": msgspec.json.encode(told).decode()}
        events[f"{function.logical_id}Event{part}"] = {"Type": "Schedule", "Properties": retries | more}
    return events


def _stream_arn(function: Function) -> Json:
    """The stream of the table in which the jobs of the function's lane lie."""
    assert function.lane is not None
    return {"Fn::GetAtt": [permissions.logical_id(function.lane.table), "StreamArn"]}


def _stream(function: Function) -> Json:
    assert function.lane is not None
    pattern = {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"shard": {"S": [{"prefix": function.lane}]}}, "NewImage": {"at_once": {"BOOL": [True]}}},
    }
    return {
        "Stream": _stream_arn(function),
        "StartingPosition": "TRIM_HORIZON",
        "FilterCriteria": {"Filters": [{"Pattern": msgspec.json.encode(pattern).decode()}]},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "ParallelizationFactor": BATCHES_AT_ONCE[function.lane],
        "MaximumRetryAttempts": 2,  # after that the job waits for the next minute's schedule
        "MaximumRecordAgeInSeconds": 3600,
        "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": _UNREAD}},
    }


def _role(function: Function, granted: permissions.Grant) -> Json:
    """The role of a function: its own policy says what it may do with tables, and that beside it the rest. IAM bounds
    the length of either."""
    own = _document(permissions.statements_on_tables(granted))
    trusted = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": _document([trusted]),
            "Policies": [{"PolicyName": "own", "PolicyDocument": own}],
            "ManagedPolicyArns": [{"Ref": f"{function.logical_id}Policy"}],
        },
    }


def _policy(function: Function, granted: permissions.Grant, secrets: dict[str, str]) -> Json:
    """What a function may do beside reading and writing tables."""
    statements = [
        permissions.allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": [f"{function.logical_id}Logs", "Arn"]}
        ),
        {"Fn::If": ["HasXRay", permissions.allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*"), NOTHING]},
        *permissions.statements_on_files_and_secrets(granted, secrets),
        {"Fn::If": ["HasTablesKey", _by_tables_key(), NOTHING]},
    ]
    if function.lane is OUTSIDE:
        statements += [{"Fn::If": ["HasEventsBucket", allowed, NOTHING]} for allowed in _exports_events()]
    if function.wakes == "stream":
        reads = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        statements.append(permissions.allow([f"dynamodb:{action}" for action in reads], _stream_arn(function)))
        statements.append(permissions.allow(["sqs:SendMessage"], _UNREAD))
    if function.fixed:
        interfaces = [
            f"ec2:{action}"
            for action in (
                "CreateNetworkInterface", "DeleteNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets",
                "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses",
            )
        ]  # fmt: skip
        statements.append(
            {"Fn::If": [function.fixed, permissions.allow(interfaces, "*"), NOTHING]}
        )  # they know no narrower one
    return {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": _document(statements)}}


def _document(statements: list[Json]) -> Json:
    return {"Version": "2012-10-17", "Statement": statements}


def _exports_events() -> list[Json]:
    """What DynamoDB does in the name of who has it write events to the merchant's bucket (its developer guide:
    requesting a table export)."""
    within = {"Fn::Sub": "arn:${AWS::Partition}:s3:::${EventsBucket}/member_events/*"}
    return [
        permissions.allow(["dynamodb:ExportTableToPointInTime"], permissions.table_arn("member_events")),
        permissions.allow(["s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl"], within),
    ]


def _by_tables_key() -> Json:
    """What DynamoDB does with a key of the merchant's own, in the name of who reads and writes the tables."""
    via = {"StringEquals": {"kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"}}}
    actions = [f"kms:{action}" for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey")]
    return permissions.allow(actions, {"Ref": "TablesKeyArn"}) | {"Condition": via}


def _log_group(function: Function) -> Json:
    return {"Fn::Sub": f"/aws/lambda/${{AWS::StackName}}-{function.name}"}
