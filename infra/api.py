"""The API: the operators' resources, which Chalice does not know, its access log, its bounds and its own address.

Chalice knows one function behind an API; the operators' stands behind one greedy resource and two more, and finds the
endpoint by itself (chalicelib/platform/web/operators_edge.py).
"""

from __future__ import annotations

import importlib
import re
from typing import Any

import msgspec

from chalicelib.platform.web.paths import OPERATORS
from infra import responses

Json = dict[str, Any]

#: What the access log tells of a request: no query, no header, no body, and of a path only the resource.
_TOLD = {
    "request_id": "$context.requestId",
    "address": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "resource": "$context.resourcePath",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
}


def resources() -> Json:
    """What is merged into Chalice's API, the log, and the permission to call the operators' function."""
    return {
        "RestAPI": {"DependsOn": "ApiLogsAccount", "Properties": _properties()},
        "ApiLogs": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": {"Fn::Sub": "/aws/apigateway/${AWS::StackName}"},
                "RetentionInDays": {"Ref": "LogDays"},
            },
        },
        **_account(),
        "OperatorsInvokePermission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": "Operators"},
                "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": {"Fn::Sub": f"{_EXECUTE}/*"},
            },
        },
    }


_EXECUTE = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${RestAPI}"


def _properties() -> Json:
    bounds = {"ThrottlingRateLimit": {"Ref": "RequestsPerSecond"}, "ThrottlingBurstLimit": {"Ref": "RequestsAtOnce"}}
    # "~1" is how a path is escaped here; "/*" are all.
    everything = {"HttpMethod": "*", "ResourcePath": "/*", **bounds}
    group = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${ApiLogs}"
    return {
        "DefinitionBody": {
            "x-amazon-apigateway-gateway-responses": responses.gateway_responses(),
            "paths": {path: _path(path, "APIHandler") for path in _shop_paths()}
            | {path: _path(path, "Operators") for path in OPERATORS},
        },
        "DisableExecuteApiEndpoint": {"Fn::If": ["HasDomain", True, False]},
        "AccessLogSetting": {"DestinationArn": {"Fn::Sub": group}, "Format": msgspec.json.encode(_TOLD).decode()},
        "MethodSettings": [everything],
    }


def _shop_paths() -> list[str]:
    return sorted(importlib.import_module("app").app.routes)


def _path(path: str, function: str) -> Json:
    """Every method of the resource that Chalice does not give it goes to this function, which says what is allowed
    there: API Gateway itself would say that the path is unknown."""
    arn = f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{{function}.Arn}}"
    integration = {
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": {"Fn::Sub": f"{arn}/invocations"},
        "passthroughBehavior": "when_no_match",
        "contentHandling": "CONVERT_TO_TEXT",
        "responses": {"default": {"statusCode": "200"}},
    }
    answers = {"200": {"description": "200 response", "schema": {"$ref": "#/definitions/Empty"}}}
    method: Json = {
        "consumes": [],
        "produces": ["application/json"],
        "responses": answers,
        "x-amazon-apigateway-integration": integration,
    }
    names = re.findall(r"\{(\w+)\+?\}", path)
    if names:
        method["parameters"] = [{"name": name, "in": "path", "required": True, "type": "string"} for name in names]
    return {"x-amazon-apigateway-any-method": method}


def _account() -> Json:
    """By which role API Gateway writes logs: one for the account and region, so that it outlives every stack."""
    trusted = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    return {
        "ApiLogsRole": {
            "Type": "AWS::IAM::Role",
            **kept,
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trusted]},
                "ManagedPolicyArns": [{"Fn::Sub": policy}],
            },
        },
        "ApiLogsAccount": {
            "Type": "AWS::ApiGateway::Account",
            **kept,
            "Properties": {"CloudWatchRoleArn": {"Fn::GetAtt": ["ApiLogsRole", "Arn"]}},
        },
    }
