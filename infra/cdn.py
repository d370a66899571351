"""The catalogue on a content delivery network: a second host name, which asks the API for the catalogue alone.

It is there where `CatalogueDomainName` and its certificate are said. It hands on no token and no cookie, keeps what the
API lets it keep (chalicelib/platform/web/edge.py) and never a refusal, and proves itself by a header whose value nobody
has ever seen: by that the firewall knows whose word on a shopper's address it may take (infra/firewall.py).

In China CloudFront takes certificates from IAM alone, and CloudFormation knows no functions of CloudFront; nothing here
needs one.
"""

from __future__ import annotations

import importlib
from typing import Any

from chalicelib.platform.web.endpoint import ENDPOINTS, Endpoint
from infra import NOTHING

Json = dict[str, Any]

#: The condition under which it is there.
THERE = "HasCatalogueDomain"
#: The header by which it proves itself, and its value as CloudFormation fills it in at deployment.
HEADER = "x-yutang-cdn"
MARK = {"Fn::Sub": "{{resolve:secretsmanager:${CatalogueMark}}}"}
#: The API, and the same below a path that it does not have.
_API, _NOWHERE = "api", "nowhere"
#: Refusals that CloudFront would otherwise keep for ten seconds.
_REFUSALS = (400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504)
#: Whatever the API says: not longer than this, in seconds.
_LONGEST = 3600


def resources() -> Json:
    """The distribution, what it keeps answers by, and its mark."""
    found: Json = {
        "CatalogueCdn": {
            "Type": "AWS::CloudFront::Distribution",
            "Properties": {"DistributionConfig": _distribution()},
        },
        "CatalogueKept": {"Type": "AWS::CloudFront::CachePolicy", "Properties": {"CachePolicyConfig": _kept_by()}},
        "CatalogueMark": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {
                "Description": {"Fn::Sub": "By this the firewall of ${AWS::StackName} knows its catalogue's CDN"},
                "GenerateSecretString": {"PasswordLength": 48, "ExcludePunctuation": True},
            },
        },
    }
    return {name: resource | {"Condition": THERE} for name, resource in found.items()}


def _distribution() -> Json:
    # In China IAM's, by its id; elsewhere ACM's, by its ARN.
    certificate = {
        "AcmCertificateArn": {"Fn::If": ["InChina", NOTHING, {"Ref": "CatalogueCertificate"}]},
        "IamCertificateId": {"Fn::If": ["InChina", {"Ref": "CatalogueCertificate"}, NOTHING]},
        "SslSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.2_2021",
    }
    return {
        "Enabled": True,
        "Comment": {"Fn::Sub": "The catalogue of ${AWS::StackName}"},
        "Aliases": [{"Ref": "CatalogueDomainName"}],
        "ViewerCertificate": certificate,
        "HttpVersion": "http2",
        "Origins": [_origin(_API, ""), _origin(_NOWHERE, "/nowhere")],
        "DefaultCacheBehavior": _behaviour(_NOWHERE),
        "CacheBehaviors": [{"PathPattern": path, **_behaviour(_API)} for path in patterns()],
        "CustomErrorResponses": [{"ErrorCode": code, "ErrorCachingMinTTL": 0} for code in _REFUSALS],
    }


def _shared() -> list[Endpoint]:
    """Import the mall; the endpoints whose answers a CDN may keep, which are all that it asks for."""
    importlib.import_module("app")  # an endpoint is known when its module is imported
    return [endpoint for endpoint in ENDPOINTS if endpoint.shared]


def patterns() -> list[str]:
    """The paths that it asks for, as CloudFront writes them."""
    paths = [endpoint.path for endpoint in _shared()]
    return [path.partition("{")[0] + ("*" if "{" in path else "") for path in paths]


def _origin(name: str, below: str) -> Json:
    return {
        "Id": name,
        "DomainName": {"Ref": "DomainName"},
        "OriginPath": below,
        "CustomOriginConfig": {"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]},
        "OriginCustomHeaders": [{"HeaderName": HEADER, "HeaderValue": MARK}],
    }


def _behaviour(origin: str) -> Json:
    return {
        "TargetOriginId": origin,
        "ViewerProtocolPolicy": "https-only",
        "AllowedMethods": ["GET", "HEAD"],
        "CachePolicyId": {"Ref": "CatalogueKept"},
        "Compress": True,
    }


def _kept_by() -> Json:
    """By the path and what the catalogue may be asked; no other parameter, header or cookie comes to the API."""
    queries = [endpoint.query for endpoint in _shared() if endpoint.query is not None]
    asked = {name for query in queries for name in query.__struct_encode_fields__}
    return {
        "Name": {"Fn::Sub": "${AWS::StackName}-${AWS::Region}-catalogue"},
        "MinTTL": 0,
        "DefaultTTL": 0,
        "MaxTTL": _LONGEST,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": True,
            "HeadersConfig": {"HeaderBehavior": "none"},
            "CookiesConfig": {"CookieBehavior": "none"},
            "QueryStringsConfig": {"QueryStringBehavior": "whitelist", "QueryStrings": sorted(asked)},
        },
    }
