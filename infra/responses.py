"""What API Gateway answers by itself, in the form of every other answer of the mall."""

from __future__ import annotations

from typing import Any

from chalicelib.core.errors import MallError
from chalicelib.platform.web import problems

#: API Gateway's name of a refusal, and which of the mall's it is. An unknown path is "missing authentication token";
#: with a header `Authorization`, then taken for a signature of AWS, it is one of the others that are `not_found`.
_REFUSALS = {
    "DEFAULT_4XX": "not_found",
    "BAD_REQUEST_BODY": "malformed",
    "BAD_REQUEST_PARAMETERS": "malformed",
    "UNSUPPORTED_MEDIA_TYPE": "malformed",
    "DEFAULT_5XX": "unavailable",
    "MISSING_AUTHENTICATION_TOKEN": "not_found",
    "INVALID_SIGNATURE": "not_found",
    "EXPIRED_TOKEN": "not_found",
    "ACCESS_DENIED": "not_found",
    "UNAUTHORIZED": "not_found",
    "INVALID_API_KEY": "not_found",
    "REQUEST_TOO_LARGE": "too_large",
    "THROTTLED": "too_many_requests",
    "WAF_FILTERED": "too_many_requests",
    "INTEGRATION_FAILURE": "unavailable",
    "INTEGRATION_TIMEOUT": "unavailable",
}


#: What every answer says: it is what its type says, and only https is spoken here.
ALWAYS = {"X-Content-Type-Options": "nosniff", "Strict-Transport-Security": "max-age=31536000"}

#: Seconds after which it is worth trying again. The firewall counts over five minutes, and looks every few seconds.
_RETRY_AFTER = {"WAF_FILTERED": 60}


def gateway_responses() -> dict[str, Any]:
    """For the API's definition, under x-amazon-apigateway-gateway-responses."""
    return {name: _response(MallError(code, retry_after=_RETRY_AFTER.get(name))) for name, code in _REFUSALS.items()}


def _response(error: MallError) -> dict[str, Any]:
    headers = {"Content-Type": problems.CONTENT_TYPE, "Cache-Control": "no-store", **ALWAYS}
    if error.status in (429, 503):
        headers["Retry-After"] = str(error.retry_after or 1)
    return {
        "statusCode": str(error.status),
        "responseParameters": {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()},
        "responseTemplates": {"application/json": problems.render(error, "zh", "$context.requestId", {}).decode()},
    }
