"""What is deployed: a small zip, compiled, always the same, that starts by itself; and the template around it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import cold
from chalicelib.core.settings import settings
from chalicelib.jobs.service import INSIDE, OUTSIDE, Lane
from chalicelib.store import tools
from infra import package, tables

pytestmark = pytest.mark.slow

BYTES_MAX = 12_000_000
#: Nobody pays for these at a cold start; the use case that needs one imports it.
LAZY = ("requests", "cryptography", "boto3", "aws_xray_sdk", "flask", "wechatpayv3", "chalicelib.wechat")
#: Every use case's imports and clients work without what was left out.
EVERYTHING = """
import app, boto3, aws_xray_sdk.core, chalicelib.wechat.mini, chalicelib.wechat.pay
import chalicelib.wechat.transfers
for service in {services}:
    boto3.client(service, region_name="cn-north-1")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("package")
    sizes = package.package("prod", out)
    assert sizes.after < sizes.before
    return out


@pytest.fixture(scope="module")
def names(built: Path) -> list[str]:
    return zipfile.ZipFile(built / "deployment.zip").namelist()


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return cold.unpack(built / "deployment.zip", tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def resources(built: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((built / "sam.json").read_text())["Resources"]
    return found


def test_the_zip_is_small(built: Path) -> None:
    assert (built / "deployment.zip").stat().st_size < BYTES_MAX


def test_every_module_is_compiled(names: list[str]) -> None:
    compiled = {name for name in names if name.endswith(".pyc")}
    sources = {name for name in names if name.endswith(".py")}
    assert {"app.py", "chalicelib/web/edge.py", "pynamodb/models.py"} <= sources
    stems = {name.replace("__pycache__/", "").split(".")[0] for name in compiled}
    assert {name.removesuffix(".py") for name in sources} <= stems


def test_the_compiled_files_are_taken_as_they_are(unpacked: Path) -> None:
    (one,) = (unpacked / "chalicelib" / "core" / "__pycache__").glob("clock.*.pyc")
    assert int.from_bytes(one.read_bytes()[4:8], "little") == 0b01  # by hash, and not checked


def test_nothing_else_is_in_it(names: list[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert not top & {"local", "tests", "bench", "infra", "docs", "pip", "click", "setuptools"}
    assert not [name for name in names if ".dist-info/" in name or "/tests/" in name]
    services = {name.split("/")[2] for name in names if name.startswith("botocore/data/") and name.count("/") > 2}
    assert services == package.SERVICES


def test_it_is_the_same_every_time(built: Path, tmp_path: Path) -> None:
    package.finish(built / "chalice.zip", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (built / "deployment.zip").read_bytes()


def test_it_starts_by_itself_and_imports_little(unpacked: Path) -> None:
    modules = cold.start(unpacked).modules
    assert [name for name in modules if name.startswith(LAZY)] == []


def test_every_use_case_finds_its_modules(unpacked: Path) -> None:
    modules = cold.start(unpacked, EVERYTHING.format(services=sorted(package.SERVICES))).modules
    assert {"requests", "cryptography", "chalicelib.wechat.pay"} <= set(modules)


def test_the_template_has_the_handlers(resources: dict[str, Any]) -> None:
    handlers = {name: resources[name]["Properties"]["Handler"] for name in package.FUNCTIONS}
    assert handlers == {
        "APIHandler": "app.app",
        "RunDueJobs": "app.run_due_jobs", "RunDueCalls": "app.run_due_calls",
        "RunOwedJobs": "app.run_owed_jobs", "RunOwedCalls": "app.run_owed_calls",
    }  # fmt: skip
    for name in ("RunDueJobs", "RunDueCalls"):
        properties = resources[name]["Properties"]
        assert properties["Timeout"] == 83
        assert properties["Events"][f"{name}Event"]["Properties"]["Schedule"] == "rate(1 minute)"
    api = resources["RestAPI"]["Properties"]
    assert api["EndpointConfiguration"] == "REGIONAL"
    assert api["DefinitionBody"]["x-amazon-apigateway-binary-media-types"] == ["*/*"]
    assert api["DefinitionBody"]["paths"]
    for name in package.FUNCTIONS:
        variables = resources[name]["Properties"]["Environment"]["Variables"]
        assert variables["YUTANG_PUBLIC_URL"] == {"Ref": "PublicUrl"}
        assert variables["YUTANG_TABLE_PREFIX"] == "yutang-"


@pytest.mark.parametrize(("function", "lane"), [("RunOwedJobs", INSIDE), ("RunOwedCalls", OUTSIDE)])
def test_the_stream_wakes_a_worker_for_each_lanes_jobs_owed_at_once(
    function: str, lane: Lane, resources: dict[str, Any]
) -> None:
    (source,) = resources[function]["Properties"]["Events"].values()
    assert source["Properties"]["Stream"] == {"Fn::GetAtt": ["JobsTable", "StreamArn"]}
    (wanted,) = source["Properties"]["FilterCriteria"]["Filters"]
    pattern = json.loads(wanted["Pattern"])
    assert pattern == {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"shard": {"S": [{"prefix": lane}]}}, "NewImage": {"at_once": {"BOOL": [True]}}},
    }
    assert resources["JobsTable"]["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_every_table_is_kept_and_guarded(resources: dict[str, Any]) -> None:
    prefix = settings().table_prefix
    for table in tools.tables():
        resource = resources[tables.logical_id(table)]
        properties = resource["Properties"]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
        assert properties["TableName"] == "yutang-" + table.Meta.table_name.removeprefix(prefix)
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["SSESpecification"] == {"SSEEnabled": True}
        assert properties["DeletionProtectionEnabled"] is True
        assert [key["KeyType"] for key in properties["KeySchema"]] in (["HASH"], ["HASH", "RANGE"])
    expires = resources["AuditTable"]["Properties"]["TimeToLiveSpecification"]
    assert expires == {"AttributeName": "expires", "Enabled": True}


def test_no_partition_of_aws_is_named(built: Path) -> None:
    assert "arn:aws" not in (built / "sam.json").read_text()
