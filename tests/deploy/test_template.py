"""The template: every function with its role, every table kept and guarded, alarms on what is really counted; and right
for a region of China as for one elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bench.cost import traffic
from chalicelib.core.metrics import NAMESPACE, Metric
from chalicelib.core.settings import settings
from chalicelib.platform.jobs.declarations import INSIDE, MANY, OUTSIDE, SENDS, Lane
from infra import alarms, functions, package, permissions, sam, tables
from infra.functions import FUNCTIONS

pytestmark = pytest.mark.slow

REGIONS = ("cn-north-1", "ap-southeast-1")
NAMES = [function.logical_id for function in FUNCTIONS]
SCHEDULES = ["RunDueJobs", "RunDueCalls", "RunDueMany", "RunDueSends"]
SECRETS = ("TOKEN_KEYS", "IDENTITY_KEY", "WECHAT_SECRET", "WECHAT_MERCHANT_KEY", "WECHAT_APIV3_KEY", "WECHAT_PAY_KEYS")

Json = dict[str, Any]


@pytest.fixture(scope="module", params=REGIONS)
def expanded(request: pytest.FixtureRequest, template: Json) -> tuple[str, Json]:
    """A region, and the template as CloudFormation has it there."""
    return request.param, sam.expanded(template, request.param)


def lint(folder: Path, *templates: Json) -> str:
    """What cfn-lint says of them, for all regions at once."""
    files = [folder / f"template-{number}.json" for number in range(len(templates))]
    for file, template in zip(files, templates, strict=True):
        file.write_text(json.dumps(template))
    command = [sys.executable, "-c", "from cfnlint.runner import main; main()"]
    command += ["-r", *REGIONS, "-t", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_it_is_clean(template: Json, tmp_path: Path) -> None:
    """As it is written, and as CloudFormation has it in each region: once where that is the same."""
    told: list[Json] = []
    for region in REGIONS:
        expanded = sam.expanded(template, region)
        told += [] if expanded in told else [expanded]
    assert lint(tmp_path, template, *told) == ""


def test_the_linter_is_awake(template: Json, tmp_path: Path) -> None:
    wrong = json.loads(json.dumps(sam.expanded(template, REGIONS[0])))
    wrong["Resources"] = {name: wrong["Resources"][name] for name in ("RunDueJobsRole", "OrdersTable")}
    wrong["Resources"]["RunDueJobsRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"] = 7
    wrong["Resources"]["OrdersTable"]["Properties"]["BillingMode"] = "FREE"
    assert {"E3510", "E3030"} <= set(re.findall(r"\bE\d{4}\b", lint(tmp_path, wrong)))


def test_no_partition_of_aws_is_named(expanded: tuple[str, Json], built: Path) -> None:
    for text in ((built / "sam.json").read_text(), json.dumps(expanded[1])):
        assert not re.search(r"arn:aws|amazonaws\.com\.cn|us-east-1", text)
        services = r"(lambda|events|apigateway|cloudwatch)\.amazonaws\.com"
        services += r"|com\.amazonaws\.\$\{AWS::Region\}\.(dynamodb|secretsmanager)"
        assert "amazonaws" not in re.sub(services, "", text)


def test_everything_is_regional_and_traced_where_that_can_be(template: Json, resources: Json) -> None:
    assert resources["RestAPI"]["Properties"]["EndpointConfiguration"] == "REGIONAL"
    assert resources["RestAPI"]["Properties"]["DefinitionBody"]["x-amazon-apigateway-binary-media-types"] == ["*/*"]
    assert resources["ApiDomain"]["Properties"]["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert resources["ApiFirewall"]["Properties"]["Scope"] == "REGIONAL"
    assert template["Conditions"]["InChina"] == {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws-cn"]}
    elsewhere, wanted = template["Conditions"]["HasXRay"]["Fn::And"]
    assert elsewhere == {"Fn::Not": [{"Condition": "InChina"}]}
    assert wanted == {"Fn::Not": [{"Fn::Equals": [{"Ref": "TracedShare"}, 0]}]}
    for name in NAMES:
        properties = resources[name]["Properties"]
        assert properties["Tracing"] == {"Fn::If": ["HasXRay", "Active", "PassThrough"]}
        assert properties["Environment"]["Variables"]["YUTANG_TRACE"] == {"Fn::If": ["HasXRay", "true", "false"]}


def test_of_requests_the_share_that_is_wanted_is_traced(resources: Json, template: Json) -> None:
    rule = resources["TracedRequests"]
    told = rule["Properties"]["SamplingRule"]
    assert rule["Condition"] == "HasXRay"
    assert (told["ReservoirSize"], told["FixedRate"]) == (0, {"Ref": "TracedShare"})
    # API Gateway calls itself by the API's name and the stage's.
    assert resources["RestAPI"]["Properties"]["Name"] == {"Fn::Sub": "${AWS::StackName}"}
    assert (told["ServiceType"], told["ServiceName"]) == ("AWS::ApiGateway::Stage", {"Fn::Sub": "${AWS::StackName}/*"})
    assert template["Parameters"]["TracedShare"]["Default"] == traffic.TRACED_SHARE.number


def test_of_lambda_s_own_lines_those_of_faults_are_kept(resources: Json) -> None:
    """The mall's own lines, its metrics among them, are JSON and stay as they are (AWS's Lambda developer guide)."""
    for name in NAMES:
        assert resources[name]["Properties"]["LoggingConfig"] == {"LogFormat": "JSON", "SystemLogLevel": "WARN"}


def test_each_function_is_its_own(resources: Json) -> None:
    handlers = {name: resources[name]["Properties"]["Handler"] for name in NAMES}
    assert handlers == {
        "APIHandler": "app.app", "Operators": "app.operators",
        "RunDueJobs": "app.run_due_jobs", "RunDueCalls": "app.run_due_calls", "RunDueMany": "app.run_due_many",
        "RunDueSends": "app.run_due_sends",
        "RunOwedJobs": "app.run_owed_jobs", "RunOwedCalls": "app.run_owed_calls", "RunOwedMany": "app.run_owed_many",
        "RunOwedSends": "app.run_owed_sends",
    }  # fmt: skip
    sizes = {
        name: (resources[name]["Properties"]["MemorySize"], resources[name]["Properties"]["Timeout"]) for name in NAMES
    }
    assert sizes == {
        "APIHandler": (512, 29), "Operators": (1024, 29),
        "RunDueJobs": (512, 83), "RunDueCalls": (512, 83), "RunDueMany": (512, 83),
        "RunDueSends": (512, 83),
        "RunOwedJobs": (512, 58), "RunOwedCalls": (512, 58), "RunOwedMany": (512, 58),
        "RunOwedSends": (512, 58),
    }  # fmt: skip
    for name in NAMES:
        properties = resources[name]["Properties"]
        assert properties["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
        assert properties["Environment"]["Variables"]["YUTANG_PUBLIC_URL"] == {"Ref": "PublicUrl"}
        assert properties["Environment"]["Variables"]["YUTANG_TABLE_PREFIX"] == "yutang-"
        logs = resources[f"{name}Logs"]["Properties"]
        assert logs["RetentionInDays"] == {"Ref": "LogDays"}
        assert logs["LogGroupName"]["Fn::Sub"] == "/aws/lambda/" + properties["FunctionName"]["Fn::Sub"]
    roles = [name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"]
    assert sorted(roles) == sorted(["ApiLogsRole", *(f"{name}Role" for name in NAMES)])


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedules_fire_every_minute_and_not_again(name: str, resources: Json) -> None:
    (rule,) = resources[name]["Properties"]["Events"].values()
    assert rule["Properties"]["Schedule"] == "rate(1 minute)"
    assert rule["Properties"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert resources[name]["Properties"]["EventInvokeConfig"]["MaximumRetryAttempts"] == 0


def test_each_further_worker_is_told_its_part_of_the_shards() -> None:
    kept = {name: f"ssm:/{name}" for grant in permissions.declared().values() for name in grant.secrets}
    found = functions.resources({}, kept, workers=3)
    for name in SCHEDULES:
        first, *others = found[name]["Properties"]["Events"].values()
        assert "Input" not in first["Properties"], "Chalice's own"
        assert [json.loads(one["Properties"]["Input"])["detail"] for one in others] == [{"part": 1}, {"part": 2}]
        assert {one["Properties"]["Schedule"] for one in others} == {"rate(1 minute)"}
        assert {one["Properties"]["RetryPolicy"]["MaximumRetryAttempts"] for one in others} == {0}


@pytest.mark.parametrize("workers", [1, 2, 16])
def test_a_worker_that_is_not_woken_any_more_is_missed(workers: int) -> None:
    """Each is woken five times in the five minutes that the alarm looks at, give or take one."""
    for name in SCHEDULES:
        alarm = alarms.alarms("prod", workers)[f"{name}Missing"]
        assert (alarm.below, alarm.silence, alarm.seconds) == (True, "breaching", 300)
        assert 5 * (workers - 1) + 1 < alarm.at <= 5 * workers - 1


@pytest.mark.parametrize(("lane", "seconds"), [("Inside", 300), ("Outside", 300), ("Many", 60), ("Sends", 1800)])
def test_what_waits_too_long_rings_and_a_minute_that_was_missed_does_not(lane: str, seconds: int) -> None:
    """Where no worker is woken in a minute, that is silent, and what was due in it is late to the next one's: what is
    said of that lies in the minutes in which it, and the one that it meets, end. Three in a row."""
    alarm = alarms.alarms("prod", 1)[f"{lane}JobsLate"]
    assert (alarm.at, alarm.statistic, alarm.seconds, alarm.below) == (seconds, "Maximum", 60, False)
    assert (alarm.silence, alarm.periods) == ("breaching", alarm.of)
    assert alarm.periods > 3


def test_there_are_workers_and_no_more_of_them_than_shards() -> None:
    shards = {"YUTANG_JOB_SHARDS": "4"}
    assert [package.worker_count(shards | {"YUTANG_JOB_WORKERS": number}) for number in ("1", "4")] == [1, 4]
    for number in ("0", "5", "-1"):
        with pytest.raises(SystemExit, match="YUTANG_JOB_WORKERS must be from 1 to YUTANG_JOB_SHARDS"):
            package.worker_count(shards | {"YUTANG_JOB_WORKERS": number})


@pytest.mark.parametrize(
    ("name", "lane", "table", "at_once", "records"),
    [("RunOwedJobs", INSIDE, "JobsTable", 10, 25), ("RunOwedCalls", OUTSIDE, "JobsTable", 3, 25),
     ("RunOwedMany", MANY, "JobsOfManyTable", 10, 25), ("RunOwedSends", SENDS, "JobsOfManyTable", 4, 5)],
)  # fmt: skip
def test_a_stream_wakes_a_worker_for_each_lanes_jobs_owed_at_once(
    name: str, lane: Lane, table: str, at_once: int, records: int, resources: Json
) -> None:
    (source,) = resources[name]["Properties"]["Events"].values()
    properties = source["Properties"]
    assert properties["Stream"] == {"Fn::GetAtt": [table, "StreamArn"]}
    assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert properties["BisectBatchOnFunctionError"] is True
    assert (properties["ParallelizationFactor"], properties["BatchSize"]) == (at_once, records)
    assert 0 < properties["MaximumRetryAttempts"] < 10
    failed = {"Type": "SQS", "Destination": {"Fn::GetAtt": ["UnreadJobs", "Arn"]}}
    assert properties["DestinationConfig"] == {"OnFailure": failed}
    (wanted,) = properties["FilterCriteria"]["Filters"]
    assert json.loads(wanted["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"shard": {"S": [{"prefix": lane}]}}, "NewImage": {"at_once": {"BOOL": [True]}}},
    }
    assert resources[table]["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_no_stream_has_more_readers_than_dynamodb_serves(resources: Json) -> None:
    sources = [
        source["Properties"]["Stream"]["Fn::GetAtt"][0]
        for name in NAMES
        for source in resources[name]["Properties"].get("Events", {}).values()
        if "Stream" in source["Properties"]
    ]
    assert Counter(sources) == {"JobsTable": 2, "JobsOfManyTable": 2}


def test_every_table_is_kept_and_guarded(resources: Json) -> None:
    prefix = settings().table_prefix
    for table in tables.every_table():
        resource = resources[tables.logical_id(table)]
        properties = resource["Properties"]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
        assert properties["TableName"] == "yutang-" + table.Meta.table_name.removeprefix(prefix)
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["SSESpecification"] == {
            "Fn::If": [
                "HasTablesKey",
                {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "TablesKeyArn"}},
                {"Ref": "AWS::NoValue"},
            ]
        }
        assert properties["DeletionProtectionEnabled"] is True
    expires = resources["AuditEntriesTable"]["Properties"]["TimeToLiveSpecification"]
    assert expires == {"AttributeName": "expires", "Enabled": True}


def test_the_tables_are_made_as_the_code_says_them(template: Json, resources: Json) -> None:
    """CloudFormation (moto's) makes them, and they are then what the models would have made."""
    only = {name: one for name, one in resources.items() if one["Type"] == "AWS::DynamoDB::Table"}
    with mock_aws():
        where = {"region_name": "cn-north-1"}
        parts = {
            "Resources": only,
            "Parameters": {"TablesKeyArn": template["Parameters"]["TablesKeyArn"]},
            "Conditions": {"HasTablesKey": template["Conditions"]["HasTablesKey"]},
        }
        boto3.client("cloudformation", **where).create_stack(StackName="mall", TemplateBody=json.dumps(parts))
        client = boto3.client("dynamodb", **where)
        made = {name: client.describe_table(TableName=name)["Table"] for name in client.list_tables()["TableNames"]}
    prefix = settings().table_prefix
    assert len(made) == len(tables.every_table()) > 20
    for table in tables.every_table():
        name = "yutang-" + table.Meta.table_name.removeprefix(prefix)
        told, schema = made[name], table._get_schema()
        assert keys(told["KeySchema"]) == keys(schema["key_schema"])
        assert keys(told["AttributeDefinitions"]) == keys(schema["attribute_definitions"])
        indexes = {
            one["IndexName"]: (keys(one["KeySchema"]), one["Projection"])
            for one in told.get("GlobalSecondaryIndexes", [])
        }
        assert indexes == {
            one["index_name"]: (keys(one["key_schema"]), one["projection"])
            for one in schema["global_secondary_indexes"] or []
        }
        assert bool(told.get("StreamSpecification")) == hasattr(table.Meta, "stream")
        expires = table._ttl_attribute()
        asked = only[tables.logical_id(table)]["Properties"].get("TimeToLiveSpecification", {})  # moto does not heed it
        assert asked.get("AttributeName") == (expires.attr_name if expires else None)


def keys(schema: list[dict[str, str]]) -> set[tuple[str, ...]]:
    """Names with their roles or types, in no order."""
    return {tuple(value for _, value in sorted(one.items())) for one in schema}


def test_secrets_are_named_and_never_told(template: Json, resources: Json) -> None:
    for name in NAMES:
        variables = resources[name]["Properties"]["Environment"]["Variables"]
        for secret in SECRETS:
            assert variables[f"YUTANG_{secret}"] == f"secretsmanager:yutang/prod/{secret.lower()}"
    told = [name for name in template["Parameters"] if re.search("secret|key|password|token", name, re.IGNORECASE)]
    assert told == ["TablesKeyArn", "SecretsVersion"], "a name and a number, no secret"


def test_another_version_of_the_secrets_starts_every_function_anew(resources: Json) -> None:
    """Lambda replaces all environments of a function whose variables change; nothing else of the template does."""
    everything = {name for name, one in resources.items() if one["Type"] == "AWS::Serverless::Function"}
    assert everything == {name for name, one in resources.items() if '{"Ref": "SecretsVersion"}' in json.dumps(one)}
    for name in everything:
        variables = resources[name]["Properties"]["Environment"]["Variables"]
        assert variables["YUTANG_SECRETS_VERSION"] == {"Ref": "SecretsVersion"}


def test_of_uploads_the_public_ones_are_read_by_everybody_and_nothing_else(resources: Json) -> None:
    bucket, policy = resources["UploadsBucket"], resources["UploadsBucketPolicy"]["Properties"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    properties = bucket["Properties"]
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert properties["PublicAccessBlockConfiguration"]["BlockPublicAcls"] is True
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    assert (rule["Prefix"], rule["ExpirationInDays"], rule["Status"]) == ("private/", 2, "Enabled")
    allowed, denied = policy["PolicyDocument"]["Statement"]
    assert policy["Bucket"] == {"Ref": "UploadsBucket"}
    assert (allowed["Effect"], allowed["Action"]) == ("Allow", "s3:GetObject")
    assert allowed["Resource"] == {"Fn::Sub": "${UploadsBucket.Arn}/public/*"}
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    for name in NAMES:
        variables = resources[name]["Properties"]["Environment"]["Variables"]
        assert variables["YUTANG_UPLOADS_BUCKET"] == {"Ref": "UploadsBucket"}
        assert variables["YUTANG_PICTURES_URL"] == {"Ref": "PicturesUrl"}
        assert variables["YUTANG_CDN_SECONDS"] == {"Ref": "CdnSeconds"}


def test_every_alarm_tells_somebody_of_something_that_is_counted(resources: Json) -> None:
    found = {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    for properties in found.values():
        assert properties["AlarmActions"] == [{"Ref": "Alarms"}]
        if properties["Namespace"] == NAMESPACE:
            assert properties["MetricName"] in set(Metric)
            assert {"Name": "Stage", "Value": "prod"} in properties["Dimensions"]
    assert {f"{name}Alarm" for name in alarms.alarms("prod", workers=1)} == set(found)
    watched = {properties["MetricName"] for properties in found.values()}
    assert {
        "5XXError",
        "Latency",
        "Errors",
        "Throttles",
        "JobsDead",
        "JobLag",
        "Refused",
        "RefundsStuck",
        "BooksDiffer",
        "BillsDiffer",
    } <= watched


def test_alarms_reach_somebody_or_it_was_said_that_they_do_not(template: Json, resources: Json) -> None:
    asked = template["Parameters"]["AlarmEmail"]
    assert "Default" not in asked, "CloudFormation asks for it"
    for given, is_taken in (("", False), ("somebody", False), ("alarms@example.com", True), ("nobody", True)):
        assert bool(re.fullmatch(asked["AllowedPattern"], given)) == is_taken
    told = resources["AlarmsByMail"]
    assert template["Conditions"][told["Condition"]] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmEmail"}, "nobody"]}]}
    assert told["Properties"] == {
        "TopicArn": {"Ref": "Alarms"}, "Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}
    }  # fmt: skip


def test_the_dashboard_can_be_read(resources: Json) -> None:
    body = json.loads(resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    assert len(body["widgets"]) >= 8
    assert all(widget["properties"]["metrics"] for widget in body["widgets"])
