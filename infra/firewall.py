"""The firewall before the API: how much one address may ask for, whence operators come, and its log of what it blocks.

It blocks, and API Gateway says so (infra/responses.py); only who is not let in at all is answered here, for a custom
answer of the firewall's goes before the gateway's, and it is no question of waiting.

What the catalogue's CDN asks for (infra/cdn.py) comes from the CDN's addresses. It is counted by the shopper's, which
the CDN writes behind whatever X-Forwarded-For it was sent, and API Gateway the CDN's behind that, before the firewall
looks; the firewall counts by the first one there. So three addresses are one too many: whoever brings one of their own
is let in nowhere by that way; nobody's phone does, behind TLS. Without the CDN's mark that header is not looked at.
"""

from __future__ import annotations

from typing import Any

from chalicelib.core.errors import MallError
from chalicelib.platform.web import problems
from chalicelib.platform.web.paths import OPERATORS
from infra import NOTHING, cdn
from infra.responses import ALWAYS

Json = dict[str, Any]

#: A path as whoever guards it must read it: percent-encoding, dots, doubled slashes and capitals hide nothing.
_PLAIN = ("URL_DECODE", "NORMALIZE_PATH", "LOWERCASE")
#: WeChat's callbacks, as they are sent: decoded, a path parameter that quotes it would be counted among them.
_CALLBACKS = ("/v1/callbacks/", ("NONE",))
#: Where a name and a password are tried: the first rule is the operators', the second everybody else's.
_OPERATORS_LOGINS = ("/v1/admin/login", "/v1/admin/session")
_LOGIN = "/v1/auth/login"
#: Key of the answer to who calls an operator's path from a foreign address, or brings the CDN an invented one.
_FOREIGN = "ForeignAddress"
#: Where a CDN says for whom it asks.
_FORWARDED = "x-forwarded-for"
_THREE_ADDRESSES = ",.*,"


def resources() -> Json:
    """The firewall, its sets of addresses, its log, and what it stands before."""
    return {
        "ApiFirewall": {
            "Type": "AWS::WAFv2::WebACL",
            "Properties": {
                "Scope": "REGIONAL",
                "DefaultAction": {"Allow": {}},
                "VisibilityConfig": _visible("ApiFirewall"),
                "CustomResponseBodies": {_FOREIGN: {"ContentType": "APPLICATION_JSON", "Content": _refusal()}},
                "Rules": _rules(),
            },
        },
        "ApiFirewallAssociation": {
            "Type": "AWS::WAFv2::WebACLAssociation",
            "Properties": {"WebACLArn": _FIREWALL, "ResourceArn": _STAGE},
        },
        "OperatorsV4": _addresses("IPV4", "HasOperatorAddresses", "OperatorAddresses"),
        "OperatorsV6": _addresses("IPV6", "HasOperatorAddressesV6", "OperatorAddressesV6"),
        "FirewallLogs": {
            "Type": "AWS::Logs::LogGroup",
            # WAF writes only to groups of such a name.
            "Properties": {
                "LogGroupName": {"Fn::Sub": "aws-waf-logs-${AWS::StackName}"},
                "RetentionInDays": {"Ref": "LogDays"},
            },
        },
        "FirewallLogging": {"Type": "AWS::WAFv2::LoggingConfiguration", "Properties": _logging()},
    }


_FIREWALL = {"Fn::GetAtt": ["ApiFirewall", "Arn"]}
_STAGE = {
    "Fn::Sub": [
        "arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/${RestAPI}/stages/${Stage}",
        {"Stage": {"Ref": "RestAPI.Stage"}},
    ]
}


def _rules() -> list[Json]:
    callbacks = _contains(*_CALLBACKS)
    logins = _any([_contains(path) for path in _OPERATORS_LOGINS])
    requests = {"NotStatement": {"Statement": callbacks}}
    by_cdn = _header(cdn.HEADER, "ByteMatchStatement", PositionalConstraint="EXACTLY", SearchString=cdn.MARK)
    invented = _all([by_cdn, _header(_FORWARDED, "RegexMatchStatement", RegexString=_THREE_ADDRESSES)])
    directly = _all([requests, {"NotStatement": {"Statement": by_cdn}}])
    return [
        {"Fn::If": ["OperatorsFenced", _fence(), NOTHING]},
        _limit("OperatorLoginsPerAddress", 1, logins),
        _limit("LoginsPerAddress", 2, _contains(_LOGIN)),
        _limit("RequestsPerAddress", 3, {"Fn::If": [cdn.THERE, directly, requests]}),
        _limit("CallbacksPerAddress", 4, callbacks),
        {"Fn::If": [cdn.THERE, _refuse("InventedAddress", 5, invented), NOTHING]},
        {"Fn::If": [cdn.THERE, _limit_forwarded(by_cdn), NOTHING]},
    ]


