"""The store's own way to DynamoDB: whatever comes of a send, callers see what botocore alone would let them see."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import BaseClient
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chalicelib.core.errors import MallError
from chalicelib.platform.store import base, straight
from local.processes import free_port
from tests.support.flaky import ITEM, Flaky, flaky

ASKED = {"TableName": "things", "Key": {"id": {"S": "枕"}}}
FAULTS = (
    "500 InternalServerError", "500", "502", "503 ServiceUnavailable", "503", "429", "400 ThrottlingException",
    "400 ProvisionedThroughputExceededException", "400 RequestLimitExceeded", "400 TransactionInProgressException",
    "400 TransactionConflictException", "400 ConditionalCheckFailedException", "400 TransactionCanceledException",
    "400 ValidationException", "400 UnrecognizedClientException", "403 AccessDeniedException", "400", "413",
    "dropped", "silent",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def models() -> Iterator[None]:
    """Botocore reads its descriptions of services once for all these clients."""
    with pytest.MonkeyPatch.context() as patch:
        loader = botocore.session.create_loader()
        patch.setattr(botocore.session, "create_loader", lambda *_: loader)
        yield


@pytest.fixture
def server() -> Iterator[Flaky]:
    with flaky() as server:
        yield server


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited before each repetition, which is not waited here; nor are silences for long."""
    waits: list[float] = []
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=waits.append))
    monkeypatch.setattr(base, "_READ_SECONDS", 0.05)
    return waits


