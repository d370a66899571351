"""Requests to DynamoDB are signed as botocore signs them, whenever, wherever and by whatever key."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from unittest.mock import patch

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import signature
from chalicelib.core.signature import Credentials, Scope

KEYS = st.builds(
    Credentials,
    st.from_regex(r"A[KS]IA[A-Z0-9]{16}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9/+]{40}", fullmatch=True),
    st.from_regex(r"([A-Za-z0-9/+]{20}=)?", fullmatch=True),
)
INSTANTS = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
REGIONS = st.sampled_from(["cn-north-1", "cn-northwest-1", "ap-southeast-1"])


@given(KEYS, INSTANTS, REGIONS, st.sampled_from(["GetItem", "TransactWriteItems"]), st.binary(max_size=99))
def test_a_request_is_signed_as_botocore_signs_it(
    keys: Credentials, at: datetime, region: str, operation: str, body: bytes
) -> None:
    host = f"dynamodb.{region}.amazonaws.com"
    told = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"DynamoDB_20120810.{operation}"}
    request = AWSRequest("POST", f"https://{host}/", dict(told), body)
    with patch.object(auth, "get_current_datetime", lambda: at.replace(tzinfo=None)):
        auth.SigV4Auth(BotoCredentials(keys.key_id, keys.secret, keys.token or None), "dynamodb", region).add_auth(
            request
        )
    scope = Scope("dynamodb", region, at)
    sent = signature.headers(keys, scope, "POST", host, "/", told, hashlib.sha256(body).hexdigest())
    assert sent == {"host": host} | {name.lower(): value for name, value in request.headers.items()}
