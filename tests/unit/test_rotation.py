"""Rotating a secret: a running environment keeps what it has read, a new one reads anew, and while both run, each takes
what any other gives out. The steps are those of docs/operations.md."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from moto import mock_aws

from chalicelib.core import clock, settings
from chalicelib.core.errors import MallError
from chalicelib.gateways.wechat import keys
from chalicelib.platform.store import cursors
from chalicelib.platform.web import tokens
from local.keys import public_pem

REGION = "cn-north-1"
#: The ring of token keys in each state that the mall is in, one after the other.
OLD, NEW = "old" * 11, "new" * 11
TOKEN_RINGS = [[OLD], [NEW, OLD], [OLD, NEW], [NEW]]


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """The tests' own settings again, afterwards."""
    before = settings._environment
    yield
    settings.use(before)


@pytest.mark.parametrize("store", ["secretsmanager", "ssm"])
def test_a_running_environment_keeps_a_secret_and_a_new_one_reads_it_anew(store: str) -> None:
    names = sorted(settings._SECRETS)
    told = {"AWS_REGION": REGION} | {f"YUTANG_{name.upper()}": f"{store}:mall/{name}" for name in names}
    with mock_aws():
        put = [writer(store, f"mall/{name}") for name in names]
        for each in put:
            each("first")
        settings.use(told)
        assert {settings.secret(name) for name in names} == {"first"}
        for each in put:
            each("second")
        assert {settings.secret(name) for name in names} == {"first"}
        settings.use(told)  # another environment, with nothing in its memory
        assert {settings.secret(name) for name in names} == {"second"}


def writer(store: str, where: str) -> Callable[[str], object]:
    """Puts a value where the secret is kept."""
    if store == "ssm":
        ssm = boto3.client("ssm", region_name=REGION)
        return lambda value: ssm.put_parameter(Name=where, Value=value, Type="SecureString", Overwrite=True)
    secrets = boto3.client("secretsmanager", region_name=REGION)
    secrets.create_secret(Name=where)
    return lambda value: secrets.put_secret_value(SecretId=where, SecretString=value)


@pytest.mark.parametrize("key", ["Q", "Q" * 31])
def test_a_short_key_of_identities_is_refused_and_not_told(key: str) -> None:
    settings.use({"YUTANG_IDENTITY_KEY": key})
    with pytest.raises(LookupError, match="32 characters") as fault:
        settings.identity_key()
    assert key not in str(fault.value)


def with_token_keys(ring: list[str]) -> None:
    """Go on as an environment that has read this ring."""
    settings.use({"YUTANG_TOKEN_KEYS": json.dumps(ring)})


def given_out(ring: list[str]) -> tuple[str, str, str | None]:
    """A member's token, an operator's and a cursor, of an environment with this ring."""
    with_token_keys(ring)
    until = clock.now() + timedelta(days=1)
    return tokens.issue("member", "m1", until), tokens.issue("operator", "boss", until), cursors.write("list", [7])


def is_taken(ring: list[str], given: tuple[str, str, str | None]) -> bool:
    """Whether an environment with this ring takes all three."""
    with_token_keys(ring)
    member, operator, place = given
    try:
        return (
            tokens.read("member", f"Bearer {member}").subject == "m1"
            and tokens.read("operator", f"Bearer {operator}").subject == "boss"
            and cursors.read("list", place) == [7]
        )
    except MallError:
        return False


@pytest.mark.parametrize(("before", "after"), list(itertools.pairwise(TOKEN_RINGS)))
def test_in_each_step_of_the_token_keys_all_take_what_any_has_signed(before: list[str], after: list[str]) -> None:
    for signs, reads in itertools.product((before, after), repeat=2):
        assert is_taken(reads, given_out(signs)), (signs, reads)


def test_what_was_signed_before_the_key_changed_is_good_until_the_key_is_gone() -> None:
    given = given_out(TOKEN_RINGS[0])
    assert [is_taken(ring, given) for ring in TOKEN_RINGS] == [True, True, True, False]


def test_one_step_is_too_few_for_the_token_keys() -> None:
    """Appended at once, the new key signs where others do not know it yet: why there are two steps."""
    assert not is_taken([OLD], given_out([OLD, NEW]))


@pytest.mark.parametrize("ring", [[], [""], ["a"], ["changeme"], [OLD, "x" * 31], ["x" * 31, OLD]])
def test_a_key_that_can_be_guessed_signs_nothing(ring: list[str]) -> None:
    with_token_keys(ring)
    until = clock.now() + timedelta(days=1)
    for sign in (lambda: tokens.issue("operator", "boss", until), lambda: cursors.write("list", [7])):
        with pytest.raises(LookupError) as fault:
            sign()
        assert not any(len(key) > 1 and key in str(fault.value) for key in ring)


def test_a_key_of_32_characters_is_taken() -> None:
    assert is_taken(["x" * 32], given_out(["x" * 32]))


def test_in_each_step_of_wechats_keys_what_wechat_signs_is_known() -> None:
    """The new key is added, WeChat is told to go over to it, the old one is taken out; each when the last is done."""
    old, new = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    first, second = {"PUB_KEY_ID_1": public_pem(pem(old))}, {"PUB_KEY_ID_2": public_pem(pem(new))}
    with_old, with_new = ("PUB_KEY_ID_1", old), ("PUB_KEY_ID_2", new)
    for ring, signed_by in (
        (first, [with_old]),
        (first | second, [with_old, with_new]),
        (second, [with_new]),
    ):
        settings.use({"YUTANG_WECHAT_PAY_KEYS": json.dumps(ring)})
        assert keys.reply_key_id() == signed_by[0][0], "replies are asked for under the key that WeChat uses already"
        for name, key in signed_by:
            assert keys.is_known(name)
            assert keys.is_signed(name, b"notice", wechats_signature(key))
            assert not keys.is_signed(name, b"another", wechats_signature(key))


def pem(key: rsa.RSAPrivateKey) -> str:
    """The key as text."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def wechats_signature(key: rsa.RSAPrivateKey) -> str:
    """WeChat's, of a notice."""
    return base64.b64encode(key.sign(b"notice", PKCS1v15(), SHA256())).decode()