def plain(url: str) -> BaseClient:
    """Botocore's client alone, with the same settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(straight, "register", lambda _: None)
        return base.new_client(url)


def outcome(client: BaseClient) -> Any:
    """What a caller sees: the answer, or what was raised with what it says."""
    try:
        answer = client._make_api_call("GetItem", ASKED)
    except ClientError as fault:
        told = fault.response
        return type(fault).__name__, told["Error"], told["ResponseMetadata"]["RetryAttempts"], str(fault)
    except BotoCoreError as fault:
        return type(fault).__name__
    del answer["ResponseMetadata"]
    return answer


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_end_as_with_botocore_alone(fault: str, server: Flaky, waits: list[float]) -> None:
    """Once or again and again, at the first send of a connection or later: the same end after as many sends."""
    seen = []
    for client in (plain(server.url), base.new_client(server.url)):
        for answers in ([fault], [fault] * 5, ["well"], [fault], [fault] * 2, [fault] * 5):
            server.answers, server.sent, before = list(answers), [], len(waits)
            seen.append((outcome(client), len(server.sent), len(waits) - before))
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]


def test_where_nobody_listens_it_ends_as_with_botocore_alone(waits: list[float]) -> None:
    url, seen = f"http://127.0.0.1:{free_port()}", []
    for client in (plain(url), base.new_client(url)):
        before = len(waits)
        seen.append((outcome(client), len(waits) - before))
    assert seen == [("EndpointConnectionError", 2)] * 2


def test_what_may_be_repeated_is_bounded_over_all_calls_and_refilled_by_those_that_succeed(
    server: Flaky, waits: list[float]
) -> None:
    seen = []
    for client in (plain(server.url), base.new_client(server.url)):
        for fault, calls in (("500", 30), ("well", 20), ("500", 3)):
            server.answers, server.sent = [fault] * 3 * calls, []
            for _ in range(calls):
                outcome(client)
            seen.append(len(server.sent))
    assert seen[:3] == seen[3:]
    assert seen[0] < 3 * 30
    assert seen[2] > 3


@pytest.mark.parametrize("fault", ["half", "cut", "damaged"])
@pytest.mark.parametrize("before", [[], ["well"]], ids=["the first of a connection", "a later one"])
def test_an_answer_that_did_not_come_whole_is_asked_for_again(
    fault: str, before: list[str], server: Flaky, waits: list[float]
) -> None:
    client = base.new_client(server.url)
    for _ in before:
        outcome(client)
    server.answers, server.sent = [fault], []
    assert (outcome(client), len(server.sent)) == (ITEM, 2)


def test_answers_come_in_chunks_or_on_connections_that_end_with_them(server: Flaky) -> None:
    client = base.new_client(server.url)
    server.answers = ["well", "chunked", "well", "closing", "well", "closed behind", "well", "continue", "continue"]
    assert [outcome(client) for _ in range(9)] == [ITEM] * 9
    assert len(server.sent) == 9


@pytest.mark.parametrize("token", [None, "token+/="])
def test_each_send_is_signed_and_says_what_botocores_says(token: str | None, server: Flaky) -> None:
    keys = Credentials("AKIA1", "secret/+", token)
    for client in (plain(server.url), base.new_client(server.url)):
        client._request_signer._credentials = keys
        outcome(client)
        outcome(client)
    theirs, _, first, later = server.sent
    own = {"amz-sdk-invocation-id", "amz-sdk-request", "authorization", "x-amz-date"}
    assert json.loads(theirs.body) == json.loads(first.body) == json.loads(later.body) == ASKED
    for sent in (first, later):
        told = {name: value for name, value in sent.headers.items() if name not in own}
        wanted = {name: value for name, value in theirs.headers.items() if name not in own}
        assert told == wanted | {"content-length": str(len(sent.body))}
        given = sent.headers["authorization"]
        names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        headers = {name: sent.headers[name] for name in names}
        request = AWSRequest("POST", f"{server.url}/", headers, sent.body)
        request.context["timestamp"] = sent.headers["x-amz-date"]
        signer = SigV4Auth(keys, "dynamodb", client.meta.region_name)
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        assert given.endswith(f"Signature={signature}")
        assert {"host", "x-amz-date", "x-amz-target", "content-type"} <= set(names)
        assert ("x-amz-security-token" in names) == (token is not None)


def test_keys_that_change_are_used_from_the_next_send_on(server: Flaky, waits: list[float]) -> None:
    given = iter([ReadOnlyCredentials(f"AKIA{number}", "secret", f"t{number}", None) for number in range(9)])
    client = base.new_client(server.url)
    client._request_signer._credentials = SimpleNamespace(
        get_frozen_credentials=lambda: next(given), method="", token=""
    )
    outcome(client)
    outcome(client)
    assert [sent.headers["x-amz-security-token"] for sent in server.sent] == ["t0", "t1"]


def test_without_keys_nothing_is_sent_and_callers_are_told_to_wait(
    server: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = base.new_client(server.url)
    client._request_signer._credentials = None
    monkeypatch.setattr(base, "_client", client)
    with pytest.raises(MallError) as refusal:
        base.call("GetItem", ASKED)
    assert (refusal.value.code, server.sent) == ("unavailable", [])


def test_over_tls_a_connection_is_kept_and_nothing_is_said_to_a_stranger(
    tmp_path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, context = tmp_path / "known.pem", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.write_bytes(self_signed("127.0.0.1"))
    context.load_cert_chain(certificate)
    with flaky(context) as server:
        stranger = outcome(base.new_client(server.url))
        assert (stranger, server.sent) == ("SSLError", [])
        waits.clear()
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        client = base.new_client(server.url)
        server.answers = ["well", "chunked", "well", "500", "well"]
        assert [outcome(client) for _ in range(4)] == [ITEM] * 4
        assert (len(server.sent), server.connections, len(waits)) == (5, 1, 1), "waited for the 500 alone"


def test_where_a_proxy_is_named_everything_goes_through_it(server: Flaky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    client = base.new_client("http://dynamodb.invalid")
    assert [outcome(client) for _ in range(3)] == [ITEM] * 3
    assert [sent.headers["host"] for sent in server.sent] == ["dynamodb.invalid"] * 3


def test_a_transaction_that_nobody_gave_a_token_has_botocores_at_each_send(server: Flaky, waits: list[float]) -> None:
    """One whose answer was lost would be done twice without it."""
    client = base.new_client(server.url)
    outcome(client)
    server.answers, server.sent = ["500"], []
    client._make_api_call("TransactWriteItems", {"TransactItems": []})
    first, again = (json.loads(sent.body) for sent in server.sent)
    assert first == again
    assert len(first["ClientRequestToken"]) == 36


def test_what_only_botocore_can_write_it_writes(server: Flaky) -> None:
    asked: dict[str, Any] = {"TableName": "things", "AttributesToGet": ("\ud800" for _ in range(1))}
    base.new_client(server.url)._make_api_call("GetItem", asked)
    assert [json.loads(sent.body)["AttributesToGet"] for sent in server.sent] == [["\ud800"]]


def test_a_header_that_would_be_two_is_not_sent(server: Flaky, waits: list[float]) -> None:
    client = base.new_client(server.url)
    outcome(client)
    client._request_signer._credentials = Credentials("AKIA1", "secret", "token\r\nx-evil: 1")
    assert (outcome(client), len(server.sent)) == ("HTTPClientError", 1)


def self_signed(address: str) -> bytes:
    """A certificate of its own, good for an hour, and its key, as PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    named = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    dated = x509.CertificateBuilder(not_valid_before=now, not_valid_after=now + timedelta(hours=1))
    whose = dated.issuer_name(name).subject_name(name).public_key(key.public_key())
    made = whose.serial_number(x509.random_serial_number()).add_extension(named, critical=False)
    signed = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return signed + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
