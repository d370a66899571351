"""Codes by the time, held against RFC 6238 and RFC 4226, and recovery codes."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mall.operators.second_factor.rules import (
    code_at,
    is_timed,
    kept,
    recovery_code,
    secret_of,
    step_of,
    text_of,
    typed,
    uri,
)

SECRET = b"12345678901234567890"
#: RFC 6238, appendix B, for SHA-1: seconds and the code of eight digits.
RFC_6238 = [
    (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"),
    (1234567890, "89005924"), (2000000000, "69279037"), (20000000000, "65353130"),
]  # fmt: skip
#: RFC 4226, appendix D: the codes of steps 0 to 9.
RFC_4226 = ("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489")
STEPS = st.integers(5, 10**9)


@pytest.mark.parametrize(("seconds", "code"), RFC_6238)
def test_the_rfc_s_codes(seconds: int, code: str) -> None:
    assert code_at(SECRET, seconds // 30, digits=8) == code
    assert code_at(SECRET, seconds // 30) == code[2:]
    assert step_of(SECRET, code[2:], seconds) == seconds // 30


def test_the_codes_by_counter() -> None:
    assert tuple(code_at(SECRET, step) for step in range(10)) == RFC_4226


@given(st.binary(min_size=20, max_size=20), STEPS, st.integers(-3, 3), st.integers(0, 29))
def test_a_code_holds_for_its_step_and_the_one_beside_it(secret: bytes, step: int, away: int, second: int) -> None:
    code = code_at(secret, step + away)
    near = {code_at(secret, step + each): step + each for each in (-1, 0, 1)}
    assert step_of(secret, code, step * 30 + second) == near.get(code)
    if abs(away) <= 1:
        assert step_of(secret, code, step * 30 + second) is not None


@given(st.text(max_size=12))
def test_whatever_is_typed_is_compared(text: str) -> None:
    assert step_of(SECRET, typed(text), 59) in (None, 0, 1, 2)
    kept(text)
    is_timed(typed(text))


def test_what_is_a_timed_code() -> None:
    assert is_timed(typed(" 123-456 "))
    assert not any(is_timed(typed(text)) for text in ("12345", "1234567", "１２３４５６", "abcdef", ""))


@given(st.binary(min_size=1, max_size=40))
def test_a_secret_is_read_as_it_was_written(secret: bytes) -> None:
    assert secret_of(text_of(secret)) == secret
    assert set(text_of(secret)) <= set(string.ascii_uppercase + "234567")


def test_what_is_no_secret() -> None:
    with pytest.raises(ValueError, match="base32"):
        secret_of("not a secret!")


def test_a_recovery_code_is_known_however_it_is_typed() -> None:
    code = recovery_code("abcdefghijklmnopqrstuvwx")
    assert code == "abcd-efgh-ijkl-mnop"
    assert kept(code) == kept("ABCD EFGH IJKL MNOP") == kept("abcdefghijklmnop") != kept("abcd-efgh-ijkl-mnoq")
    assert "abcd" not in kept(code)


def test_the_address_of_a_secret() -> None:
    told = uri("boss", "mall.example.com", "ABC")
    assert told.startswith("otpauth://totp/mall.example.com:boss?secret=ABC&issuer=mall.example.com")
