"""A phone number is known in whatever shape it was typed or pasted, and kept in one form; nothing else is one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.phones import normal

SHAPES = {
    "13800138000": [
        "13800138000", " 13800138000 ", "138 0013 8000", "138-0013-8000", "1380013 8000", "１３８００１３８０００",
        "+8613800138000", "+86 138 0013 8000", "＋86-138-0013-8000", "(+86)13800138000", "（86）138 0013 8000",
        "008613800138000", "0086 138 0013 8000", "8613800138000", "86-13800138000", "138\u00a00013\u30008000",
        "\u202d13800138000\u202c", "\u200e13800138000", "\ufeff138\u200b0013\u200d8000", "138‐0013—8000",
        "13800138000\n",
    ],
    "16612345678": ["16612345678"],
    "19912345678": ["199 1234 5678"],
    "17012345678-1234": ["17012345678-1234", "17012345678转1234", "170 1234 5678 分机 1234", "17012345678,1234"],
    "021-12345678": [
        "021-12345678", "021 12345678", "02112345678", "(021)12345678", "（021）1234-5678", "021-1234 5678",
        "+86 21 12345678", "+86 (0)21 1234 5678", "0086-21-12345678", "86-021-12345678",
    ],
    "010-87654321": ["01087654321", "+861087654321"],
    "0755-12345678": ["0755-12345678", "075512345678", "0755 1234 5678"],
    "0471-1234567": ["0471-1234567", "(0471)1234567"],
    "021-12345678-801": ["021-12345678转801", "021-12345678 ext. 801", "021-12345678#801", "（021）12345678转分机801"],
    "0755-12345678-801": ["0755-12345678-801", "0755-1234-5678-801", "0755-12345678转801"],
    "0755-1234567-8": ["0755-1234567-8"],
    "4008208820": ["400-820-8820", "4008208820", "400 8208 820", "400-8208820"],
    "4008208820-12": ["400-820-8820转12"],
    "+85291234567": ["+852 9123 4567", "00852 9123 4567", "852-91234567", "852 91234567", "＋852（9123）4567"],
    "+85366123456": ["+853 6612 3456", "85366123456"],
    "+886912345678": ["+886 912 345 678", "886912345678"],
    "+14155552671": ["+1 (415) 555-2671", "0014155552671"],
    "+447911123456": ["+44 7911 123456"],
    "+6531234567": ["+65 3123 4567"],
}  # fmt: skip
NO_PHONES = [
    "", "-----", "     ", "+ - +", "8008-1-2", "1234", "12345", "123456", "abc", "12345678",
    "1380013800", "138001380001",
    "12800138000", "11111111111", "00000000000", "+86123", "+8612800138000", "+861", "+123456", "+1234567890123456",
    "138001380 00x", "021-123456", "021-02345678", "010123", "0111-12345678", "+852 9123 4567 ext 12", "١٣٨٠٠١٣٨٠٠٠",
    "13800138000或13900139000", "13800138000/13900139000", "138****8000", "二零二一", "x", "转801", "+", "0086", "86",
]  # fmt: skip


@pytest.mark.parametrize(
    ("kept", "typed"), [(kept, typed) for kept, all_typed in SHAPES.items() for typed in all_typed]
)
def test_one_number_is_kept_in_one_form_however_it_was_written(kept: str, typed: str) -> None:
    assert normal(typed) == kept


@pytest.mark.parametrize("typed", NO_PHONES)
def test_what_is_no_phone_number_is_none(typed: str) -> None:
    assert normal(typed) is None


MOBILES = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
LANDLINES = st.from_regex(r"(010|02[0-9]|0[3-9][0-9]{2})-[1-9][0-9]{6,7}(-[0-9]{1,6})?", fullmatch=True)
ABROAD = st.from_regex(r"\+(1|44|49|81|852|853|886)[0-9]{8,11}", fullmatch=True)
INVISIBLE = st.sampled_from(["", " ", "\u200b", "\u200e", "\u202d", "\u2066", "\ufeff", "\u00a0", "\u3000", "\t", "\n"])


@given(st.data())
def test_blanks_and_what_cannot_be_seen_change_no_number(data: st.DataObject) -> None:
    number = data.draw(MOBILES | LANDLINES | ABROAD)
    typed = "".join(data.draw(INVISIBLE) + character for character in number) + data.draw(INVISIBLE)
    assert normal(typed) == normal(number) == number


@given(MOBILES, st.sampled_from(["+86", "0086", "86", "+86-", "（+86）"]))
def test_the_country_s_code_before_a_mobile_number_is_left_out(number: str, prefix: str) -> None:
    assert normal(prefix + number) == number


@given(st.text(st.sampled_from("0123456789+-()（） 转xー−８６"), max_size=24) | st.text(max_size=24))
def test_what_is_kept_is_short_ascii_and_stays_what_it_is(typed: str) -> None:
    kept = normal(typed)
    if kept is not None:
        assert re.fullmatch(r"\+?[0-9]+(-[0-9]+){0,2}", kept) and 10 <= len(kept) + 2 <= 22
        assert normal(kept) == kept
