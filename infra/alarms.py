"""What wakes a person, and the dashboard they look at then.

Alarms on the mall's own metrics name what chalicelib/core/metrics.py counts; a test holds the two together.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from chalicelib.core.metrics import NAMESPACE, Metric
from chalicelib.platform.jobs.declarations import INSIDE, LANES, MANY, OUTSIDE, SENDS
from infra.functions import FUNCTIONS, physical_name

Json = dict[str, Any]

_API = {"ApiName": {"Fn::Sub": "${AWS::StackName}"}, "Stage": {"Ref": "RestAPI.Stage"}}
_MINUTE = 60
#: For how many seconds the oldest due job of a lane may wait, minute after minute. Lists follow time within a minute;
#: orders' jobs may pile up at a sale; a hundred thousand that are to be sent at once take 21 minutes
#: (functions.BATCHES_AT_ONCE), which is no fault.
_LATE = {INSIDE: 300, OUTSIDE: 300, MANY: 60, SENDS: 1800}


class Alarm(NamedTuple):
    """Told when the statistic of a metric is at or above `at` in `periods` of `of` periods of `seconds`."""

    says: str
    namespace: str
    metric: str
    dimensions: Json
    at: float
    statistic: str = "Sum"
    seconds: int = 5 * _MINUTE
    periods: int = 1
    of: int = 1
    #: What silence means: missing, notBreaching or breaching.
    silence: str = "notBreaching"
    #: Told when it is below `at` instead.
    below: bool = False


def alarms(stage: str, workers: int) -> dict[str, Alarm]:
    """Every alarm by its logical id, where each schedule wakes so many `workers`."""
    found = {
        "ApiFails": Alarm("The API answers 5xx", "AWS/ApiGateway", "5XXError", _API, 5, periods=2, of=3),
        "ApiSlow": Alarm(
            "One request in a hundred takes 3 s or longer",
            "AWS/ApiGateway", "Latency", _API, 3000, "p99", periods=3, of=3,
        ),
        "UnreadJobsWait": Alarm(
            "A stream handler gave records up; the schedule runs their jobs, the queue has what failed",
            "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": {"Fn::GetAtt": ["UnreadJobs", "QueueName"]}},
            1, "Maximum",
        ),
    }  # fmt: skip
    for function in FUNCTIONS:
        where = {"FunctionName": physical_name(function)}
        name = function.logical_id
        found[f"{name}Fails"] = Alarm(f"{function.name} fails", "AWS/Lambda", "Errors", where, 3, periods=2, of=3)
        found[f"{name}Throttled"] = Alarm(f"{function.name} is throttled", "AWS/Lambda", "Throttles", where, 1)
        if function.wakes == "schedule":  # a part of the shards that nobody looks after has no metric of its own
            found[f"{name}Missing"] = Alarm(
                f"Not all workers of {function.name} are woken every minute",
                "AWS/Lambda", "Invocations", where, 5 * workers - 2, periods=2, of=2, silence="breaching", below=True,
            )  # fmt: skip

    def own(
        says: str, metric: Metric, at: float, statistic: str = "Sum", dimension: Json | None = None, **how: Any
    ) -> Alarm:
        return Alarm(says, NAMESPACE, metric, {"Stage": stage} | (dimension or {}), at, statistic, **how)

    found |= {
        "JobsDead": own("A job failed for good; an operator looks at it and revives it", Metric.JOBS_DEAD, 1),
        "DynamoDBBusy": own("DynamoDB refuses or throttles", Metric.DYNAMODB_BUSY, 50, periods=2, of=3),
        "OversellRefused": own(
            "Orders are refused for want of stock, a hundred a minute: an offer is too popular, or its stock wrong",
            Metric.REFUSED, 100, dimension={"Reason": "out_of_stock"}, seconds=_MINUTE, periods=5, of=5,
        ),
        "OperatorLoginsFail": own(
            "Somebody tries names and passwords of operators; /aws/lambda/STACK-operators says from where (ip)",
            Metric.OPERATORS_REFUSED, 10, dimension={"Reason": "login_failed"}, seconds=15 * _MINUTE,
        ),
        "OperatorLoginsHeldUp": own(
            "Operators' logins are held up after many wrong ones; /aws/lambda/STACK-operators says from where (ip)",
            Metric.OPERATORS_REFUSED, 10, dimension={"Reason": "too_many_requests"}, seconds=15 * _MINUTE,
        ),
        "OperatorCodesFail": own(
            "Somebody who has an operator's password guesses codes; /aws/lambda/STACK-operators says from where (ip)",
            Metric.OPERATORS_REFUSED, 3, dimension={"Reason": "totp_wrong"}, seconds=15 * _MINUTE,
        ),
        "RefundsWait": own(
            "A refund is not paid out an hour after it was granted (the merchant's balance is short, WeChat is down),"
            " or WeChat refuses it",
            Metric.REFUNDS_STUCK, 1, seconds=15 * _MINUTE,  # a late one is tried every ten minutes at least
        ),
        "ActivitiesWait": own(
            "A group-buy activity is not wound up an hour after it could be: a lobby of it does not come to its end",
            Metric.ACTIVITIES_STUCK, 1, seconds=15 * _MINUTE,  # it is looked at every five minutes
        ),
        "BooksDiffer": own(
            "An order, a withdrawal or a balance and its entries in the journal do not agree", Metric.BOOKS_DIFFER, 1
        ),
        "IdentityConflicts": own(
            "Ten logins in an hour had a unionid of another who logs in, too: is the mini-program bound to another "
            "account at the open platform?", Metric.IDENTITY_CONFLICTS, 10, seconds=60 * _MINUTE,
        ),
        "DefinitionsUnreadable": own(
            "A segment or tag cannot be read by this version of the mall, and is not decided",
            Metric.DEFINITIONS_UNREADABLE, 1,
        ),
        "MessagesFailed": own(
            "A platform refuses messages for a fault of the mall's: a template, a signature, a right that was taken",
            Metric.MESSAGES_FAILED, 1, seconds=15 * _MINUTE,
        ),
        "MessagesUnknown": own(
            "Of many messages nobody knows whether they were sent", Metric.MESSAGES_UNKNOWN, 20, seconds=15 * _MINUTE
        ),
        "BillsDiffer": own("WeChat's bills of a day and the journal do not agree", Metric.BILLS_DIFFER, 1),
    }  # fmt: skip
    for lane in LANES:
        found[f"{lane.name.title()}JobsLate"] = own(
            f"In each of five minutes the oldest due job of the lane had waited {_LATE[lane]} s, or no worker looks",
            Metric.JOB_LAG, _LATE[lane], "Maximum", {"Lane": lane.name}, seconds=_MINUTE, periods=5, of=5,
            silence="breaching",
        )  # fmt: skip
    return found


def resources(stage: str, workers: int) -> Json:
    """The alarms and the dashboard."""
    found = {f"{name}Alarm": _resource(alarm) for name, alarm in alarms(stage, workers).items()}
    body = {"Fn::Sub": msgspec.json.encode({"widgets": _widgets(stage)}).decode()}
    dashboard = {"DashboardName": {"Fn::Sub": "${AWS::StackName}"}, "DashboardBody": body}
    return found | {"Dashboard": {"Type": "AWS::CloudWatch::Dashboard", "Properties": dashboard}}


def _resource(alarm: Alarm) -> Json:
    percentile = alarm.statistic.startswith("p")
    properties = {
        "AlarmDescription": alarm.says,
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in alarm.dimensions.items()],
        "ExtendedStatistic" if percentile else "Statistic": alarm.statistic,
        "ComparisonOperator": "LessThanThreshold" if alarm.below else "GreaterThanOrEqualToThreshold",
        "Threshold": alarm.at,
        "Period": alarm.seconds,
        "DatapointsToAlarm": alarm.periods,
        "EvaluationPeriods": alarm.of,
        "TreatMissingData": alarm.silence,
        "AlarmActions": [{"Ref": "Alarms"}],
        "OKActions": [{"Ref": "Alarms"}],
    }
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}


def _widgets(stage: str) -> list[Json]:
    """The graphs, two in a row."""
    api = ["AWS/ApiGateway", "Count", "ApiName", "${AWS::StackName}"]
    functions = [f"${{AWS::StackName}}-{function.name}" for function in FUNCTIONS]

    def own(metric: Metric, *more: Any) -> list[Any]:
        return [NAMESPACE, metric, "Stage", stage, *more]

    def each(metric: Metric, dimension: str) -> list[Any]:
        search = f"SEARCH('{{{NAMESPACE},Stage,{dimension}}} MetricName=\"{metric}\" Stage=\"{stage}\"', 'Sum', 300)"
        return [{"expression": search}]

    graphs: list[tuple[str, str, list[list[Any]]]] = [
        ("Requests and failures", "Sum", [api, *([api[0], name, *api[2:]] for name in ("4XXError", "5XXError"))]),
        ("Latency, ms", "p99", [[api[0], "Latency", *api[2:]], [".", ".", ".", ".", {"stat": "p50"}]]),
        ("Orders placed and paid", "Sum", [own(Metric.ORDERS_PLACED), own(Metric.ORDERS_PAID)]),
        ("Paid, fen", "Sum", [own(Metric.PAID_FEN)]),
        ("Lobbies", "Sum", [*map(own, (Metric.LOBBIES_SUCCEEDED, Metric.LOBBIES_FAILED, Metric.ACTIVITIES_STUCK))]),
        ("Refused by the shop, by reason", "Sum", [each(Metric.REFUSED, "Reason")]),
        ("Refused to operators, by reason", "Sum", [each(Metric.OPERATORS_REFUSED, "Reason")]),
        ("Oldest due job, s", "Maximum", [own(Metric.JOB_LAG, "Lane", lane.name) for lane in LANES]),
        ("Jobs: dead, failed, waiting; refunds stuck", "Sum",
         [*map(own, (Metric.JOBS_DEAD, Metric.JOBS_FAILED, Metric.REFUNDS_STUCK)), each(Metric.JOBS_WAITING, "Kind")]),
        ("Messages: refused, unknown", "Sum", [own(Metric.MESSAGES_FAILED), own(Metric.MESSAGES_UNKNOWN)]),
        ("Differences: in the books, with the bills", "Sum", [own(Metric.BOOKS_DIFFER), own(Metric.BILLS_DIFFER)]),
        ("Functions: errors", "Sum", [["AWS/Lambda", "Errors", "FunctionName", name] for name in functions]),
        ("Functions: duration, ms", "p99", [["AWS/Lambda", "Duration", "FunctionName", name] for name in functions]),
    ]  # fmt: skip
    return [
        {
            "type": "metric", "x": 12 * (number % 2), "y": 6 * (number // 2), "width": 12, "height": 6,
            "properties": {
                "title": title, "region": "${AWS::Region}", "view": "timeSeries", "stat": statistic, "period": 300,
                "metrics": metrics,
            },
        }
        for number, (title, statistic, metrics) in enumerate(graphs)
    ]  # fmt: skip