def _limit(name: str, priority: int, counted: Json) -> Json:
    """Block an address for as long as it sends more of these in five minutes than the parameter of this name."""
    rate = {"Limit": {"Ref": name}, "AggregateKeyType": "IP", "ScopeDownStatement": counted}
    return {
        "Name": name,
        "Priority": priority,
        "Action": {"Block": {}},
        "Statement": {"RateBasedStatement": rate},
        "VisibilityConfig": _visible(name),
    }


def _limit_forwarded(by_cdn: Json) -> Json:
    """The same for the address that the CDN says, as many as any address may send. What says none is blocked."""
    rule = _limit("RequestsPerAddress", 6, by_cdn)
    rule["Statement"]["RateBasedStatement"] |= {
        "AggregateKeyType": "FORWARDED_IP",
        "ForwardedIPConfig": {"HeaderName": _FORWARDED, "FallbackBehavior": "MATCH"},
    }
    return rule | {"Name": "RequestsPerShopper", "VisibilityConfig": _visible("RequestsPerShopper")}


def _fence() -> Json:
    """Block every call of an operator's path from an address that is in neither set."""
    home = _any([{"IPSetReferenceStatement": {"Arn": {"Fn::GetAtt": [one, "Arn"]}}} for one in _SETS])
    theirs = _any([_contains(path.partition("/{")[0]) for path in OPERATORS])
    return _refuse("OperatorAddresses", 0, _all([theirs, {"NotStatement": {"Statement": home}}]))


def _refuse(name: str, priority: int, meant: Json) -> Json:
    """Answer these with 403, whoever sends them."""
    headers = {"Cache-Control": "no-store", **ALWAYS}
    answer = {
        "ResponseCode": MallError("forbidden").status,
        "CustomResponseBodyKey": _FOREIGN,
        "ResponseHeaders": [{"Name": name, "Value": value} for name, value in headers.items()],
    }
    return {
        "Name": name,
        "Priority": priority,
        "Action": {"Block": {"CustomResponse": answer}},
        "Statement": meant,
        "VisibilityConfig": _visible(name),
    }


_SETS = ("OperatorsV4", "OperatorsV6")


def _any(statements: list[Json]) -> Json:
    return {"OrStatement": {"Statements": statements}}


def _all(statements: list[Json]) -> Json:
    return {"AndStatement": {"Statements": statements}}


def _header(name: str, statement: str, **matched: str | Json) -> Json:
    field = {"SingleHeader": {"Name": name}}
    return {statement: {"FieldToMatch": field, "TextTransformations": [{"Priority": 0, "Type": "NONE"}], **matched}}


def _contains(text: str, read_as: tuple[str, ...] = _PLAIN) -> Json:
    return {
        "ByteMatchStatement": {
            "FieldToMatch": {"UriPath": {}},
            "PositionalConstraint": "CONTAINS",
            "SearchString": text,
            "TextTransformations": [{"Priority": number, "Type": kind} for number, kind in enumerate(read_as)],
        }
    }


def _addresses(version: str, condition: str, parameter: str) -> Json:
    """A set of the addresses in this parameter; empty when only the other one says any."""
    known = {"Fn::If": [condition, {"Ref": parameter}, []]}
    properties = {"Scope": "REGIONAL", "IPAddressVersion": version, "Addresses": known}
    return {"Type": "AWS::WAFv2::IPSet", "Condition": "OperatorsFenced", "Properties": properties}


def _logging() -> Json:
    """What was blocked, without what proves who somebody is; the API's own log has every request."""
    blocked = {"Behavior": "KEEP", "Requirement": "MEETS_ANY", "Conditions": [{"ActionCondition": {"Action": "BLOCK"}}]}
    group = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${FirewallLogs}"
    secret = [{"SingleHeader": {"Name": name}} for name in ("authorization", "cookie", cdn.HEADER)]
    return {
        "ResourceArn": _FIREWALL,
        "LogDestinationConfigs": [{"Fn::Sub": group}],
        "RedactedFields": [*secret, {"QueryString": {}}],
        "LoggingFilter": {"DefaultBehavior": "DROP", "Filters": [blocked]},
    }


def _refusal() -> str:
    return problems.render(MallError("forbidden"), "zh", "", {}).decode()


def _visible(name: str) -> Json:
    return {"CloudWatchMetricsEnabled": True, "SampledRequestsEnabled": False, "MetricName": name}
