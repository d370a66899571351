"""The catalogue's own host on a CDN: it asks for the catalogue alone, hands on nobody's token, and keeps what the API
lets it keep."""

from __future__ import annotations

import fnmatch
from typing import Any

import pytest

from chalicelib.commerce.catalogue.inputs import ProductsQuery
from chalicelib.commerce.pricing.inputs import PromotionsQuery
from chalicelib.platform.web.endpoint import ENDPOINTS
from infra import cdn

pytestmark = pytest.mark.slow

Json = dict[str, Any]

OWN = ("CatalogueCdn", "CatalogueKept", "CatalogueMark")


@pytest.fixture
def told(resources: Json) -> Json:
    """How the distribution is set up."""
    found: Json = resources["CatalogueCdn"]["Properties"]["DistributionConfig"]
    return found


def test_it_is_there_where_its_domain_and_certificate_are_said(resources: Json, template: Json) -> None:
    assert {resources[name]["Condition"] for name in OWN} == {"HasCatalogueDomain"}
    own, *said = template["Conditions"]["HasCatalogueDomain"]["Fn::And"]
    wanted = ("CatalogueDomainName", "CatalogueCertificate")
    assert own == {"Condition": "HasDomain"}
    assert said == [{"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]} for name in wanted]
    by_default = [template["Parameters"][name]["Default"] for name in (*wanted, "CdnSeconds")]
    assert by_default == ["", "", 0]


def test_of_the_api_it_asks_for_the_catalogue_alone(resources: Json, told: Json) -> None:
    """Any other path goes to one that the API does not have."""
    asked = [one["PathPattern"] for one in told["CacheBehaviors"] if one["TargetOriginId"] == "api"]
    paths = resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    reached = {path for path in paths if any(fnmatch.fnmatchcase(path, pattern) for pattern in asked)}
    assert reached == {each.path for each in ENDPOINTS if each.shared}
    origins = {one["Id"]: one["OriginPath"] for one in told["Origins"]}
    assert (origins["api"], told["DefaultCacheBehavior"]["TargetOriginId"]) == ("", "nowhere")
    assert not any(path.startswith(origins["nowhere"]) for path in paths)


def test_it_only_reads_and_says_nothing_of_who_asks(resources: Json, told: Json) -> None:
    behaviours = [told["DefaultCacheBehavior"], *told["CacheBehaviors"]]
    for one in behaviours:
        assert (one["AllowedMethods"], one["ViewerProtocolPolicy"]) == (["GET", "HEAD"], "https-only")
        assert one["CachePolicyId"] == {"Ref": "CatalogueKept"}
        assert "OriginRequestPolicyId" not in one, "what it keeps answers by is all that it hands on"
    known = resources["CatalogueKept"]["Properties"]["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
    assert (known["HeadersConfig"], known["CookiesConfig"]) == ({"HeaderBehavior": "none"}, {"CookieBehavior": "none"})
    queries = {*ProductsQuery.__struct_encode_fields__, *PromotionsQuery.__struct_encode_fields__}
    assert set(known["QueryStringsConfig"]["QueryStrings"]) == queries


def test_it_keeps_what_the_api_says_and_never_a_refusal(resources: Json, told: Json) -> None:
    kept = resources["CatalogueKept"]["Properties"]["CachePolicyConfig"]
    assert (kept["MinTTL"], kept["DefaultTTL"]) == (0, 0)
    assert kept["MaxTTL"] >= 3600, "the most that CdnSeconds may say"
    unkept = {one["ErrorCode"] for one in told["CustomErrorResponses"] if one["ErrorCachingMinTTL"] == 0}
    assert {400, 403, 404, 500, 502, 503, 504} <= unkept


def test_it_proves_itself_by_what_nobody_has_seen(resources: Json, template: Json, told: Json) -> None:
    for origin in told["Origins"]:
        assert origin["DomainName"] == {"Ref": "DomainName"}
        assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
        assert origin["OriginCustomHeaders"] == [{"HeaderName": cdn.HEADER, "HeaderValue": cdn.MARK}]
    assert cdn.MARK["Fn::Sub"] == "{{resolve:secretsmanager:${CatalogueMark}}}"
    assert resources["CatalogueMark"]["Properties"]["GenerateSecretString"]["PasswordLength"] >= 32


def test_its_certificate_is_iam_s_in_china_and_acm_s_elsewhere(told: Json) -> None:
    certificate, nothing = {"Ref": "CatalogueCertificate"}, {"Ref": "AWS::NoValue"}
    assert told["ViewerCertificate"]["IamCertificateId"] == {"Fn::If": ["InChina", certificate, nothing]}
    assert told["ViewerCertificate"]["AcmCertificateArn"] == {"Fn::If": ["InChina", nothing, certificate]}
