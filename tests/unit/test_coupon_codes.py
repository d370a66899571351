"""Codes: read back what was written, however they are typed; one that nobody made is none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons.codes import rules as code_text
from chalicelib.commerce.coupons.codes.rules import BATCH_BITS, MAC_BITS, SERIAL_BITS, Code

SECRET = "5e" * 32
CODES = st.builds(
    Code, st.integers(0, 2**BATCH_BITS - 1), st.integers(0, 2**SERIAL_BITS - 1), st.integers(0, 2**MAC_BITS - 1)
)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@given(CODES)
def test_what_is_written_can_be_read(code: Code) -> None:
    text = code_text.write(code)
    assert re.fullmatch(f"([{ALPHABET}]{{4}}-){{3}}[{ALPHABET}]{{4}}", text)
    assert code_text.read(text) == code


@given(CODES)
def test_however_it_is_typed(code: Code) -> None:
    text = code_text.write(code)
    wide = "".join(chr(ord(each) + 0xFEE0) for each in text)  # as a Chinese keyboard writes
    for typed in (
        text.lower(),
        text.replace("-", ""),
        text.replace("-", " "),
        f"  {text.replace('-', '—')}\u3000",
        wide,
    ):
        assert code_text.read(typed) == code
    assert code_text.read(text.replace("0", "o").replace("1", "l")) == code
    assert code_text.read(text.replace("0", "O").replace("1", "I")) == code


@given(st.text(max_size=64))
def test_anything_else_is_none_or_a_code(text: str) -> None:
    code = code_text.read(text)
    assert code is None or code_text.read(code_text.write(code)) == code


@given(CODES, st.integers(0, 79))
def test_a_code_with_one_bit_changed_is_not_true(code: Code, bit: int) -> None:
    true = code_text.make(code.batch, code.serial, SECRET)
    assert code_text.is_true(true, SECRET)
    value = (true.batch << SERIAL_BITS | true.serial) << MAC_BITS | true.mac
    value ^= 1 << bit
    rest = value >> MAC_BITS
    other = Code(rest >> SERIAL_BITS, rest & (1 << SERIAL_BITS) - 1, value & (1 << MAC_BITS) - 1)
    assert not code_text.is_true(other, SECRET)
    assert not code_text.is_true(true, SECRET.replace("5", "6", 1))


@pytest.mark.parametrize(
    "text",
    ["", "U" * 16, "0000-0000-0000-000U", "U000-0000-0000-0000", "0" * 15, "0" * 17, "-" * 16, "Ä" * 16, "０" * 15],
)
def test_what_is_no_code_is_none(text: str) -> None:
    assert code_text.read(text) is None


def test_a_known_code_is_what_it_always_was() -> None:
    """HMAC-SHA256 of "7.4321" under the secret, its first 43 bits; from another program."""
    digest = "6b4e6e6619bcc38f9abe36ee6b9adc455d4ab8305ef83d80fcb6dba6958c0a14"
    known = Code(7, 4321, int(digest, 16) >> (256 - 43))
    assert code_text.make(7, 4321, SECRET) == known
    text = code_text.write(known)
    assert text == "0007-11RB-B9SQ-6C6D"
    assert code_text.read(text) == known


def test_a_whole_batch_is_unique_and_holds_a_hundred_thousand() -> None:
    assert 2**SERIAL_BITS >= 100_000
    texts = {code_text.write(code_text.make(7, serial, SECRET)) for serial in range(5000)}
    assert len(texts) == 5000


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0000-0000-0000-0000", Code(0, 0, 0)),
        ("0000-0000-0000-0001", Code(0, 0, 1)),
        ("0000-0008-0000-0000", Code(0, 1, 0)),
        ("0001-0000-0000-0000", Code(1, 0, 0)),
        ("ZZZZ-0000-0000-0000", Code(2**20 - 1, 0, 0)),
        ("0000-ZZZR-0000-0000", Code(0, 2**17 - 1, 0)),
        ("0000-0007-ZZZZ-ZZZZ", Code(0, 0, 2**43 - 1)),
        ("ZZZZ-ZZZZ-ZZZZ-ZZZZ", Code(2**20 - 1, 2**17 - 1, 2**43 - 1)),
    ],
)
def test_each_part_of_a_code_stands_in_its_place(text: str, code: Code) -> None:
    assert code_text.read(text) == code
    assert code_text.write(code) == text
