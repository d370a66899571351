"""Text as people paste it: on one line, numbers without blanks; a field that this empties is told by its name."""

from __future__ import annotations

import unicodedata
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from chalicelib.core.errors import MallError, Reason
from chalicelib.core.pasted import compact, one_line, parcel_number
from chalicelib.platform.web.edge import decode
from chalicelib.platform.web.types import Cleaned, Line64, ParcelNumber, Reason256

TEXTS = st.text(st.sampled_from("甲a1 \u3000\n\r\t\x00\x1b\x7f\x85\u2028\u200b") | st.characters(), max_size=30)


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("世纪大道\r\n1 号", "世纪大道 1 号"),
        ("  a \n\n\t b\n", "a b"),
        ("a\x00b\x1bc\x7fd\x85e\u2028f\u2029g", "a b c d e f g"),
        ("a  b", "a  b"),
        ("👩‍👩‍👧 ❤️", "👩‍👩‍👧 ❤️"),
        (" \n ", ""),
        ("", ""),
        ("\u061c左", "左"),
        ("\u3164", ""),
        ("\u2800 \u2800", ""),
        ("a\u2800b", "a\u2800b"),
    ],
)
def test_what_breaks_a_line_is_one_blank(pasted: str, kept: str) -> None:
    assert one_line(pasted) == kept


#: What turns the direction of text, or has no width.
UNSEEN = "\xad\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff" + "".join(
    map(chr, range(0x2061, 0x206A))
)

#: Characters that look like a blank.
LIKE_BLANKS = set("\u115f\u1160\u2800\u3164\uffa0")


@given(TEXTS)
def test_a_line_keeps_every_letter_and_no_control(text: str) -> None:
    line = one_line(text)
    assert not any(unicodedata.category(each) in ("Cc", "Zl", "Zp") for each in line)
    kept = [each for each in text if not each.isspace() and unicodedata.category(each) != "Cc" and each not in UNSEEN]
    assert [each for each in line if not each.isspace()] == ([] if set(kept) <= LIKE_BLANKS else kept)
    assert one_line(line) == line and len(line) <= len(text)


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        (" SF 1234 5678 90 ", "SF1234567890"), ("ＳＦ１２３４\n", "SF1234"), ("YT-1\u00a02\u200b3", "YT-123"),
        ("\u202dJD0001\u202c", "JD0001"), ("京东123", "京东123"), (" \n", ""),
    ],
)  # fmt: skip
def test_a_copied_number_has_no_blanks_and_one_width(pasted: str, kept: str) -> None:
    assert compact(pasted) == kept


@given(TEXTS)
def test_a_copied_number_stays_what_it_is(text: str) -> None:
    assert compact(compact(text)) == compact(text)


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        (" SF 12-3_a ", "SF12-3_a"), ("ＳＦ１２\n", "SF12"), ("1" * 64, "1" * 64), ("1" * 65, None), ("京东123", None),
        ("SF1/2", None), ("SF1,SF2", None), ("<b>", None), ("１２３\u0661", None), ("㎯" * 22, None), (" ", ""),
    ],
)  # fmt: skip
def test_a_parcel_s_number_is_of_letters_digits_and_two_signs(pasted: str, kept: str | None) -> None:
    assert parcel_number(pasted) == kept


REFUSED = Reason("refused", "不行", "no")


class Inner(Cleaned, frozen=True, forbid_unknown_fields=True):
    number: Annotated[str, Meta(extra={"clean": lambda text: text if text == "1" else None, "refuse": REFUSED})]


class Sent(Cleaned, frozen=True, forbid_unknown_fields=True):
    reason: Reason256
    note: Line64 | UnsetType = UNSET
    parcel: ParcelNumber | None = None
    inner: list[Inner] = msgspec.field(default_factory=list)
    code: str = ""


def test_each_field_is_cleaned_as_its_type_says_and_no_other() -> None:
    assert decode(b'{"reason":"a\\nb","note":"\\n","parcel":" 1 2 ","code":" x "}', Sent) == Sent(
        "a b", "", "12", [], " x "
    )
    assert decode(b'{"reason":"a","parcel":null}', Sent) == Sent("a")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        (b'{"reason":" \\n"}', "reason", "empty"),
        (b'{"reason":""}', "reason", "empty"),
        (b'{"reason":"a","parcel":"\\u3000"}', "parcel", "empty"),
        ('{"reason":"a","parcel":"京东1"}'.encode(), "parcel", "wrong_format"),
        (b'{"reason":"a","inner":[{"number":"1"},{"number":"2"}]}', "inner[1].number", "refused"),
        (b'{"reason":7}', "reason", "wrong_kind"),
    ],
)
def test_what_cannot_be_cleaned_is_refused_by_the_field_s_name(body: bytes, field: str, code: str) -> None:
    with pytest.raises(MallError) as refusal:
        decode(body, Sent)
    assert (refusal.value.code, refusal.value.errors[0].field, refusal.value.errors[0].reason.code) == (
        "malformed", field, code,
    )  # fmt: skip
