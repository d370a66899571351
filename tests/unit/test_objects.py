"""What the mall signs for S3, held against botocore; what may be uploaded, and what a file is by its bytes."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import signature
from chalicelib.core.errors import MallError
from chalicelib.core.signature import Credentials, Scope
from chalicelib.mall.files.rules import SIZES, Upload, check_size, type_of, upload_of
from tests.support.uploads import PICTURES

AT = datetime(2026, 11, 29, 8, 30, 5, tzinfo=UTC)
SCOPE = Scope("s3", "cn-north-1", AT)
KEYS = [Credentials("AKIA1", "secret"), Credentials("ASIA1", "secret/+", "token+/=")]


@pytest.fixture(autouse=True)
def at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "get_current_datetime", lambda remove_tzinfo=True: AT.replace(tzinfo=None))


def boto(keys: Credentials) -> BotoCredentials:
    return BotoCredentials(keys.key_id, keys.secret, keys.token or None)


@pytest.mark.parametrize("keys", KEYS, ids=["lasting", "temporary"])
@pytest.mark.parametrize(
    ("method", "key", "extra"),
    [
        ("GET", "private/u1", {"range": "bytes=0-15"}),
        ("DELETE", "public/u1.png", {}),
        ("PUT", "public/u1.png", {"x-amz-copy-source": "/bucket/private/u1", "content-type": "image/png"}),
    ],
)
def test_a_request_is_signed_as_botocore_signs_it(
    keys: Credentials, method: str, key: str, extra: dict[str, str]
) -> None:
    host = "bucket.s3.cn-north-1.amazonaws.com.cn"
    request = AWSRequest(method=method, url=f"https://{host}/{key}", headers=extra)
    request.context["client_config"] = None
    signer = auth.S3SigV4Auth(boto(keys), "s3", SCOPE.region)
    signer._should_sha256_sign_payload = lambda _: False
    signer.add_auth(request)
    told = {**extra, "x-amz-content-sha256": signature.UNSIGNED}
    sent = signature.headers(keys, SCOPE, method, host, f"/{key}", told, signature.UNSIGNED)
    assert sent["authorization"] == request.headers["Authorization"]


@pytest.mark.parametrize("keys", KEYS, ids=["lasting", "temporary"])
def test_a_form_is_signed_as_botocore_signs_it(keys: Credentials) -> None:
    fields = {"key": "private/u1", "Content-Type": "image/png"}
    signed = signature.form(keys, SCOPE, "bucket", fields, 1000, 3600)
    request = AWSRequest(method="POST", url="https://bucket/")
    request.context["s3-presign-post-fields"] = dict(fields)
    request.context["s3-presign-post-policy"] = {
        "expiration": "2026-11-29T09:30:05Z",
        "conditions": [{"bucket": "bucket"}, *({name: value} for name, value in fields.items())],
    }
    auth.S3SigV4PostAuth(boto(keys), "s3", SCOPE.region).add_auth(request)
    theirs = request.context["s3-presign-post-fields"]
    assert {**signed, "policy": "", "x-amz-signature": ""} == {**theirs, "policy": "", "x-amz-signature": ""}
    policy, their_policy = (json.loads(base64.b64decode(form["policy"])) for form in (signed, theirs))
    assert policy["conditions"].pop() == ["content-length-range", 1, 1000]
    assert policy["expiration"] == their_policy["expiration"]
    assert sorted(map(json.dumps, policy["conditions"])) == sorted(map(json.dumps, their_policy["conditions"]))
    assert signature.sign(keys, SCOPE, theirs["policy"]) == theirs["x-amz-signature"]


@pytest.mark.parametrize("content_type", list(PICTURES))
def test_a_picture_is_known_by_how_it_begins(content_type: str) -> None:
    assert type_of(PICTURES[content_type][:16]) == content_type


@pytest.mark.parametrize(
    "start", [b"", b"<svg xmlns=", b"<html>", b"%PDF-1.7", b"PK\x03\x04", b"RIFF\0\0\0\0WAVE", b"GIF90a", b"\xff\xd8"]
)
def test_anything_else_is_no_picture(start: bytes) -> None:
    assert type_of(start) == ""


@given(st.binary(max_size=16))
def test_a_file_is_of_one_type_or_none(start: bytes) -> None:
    assert type_of(start) in {"", *PICTURES}


@pytest.mark.parametrize("purpose", list(SIZES))
def test_each_purpose_has_its_size(purpose: str) -> None:
    check_size(purpose, SIZES[purpose])
    with pytest.raises(MallError, match="invalid"):
        check_size(purpose, SIZES[purpose] + 1)


def test_a_file_is_named_by_its_upload_and_type() -> None:
    upload = Upload(upload_id="u1", purpose="avatar", content_type="image/jpeg", size=1, made_at=AT)
    assert upload.file == "u1.jpg"
    assert upload_of(upload.file) == "u1"
    assert upload.expires_at == AT + timedelta(days=1)
