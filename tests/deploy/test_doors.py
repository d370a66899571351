"""The doors of the deployed mall: what comes to which function, how much of it, whence, and what is written of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import pytest

from bench.package.stack import beginnings
from chalicelib.core.metrics import NAMESPACE
from chalicelib.platform.web.paths import OPERATORS
from infra import alarms, cdn, sam
from infra.functions import FUNCTIONS
from infra.responses import ALWAYS

pytestmark = pytest.mark.slow

Json = dict[str, Any]

#: What API Gateway calls every method that is not named.
ANY = "x-amazon-apigateway-any-method"
#: API Gateway's quota is 300; wings are to come.
RESOURCES_MAX = 100


def paths(resources: Json) -> Json:
    """The API's paths, by their templates."""
    found: Json = resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    return found


def function_of(method: Json) -> str:
    """The logical id of the function behind a method."""
    uri = method["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
    match = re.search(r"\$\{(\w+)\.Arn\}/invocations$", uri)
    assert match is not None
    return match[1]


def test_the_operators_function_stands_behind_its_resources_and_the_shops_behind_all_others(resources: Json) -> None:
    for path, calls in paths(resources).items():
        if path in OPERATORS:
            assert list(calls) == [ANY], "which there are the function knows"
        assert {function_of(one) for one in calls.values()} == {"Operators" if path in OPERATORS else "APIHandler"}
    assert set(OPERATORS) <= set(paths(resources))
    assert [path for path in paths(resources) if path.startswith("/v1/admin/")] == ["/v1/admin/{proxy+}"]
    (proxy,) = paths(resources)["/v1/admin/{proxy+}"][ANY]["parameters"]
    assert (proxy["name"], proxy["in"]) == ("proxy", "path")


def test_both_functions_are_called_alike(resources: Json) -> None:
    """What Chalice has API Gateway do for the shop's function is done for the operators' too."""
    shop = dict(paths(resources)["/v1/cart"]["get"]["x-amazon-apigateway-integration"])
    office = dict(paths(resources)["/docs"][ANY]["x-amazon-apigateway-integration"])
    assert shop.pop("uri")["Fn::Sub"].replace("APIHandler", "Operators") == office.pop("uri")["Fn::Sub"]
    assert shop == office


def test_a_method_that_a_path_does_not_have_reaches_the_function_as_the_others_do(resources: Json) -> None:
    """Which answers it as on one machine (test_artefact.py). API Gateway would say that the path is unknown."""
    for path, calls in paths(resources).items():
        assert ANY in calls
        for one in calls.values():
            assert function_of(one) == function_of(calls[ANY])
            assert one["x-amazon-apigateway-integration"] == calls[ANY]["x-amazon-apigateway-integration"]
            assert [told["name"] for told in one.get("parameters", [])] == re.findall(r"\{(\w+)", path)
            assert "security" not in one, "whatever Authorization is sent"


def test_the_api_has_room_for_further_wings(resources: Json) -> None:
    assert 30 < len(beginnings(paths(resources))) < RESOURCES_MAX


def test_with_an_own_domain_there_is_no_other_address(resources: Json, template: Json) -> None:
    wanted = {"Fn::If": ["HasDomain", True, False]}
    assert resources["RestAPI"]["Properties"]["DisableExecuteApiEndpoint"] == wanted
    body = sam.expanded(template, "cn-north-1")["Resources"]["RestAPI"]["Properties"]["Body"]
    assert body["x-amazon-apigateway-endpoint-configuration"] == {"disableExecuteApiEndpoint": wanted}


def test_the_api_takes_so_much_from_all_together(template: Json) -> None:
    (bound,) = stage(template)["MethodSettings"]
    assert bound == {
        "HttpMethod": "*", "ResourcePath": "/*",
        "ThrottlingRateLimit": {"Ref": "RequestsPerSecond"}, "ThrottlingBurstLimit": {"Ref": "RequestsAtOnce"},
    }  # fmt: skip


def stage(template: Json) -> Json:
    """The stage, as SAM's transform makes it."""
    made = sam.expanded(template, "cn-north-1")["Resources"].values()
    (found,) = [one["Properties"] for one in made if one["Type"] == "AWS::ApiGateway::Stage"]
    return dict(found)


def test_the_access_log_tells_who_asked_and_how_it_ended_and_nothing_else(template: Json) -> None:
    logged = stage(template)["AccessLogSetting"]
    assert logged["DestinationArn"]["Fn::Sub"].endswith(":log-group:${ApiLogs}")
    assert json.loads(logged["Format"]) == {
        "request_id": "$context.requestId", "address": "$context.identity.sourceIp", "method": "$context.httpMethod",
        "resource": "$context.resourcePath", "status": "$context.status", "latency_ms": "$context.responseLatency",
    }  # fmt: skip


def test_api_gateway_may_write_it_and_keeps_the_right_when_the_stack_goes(resources: Json) -> None:
    """The role is the account's, for every API there."""
    role, account = resources["ApiLogsRole"], resources["ApiLogsAccount"]
    assert account["Properties"] == {"CloudWatchRoleArn": {"Fn::GetAtt": ["ApiLogsRole", "Arn"]}}
    assert {role["DeletionPolicy"], account["DeletionPolicy"]} == {"Retain"}
    assert resources["RestAPI"]["DependsOn"] == "ApiLogsAccount"


def test_logs_are_kept_for_six_months_at_least(resources: Json, template: Json) -> None:
    days = template["Parameters"]["LogDays"]
    assert min(days["AllowedValues"]) == days["Default"] == 180
    groups = {name: one for name, one in resources.items() if one["Type"] == "AWS::Logs::LogGroup"}
    assert set(groups) == {"ApiLogs", "FirewallLogs", *(f"{function.logical_id}Logs" for function in FUNCTIONS)}
    for group in groups.values():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogDays"}
    assert groups["FirewallLogs"]["Properties"]["LogGroupName"]["Fn::Sub"].startswith("aws-waf-logs-")


def test_what_the_firewall_blocks_is_written_without_what_proves_who_it_is(resources: Json) -> None:
    told = resources["FirewallLogging"]["Properties"]
    assert told["ResourceArn"] == {"Fn::GetAtt": ["ApiFirewall", "Arn"]}
    (where,) = told["LogDestinationConfigs"]
    assert where["Fn::Sub"].endswith(":log-group:${FirewallLogs}")
    hidden = [
        {"SingleHeader": {"Name": "authorization"}},
        {"SingleHeader": {"Name": "cookie"}},
        {"SingleHeader": {"Name": cdn.HEADER}},
    ]
    assert told["RedactedFields"] == [*hidden, {"QueryString": {}}]
    (kept,) = told["LoggingFilter"]["Filters"]
    assert (told["LoggingFilter"]["DefaultBehavior"], kept["Behavior"]) == ("DROP", "KEEP")
    assert kept["Conditions"] == [{"ActionCondition": {"Action": "BLOCK"}}]


@pytest.fixture
def rules(resources: Json) -> dict[str, Json]:
    """The firewall's rules by name; the conditional one as it stands when its condition holds."""
    found = [one["Fn::If"][1] if "Fn::If" in one else one for one in resources["ApiFirewall"]["Properties"]["Rules"]]
    assert len({rule["Priority"] for rule in found}) == len(found)
    return {rule["Name"]: rule for rule in found}


LIMITS = ["OperatorLoginsPerAddress", "LoginsPerAddress", "RequestsPerAddress", "CallbacksPerAddress"]


def test_the_firewall_counts_each_address_and_wechat_by_itself(rules: dict[str, Json], template: Json) -> None:
    counted = {name: rules[name]["Statement"]["RateBasedStatement"] for name in LIMITS}
    assert list(rules) == ["OperatorAddresses", *LIMITS, "InventedAddress", "RequestsPerShopper"]
    for name, statement in counted.items():
        assert (statement["AggregateKeyType"], statement["Limit"]) == ("IP", {"Ref": name})
    callbacks = counted["CallbacksPerAddress"]["ScopeDownStatement"]
    assert callbacks["ByteMatchStatement"]["SearchString"] == "/v1/callbacks/"
    # Between them these two count every request: what one leaves out is what the other looks at.
    without_cdn = counted["RequestsPerAddress"]["ScopeDownStatement"]["Fn::If"][2]
    assert without_cdn == {"NotStatement": {"Statement": callbacks}}
    least = [template["Parameters"][name]["Default"] for name in LIMITS]
    assert least == sorted(least), "whoever logs in asks for more than that"
    assert least[0] == 100


def read_by_the_firewall(path: str, transformations: list[Json]) -> str:
    """The path as WAF compares it (AWS's WAF developer guide, text transformations), as far as is used here."""
    does: dict[str, Callable[[str], str]] = {
        "NONE": str, "URL_DECODE": unquote, "LOWERCASE": str.lower,
        "NORMALIZE_PATH": lambda text: re.sub(r"/(\./|/)+", "/", re.sub(r"/[^/]+/\.\./", "/", text)),
    }  # fmt: skip
    for one in sorted(transformations, key=lambda one: one["Priority"]):
        path = does[one["Type"]](path)
    return path


#: The mark of the catalogue's CDN, which nobody else can send.
MARK = "what CloudFormation fills in"


def matches(statement: Json, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> bool:
    """Whether a request of this path is meant, from an address that no set has, where the catalogue is on a CDN."""
    ((kind, told),) = statement.items()
    if kind == "Fn::If":
        return matches(told[1], path, headers)
    if kind == "ByteMatchStatement":
        field, wanted = told["FieldToMatch"], MARK if told["SearchString"] == cdn.MARK else told["SearchString"]
        if field != {"UriPath": {}}:
            sent = headers.get(field["SingleHeader"]["Name"], "")
            return bool(sent == wanted if told["PositionalConstraint"] == "EXACTLY" else wanted in sent)
        assert told["PositionalConstraint"] == "CONTAINS"
        return wanted in read_by_the_firewall(path, told["TextTransformations"])
    if kind == "RegexMatchStatement":
        return re.search(told["RegexString"], headers.get(told["FieldToMatch"]["SingleHeader"]["Name"], "")) is not None
    if kind == "IPSetReferenceStatement":
        return False
    if kind == "NotStatement":
        return not matches(told["Statement"], path, headers)
    every = [matches(one, path, headers) for one in told["Statements"]]
    return all(every) if kind == "AndStatement" else any(every)


def disguised(path: str) -> list[str]:
    """The path as who does not want to be counted might send it."""
    return [
        path, f"{path}/", f"/api{path}", path.upper(), path.title(), path.replace("i", "%69"), path.replace("/", "//"),
        path.replace("/v1/", "/v1/./"), path.replace("/v1/", "/v1/x/../"), path.replace("n", "%6E").replace("l", "%4c"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("OperatorLoginsPerAddress", "/v1/admin/login"),
        ("OperatorLoginsPerAddress", "/v1/admin/session"),
        ("LoginsPerAddress", "/v1/auth/login"),
    ],
)
def test_a_login_is_counted_however_its_path_is_written(rules: dict[str, Json], rule: str, path: str) -> None:
    counted = rules[rule]["Statement"]["RateBasedStatement"]["ScopeDownStatement"]
    assert [one for one in disguised(path) if not matches(counted, one)] == []
    for other in ("/v1/orders", "/v1/admin/orders", "/v1/auth", "/v1/callbacks/wechat/pay"):
        assert not matches(counted, other)


def test_operators_and_shoppers_are_counted_apart(rules: dict[str, Json]) -> None:
    shop = rules["LoginsPerAddress"]["Statement"]["RateBasedStatement"]["ScopeDownStatement"]
    office = rules["OperatorLoginsPerAddress"]["Statement"]["RateBasedStatement"]["ScopeDownStatement"]
    assert not matches(shop, "/v1/admin/login")
    assert not matches(office, "/v1/auth/login")


def test_what_quotes_a_callback_in_its_path_is_counted_as_any_request(rules: dict[str, Json]) -> None:
    requests = rules["RequestsPerAddress"]["Statement"]["RateBasedStatement"]["ScopeDownStatement"]
    assert matches(requests, "/v1/orders/%2Fv1%2Fcallbacks%2F")
    assert not matches(requests, "/v1/callbacks/wechat/pay")


def test_operators_call_from_their_addresses_where_any_are_said(
    rules: dict[str, Json], resources: Json, template: Json
) -> None:
    conditional, *others = resources["ApiFirewall"]["Properties"]["Rules"]
    assert conditional["Fn::If"][0] == "OperatorsFenced"
    assert conditional["Fn::If"][2] == {"Ref": "AWS::NoValue"}
    assert [one["Fn::If"][0] for one in others if "Fn::If" in one] == ["HasCatalogueDomain"] * 2
    for name in ("OperatorAddresses", "OperatorAddressesV6"):
        assert (template["Parameters"][name]["Type"], template["Parameters"][name]["Default"]) == (
            "CommaDelimitedList", "",
        )  # fmt: skip
    either = [{"Condition": "HasOperatorAddresses"}, {"Condition": "HasOperatorAddressesV6"}]
    assert template["Conditions"]["OperatorsFenced"] == {"Fn::Or": either}

    fence = rules["OperatorAddresses"]["Statement"]
    for path in ("/v1/admin/login", "/v1/admin/orders/o1", "/docs", "/openapi.json"):
        assert [one for one in disguised(path) if not matches(fence, one)] == []
    for path in ("/v1/orders", "/v1/auth/login", "/v1/callbacks/wechat/pay"):
        assert not matches(fence, path)
    home = fence["AndStatement"]["Statements"][1]["NotStatement"]["Statement"]["OrStatement"]["Statements"]
    sets = [one["IPSetReferenceStatement"]["Arn"]["Fn::GetAtt"][0] for one in home]
    known = {name: (resources[name]["Properties"], resources[name]["Condition"]) for name in sets}
    assert {told["IPAddressVersion"] for told, _ in known.values()} == {"IPV4", "IPV6"}
    assert {condition for _, condition in known.values()} == {"OperatorsFenced"}
    assert known["OperatorsV4"][0]["Addresses"] == {
        "Fn::If": ["HasOperatorAddresses", {"Ref": "OperatorAddresses"}, []]
    }


#: The shopper's address, as the CDN writes it, and behind it the CDN's, as API Gateway does before the firewall looks.
BY_CDN = {cdn.HEADER: MARK, "x-forwarded-for": "203.0.113.7, 130.176.0.1"}


def test_what_the_cdn_asks_for_is_counted_by_the_shopper_it_names(rules: dict[str, Json]) -> None:
    directly = rules["RequestsPerAddress"]["Statement"]["RateBasedStatement"]
    by_cdn = rules["RequestsPerShopper"]["Statement"]["RateBasedStatement"]
    assert (by_cdn["AggregateKeyType"], by_cdn["Limit"]) == ("FORWARDED_IP", directly["Limit"])
    # What names no address that can be read did not come by the CDN.
    assert by_cdn["ForwardedIPConfig"] == {"HeaderName": "x-forwarded-for", "FallbackBehavior": "MATCH"}
    asked: dict[str, Mapping[str, str]] = {
        "by the CDN": BY_CDN, "by a phone": {}, "with a mark of one's own": {**BY_CDN, cdn.HEADER: "guessed"},
        "with an address of one's own": {"x-forwarded-for": "198.51.100.1, 203.0.113.7"},
    }  # fmt: skip
    counted = {
        who: [matches(one["ScopeDownStatement"], "/v1/products", headers) for one in (by_cdn, directly)]
        for who, headers in asked.items()
    }
    assert counted == {who: [who == "by the CDN", who != "by the CDN"] for who in asked}


def test_nobody_is_counted_as_another_by_inventing_an_address(rules: dict[str, Json]) -> None:
    """The CDN writes the shopper's address behind what it was sent, and the firewall counts by the first."""
    refused = rules["InventedAddress"]
    invented = {**BY_CDN, "x-forwarded-for": f"198.51.100.1, {BY_CDN['x-forwarded-for']}"}
    assert matches(refused["Statement"], "/v1/products", invented)
    assert not matches(refused["Statement"], "/v1/products", BY_CDN)
    assert not matches(refused["Statement"], "/v1/products", {"x-forwarded-for": invented["x-forwarded-for"]})
    assert refused["Action"] == rules["OperatorAddresses"]["Action"], "403, before it is counted"
    assert refused["Priority"] < rules["RequestsPerShopper"]["Priority"]


def test_who_calls_from_elsewhere_is_told_so(rules: dict[str, Json], resources: Json) -> None:
    answer = rules["OperatorAddresses"]["Action"]["Block"]["CustomResponse"]
    told = resources["ApiFirewall"]["Properties"]["CustomResponseBodies"][answer["CustomResponseBodyKey"]]
    problem = json.loads(told["Content"])
    assert (answer["ResponseCode"], problem["status"], problem["code"]) == (403, 403, "forbidden")
    assert {one["Name"]: one["Value"] for one in answer["ResponseHeaders"]} == ALWAYS | {"Cache-Control": "no-store"}


def test_whom_the_firewall_blocks_is_told_so_by_the_gateway(rules: dict[str, Json], resources: Json) -> None:
    """A custom response of the firewall's would take precedence over the gateway's (AWS's WAF developer guide)."""
    for name in LIMITS:
        assert rules[name]["Action"] == {"Block": {}}
    blocked = told_by_the_gateway(resources)["WAF_FILTERED"]
    assert blocked["statusCode"] == "429"
    assert blocked["responseParameters"]["gatewayresponse.header.Retry-After"] == "'60'"
    assert json.loads(blocked["responseTemplates"]["application/json"])["code"] == "too_many_requests"


def told_by_the_gateway(resources: Json) -> Json:
    """What API Gateway answers itself, by its own name of the reason."""
    found: Json = resources["RestAPI"]["Properties"]["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
    return found


def test_what_the_gateway_answers_itself_is_a_problem_too(resources: Json) -> None:
    told = told_by_the_gateway(resources)
    for one in told.values():
        problem = json.loads(one["responseTemplates"]["application/json"])
        assert (str(problem["status"]), problem["request_id"]) == (one["statusCode"], "$context.requestId")
        headers = one["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        assert headers["gatewayresponse.header.X-Content-Type-Options"] == "'nosniff'"
        assert headers["gatewayresponse.header.Strict-Transport-Security"] == "'max-age=31536000'"
        waits = "gatewayresponse.header.Retry-After" in headers
        assert waits == (one["statusCode"] in ("429", "503"))
    assert told["MISSING_AUTHENTICATION_TOKEN"]["statusCode"] == "404"


@pytest.mark.parametrize(
    "reason",
    [
        "MISSING_AUTHENTICATION_TOKEN", "INVALID_SIGNATURE", "EXPIRED_TOKEN", "ACCESS_DENIED", "UNAUTHORIZED",
        "INVALID_API_KEY", "DEFAULT_4XX",
    ],
)  # fmt: skip
def test_an_unknown_path_is_not_found_whatever_authorization_is_sent(reason: str, resources: Json) -> None:
    """Of such a path API Gateway reads `Authorization: Bearer ...` as a signature of AWS, and a wrong one."""
    one = told_by_the_gateway(resources)[reason]
    problem = json.loads(one["responseTemplates"]["application/json"])
    assert (one["statusCode"], problem["status"], problem["code"]) == ("404", 404, "not_found")


def test_a_flood_leaves_the_workers_their_environments(resources: Json, template: Json) -> None:
    assert template["Parameters"]["WorkersReserved"]["Default"] >= 40, "ten at once for each of a new stream's shards"
    for function in FUNCTIONS:
        kept = resources[function.logical_id]["Properties"].get("ReservedConcurrentExecutions")
        how_many: Any = {"schedule": 2, "stream": {"Ref": "WorkersReserved"}}.get(function.wakes)
        assert kept == (how_many and {"Fn::If": ["WorkersKept", how_many, {"Ref": "AWS::NoValue"}]})


@pytest.mark.parametrize(
    ("alarm", "reason"),
    [
        ("OperatorLoginsFail", "login_failed"),
        ("OperatorLoginsHeldUp", "too_many_requests"),
        ("OperatorCodesFail", "totp_wrong"),
    ],
)
def test_failed_logins_of_operators_ring_and_what_shoppers_are_refused_does_not(alarm: str, reason: str) -> None:
    told = alarms.alarms("prod", workers=1)[alarm]
    assert (told.namespace, told.metric) == (NAMESPACE, "OperatorsRefused")
    assert told.dimensions == {"Stage": "prod", "Reason": reason}
    assert (told.at, told.seconds) == (3 if reason == "totp_wrong" else 10, 900)
    assert "/aws/lambda/STACK-operators" in told.says and "access log" not in told.says
    assert told.silence == "notBreaching"


def test_alarms_are_encrypted_with_a_key_that_lets_cloudwatch_in(resources: Json) -> None:
    assert resources["Alarms"]["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": ["AlarmsKey", "Arn"]}
    key = resources["AlarmsKey"]["Properties"]
    assert key["EnableKeyRotation"] is True
    account, cloudwatch = key["KeyPolicy"]["Statement"]
    assert account["Principal"]["AWS"]["Fn::Sub"].endswith(":${AWS::AccountId}:root")
    assert cloudwatch["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert cloudwatch["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert cloudwatch["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
