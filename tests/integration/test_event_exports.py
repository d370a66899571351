"""Events that DynamoDB writes to the merchant's bucket: nothing without one, each day once, also late.

DynamoDB Local knows no exports: what would be sent is caught where it leaves, held against AWS's own description of the
call, and answered as its documentation says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.validate import ParamValidator

from chalicelib.core import clock, settings
from chalicelib.customers.events.jobs import EXPORT
from chalicelib.customers.events.lake.tables import EventExports
from chalicelib.customers.events.tables import MemberEvents
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import base, tools
from chalicelib.platform.store.connections import Session
from chalicelib.platform.store.transaction import Transaction, remove

TARGET = "DynamoDB_20120810.ExportTableToPointInTime"
OPERATION = "ExportTableToPointInTime"


class Exports:
    """DynamoDB's exports. `refusals` are the codes that the next ones are refused with."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refusals: list[str] = []

    def answer(self, request: Any) -> AWSResponse:
        self.asked.append(json.loads(request.body))
        body: dict[str, Any] = {"ExportDescription": {"ExportArn": f"arn:export/{len(self.asked)}"}}
        status = 200
        if self.refusals and (code := self.refusals.pop(0)):
            status, body = 400, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "injected"}

        class Raw:
            def stream(self, *_: object, **__: object) -> Iterator[bytes]:
                yield json.dumps(body).encode()

        return AWSResponse(request.url, status, {"content-type": "application/x-amz-json-1.0"}, Raw())


@pytest.fixture
def exports(no_jobs: None, later: Any, monkeypatch: pytest.MonkeyPatch) -> Exports:
    exports, send = Exports(), Session.send

    def caught(self: Any, request: Any) -> Any:
        target = request.headers.get("x-amz-target") or request.headers.get("X-Amz-Target")
        told = target.decode() if isinstance(target, bytes) else target
        return exports.answer(request) if told == TARGET else send(self, request)

    monkeypatch.setattr(Session, "send", caught)
    for item in tools.scan(EventExports):
        remove(EventExports, (item.day,))
    return exports


@pytest.fixture
def bucket() -> Iterator[str]:
    before = settings._environment
    settings.use({**before, "YUTANG_EVENTS_BUCKET": "fish-lake", "YUTANG_ACCOUNT_ID": "123456789012"})
    yield "fish-lake"
    settings.use(before)


def run() -> None:
    """The day's job, as the schedule runs it."""
    tx = Transaction()
    queue.schedule(tx, EXPORT, "daily", clock.now())
    tx.commit()
    (item,) = (item for item in tools.scan(Jobs) if item.task.kind == EXPORT.name)
    worker.run_one(item)


def days(asked: list[dict[str, Any]]) -> list[str]:
    return [one["S3Prefix"].removeprefix("member_events/dt=") for one in asked]


def the_last(count: int) -> list[str]:
    today = clock.day(clock.now())
    return [(today - timedelta(days=back)).isoformat() for back in range(count, 0, -1)]


def test_without_a_bucket_nothing_happens(exports: Exports) -> None:
    run()
    assert exports.asked == [] and list(tools.scan(EventExports)) == []


def test_each_day_goes_there_once(exports: Exports, bucket: str, later: Callable[[float], None]) -> None:
    run()
    assert days(exports.asked) == the_last(7)  # a bucket that is new gets a week
    run()
    assert len(exports.asked) == 7
    later(86_400)
    run()
    assert days(exports.asked[7:]) == the_last(1)
    later(3 * 86_400)  # two days without a worker
    run()
    assert days(exports.asked[8:]) == the_last(3)


def test_what_is_asked_is_what_aws_takes(exports: Exports, bucket: str) -> None:
    run()
    asked = exports.asked[-1]
    shape = base.client().meta.service_model.operation_model(OPERATION).input_shape
    when = asked["IncrementalExportSpecification"]
    for name in ("ExportFromTime", "ExportToTime"):
        assert isinstance(when[name], int)  # on the wire an instant is a number of seconds
    assert not ParamValidator().validate(asked, shape).has_errors()
    region, table = settings.settings().region, MemberEvents.Meta.table_name
    assert asked["TableArn"] == f"arn:aws-cn:dynamodb:{region}:123456789012:table/{table}" and region == "cn-north-1"
    assert (asked["S3Bucket"], asked["ExportType"]) == ("fish-lake", "INCREMENTAL_EXPORT")
    day = date.fromisoformat(days([asked])[0])
    since, until = (datetime.fromtimestamp(when[name], clock.SHANGHAI) for name in ("ExportFromTime", "ExportToTime"))
    assert (since.date(), since.hour, until - since) == (day, 0, timedelta(days=1)) and until <= clock.now()


def test_days_before_the_table_was_there_are_left_out_for_good(
    exports: Exports, bucket: str, log_lines: list[dict[str, Any]]
) -> None:
    exports.refusals = ["InvalidExportTimeException"] * 6
    run()
    assert len([line for line in log_lines if line["event"] == "events_not_exported"]) == 6
    assert {item.day: item.export_arn for item in tools.scan(EventExports)} == dict.fromkeys(the_last(7)[:6]) | {
        the_last(1)[0]: "arn:export/7"
    }
    run()
    assert len(exports.asked) == 7


def test_what_is_refused_comes_again_as_the_same_export(
    exports: Exports, bucket: str, later: Callable[[float], None]
) -> None:
    exports.refusals = ["", "ExportConflictException"]
    run()  # the job is put back
    asked = len(exports.asked)
    later(3600)
    (item,) = (item for item in tools.scan(Jobs) if item.task.kind == EXPORT.name)
    worker.run_one(item)
    assert sorted(set(days(exports.asked))) == the_last(7)
    tokens = {day: {one["ClientToken"] for one in exports.asked if days([one]) == [day]} for day in the_last(7)}
    assert all(len(each) == 1 for each in tokens.values()) and asked == 2
    assert len(set.union(*tokens.values())) == 7
