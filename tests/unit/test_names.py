"""Names: what is not seen may not stand in them, emoji stay whole, and a mask cuts between characters as people see
them, which the `regex` library tells by Unicode's own rules."""

from __future__ import annotations

import json
import unicodedata

import msgspec
import pytest
import regex
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.core import text
from chalicelib.core.errors import MallError
from chalicelib.customers.members.inputs import AddressInput, ProfileInput
from chalicelib.customers.members.rules import NAMELESS, masked
from chalicelib.platform.web import edge
from chalicelib.platform.web.types import Count, ShortText, Url

ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
WHOLE = [
    "🇨🇳", "👨‍👩‍👧‍👦", "🧑🏽‍🚀", "❤️‍🔥", "1️⃣", "👍🏽", ENGLAND, "🏳️‍🌈", "👩🏽‍❤️‍👨🏽", "☺︎", "葛\U000e0100", "é", "e\u0301",
    "नि", "각", "\u1100\u1161\u11a8", "กำ", "ｶﾞ", "Z̤͔ͧ̑",
]  # fmt: skip
#: Each alone makes a name no name, wherever it stands.
UNSEEN = [
    "\x00", "\t", "\n", "\x1f", "\x7f", "\x85", "\x9f", "\u00ad", "\u061c", "\u180e", "\u200b", "\u200c", "\u200e",
    "\u2028", "\u2029", "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\u206f", "\ufeff", "\ufffa", "\ufffc",
    "\u3164", "\u115f", "\u2800", "\ue000", "\uf8ff", "\U000e0001", "\U000e0041", "\U000f0000", "\U0010fffd", "\ufdd0",
    "\uffff",
]  # fmt: skip


@pytest.mark.parametrize("whole", WHOLE)
def test_a_character_as_people_see_it_is_a_name_and_stays_whole_in_a_mask(whole: str) -> None:
    assert text.is_name(whole + "国旗")
    assert masked(whole + "国旗") == f"{whole}**"


@pytest.mark.parametrize("unseen", UNSEEN)
@pytest.mark.parametrize("name", ["{}", "{}鱼", "小{}鱼", "鱼{}", "👨{}👩"])
def test_what_is_not_seen_stands_in_no_name(unseen: str, name: str) -> None:
    assert not text.is_name(name.format(unseen))


@pytest.mark.parametrize("blank", ["", " ", " " * 32, "\u3000", "\u00a0\u2003 "])
def test_blanks_alone_are_no_name(blank: str) -> None:
    assert not text.is_name(blank)


@pytest.mark.parametrize(
    "name", ["小\u200d鱼", "a\ufe0f", "\u200d👩", "👩\u200d", "国\U000e0067\U000e007f", "🏴\U000e0067"]
)
def test_joiners_selectors_and_tags_stand_in_emoji_only(name: str) -> None:
    assert not text.is_name(name)


@given(st.text())
def test_a_name_has_no_character_of_a_kind_that_is_not_seen(name: str) -> None:
    assume(text.is_name(name))
    kinds = {unicodedata.category(one) for one in name}
    assert not kinds & {"Cc", "Cs", "Co", "Zl", "Zp"}
    assert name.strip()
    assert not set(name) & set("\u200b\u200c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


#: Of what names are made: emoji and what joins them, marks, scripts whose letters are drawn together.
_PIECES = [
    *WHOLE,
    *"A中ñ#0☺❤♀👩🏴👍🚀🔥",
    "\u0301",
    "\u0308",
    "\u20e3",
    "\ufe0f",
    "\u200d",
    "\U0001f3fd",
    "🇨",
    "🇳",
    "न",
    "ि",
    "ா",
    "க",
]


@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=6).map("".join))
def test_the_first_character_is_that_of_unicode(name: str) -> None:
    assume(text.is_name(name) and not unicodedata.category(name[0]).startswith("M"))
    assert text.first_character(name) == regex.match(r"\X", name).group()


@given(st.text())
def test_a_mask_shows_a_beginning_and_no_more(name: str) -> None:
    first = text.first_character(name)
    assert name.startswith(first)
    assert bool(first) == bool(name)
    assert masked(name) == (f"{first}**" if name else NAMELESS)


def _read(struct: object, **fields: object) -> object:
    return edge.decode(json.dumps(fields).encode(), struct)


class _Named(msgspec.Struct):
    name: ShortText = "x"
    url: Url = ""
    size: Count = 0


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_refusal_names_the_field_and_says_what_is_wrong(language: str) -> None:
    with pytest.raises(MallError) as refusal:
        _read(ProfileInput, nickname="\u202eabc")
    (error,) = refusal.value.errors
    assert (refusal.value.code, error.field, error.reason.code) == ("malformed", "nickname", "not_a_name")
    assert error.text(language, {})


def test_a_nickname_may_be_emptied_and_is_never_blank() -> None:
    assert _read(ProfileInput, nickname="") == ProfileInput(nickname="")
    with pytest.raises(MallError):
        _read(ProfileInput, nickname="\u3000")


def test_a_receiver_has_a_name() -> None:
    place = {
        "phone": "13800138000",
        "region_code": "310106",
        "province": "上海市",
        "city": "上海市",
        "detail": "某路 1 号",
    }
    assert _read(AddressInput, name="张三", **place)
    with pytest.raises(MallError) as refusal:
        _read(AddressInput, name="张\u200b三", **place)
    assert refusal.value.errors[0].field == "name"


@given(st.text(max_size=20))
def test_what_comes_in_is_in_the_composed_form(told: str) -> None:
    decoded = edge.decode(json.dumps({"told": told}).encode(), dict[str, str])
    assert decoded == {"told": unicodedata.normalize("NFC", told)}
    assert decoded == edge.decode(json.dumps({"told": told}, ensure_ascii=False).encode(), dict[str, str])


def test_a_number_beyond_all_bounds_is_refused_beside_a_text_of_another_form() -> None:
    with pytest.raises(MallError) as refusal:
        edge.decode(b'{"name": "e\xcc\x81", "size": ' + b"9" * 400 + b"}", _Named)
    assert [(one.field) for one in refusal.value.errors] == ["size"]


@pytest.mark.parametrize(
    "url",
    ["", "http://cdn.example/a.png", "https://cdn.example:8443/a b".replace(" ", "%20"), "https://图.example/x?y=1#z"],
)
def test_a_picture_of_a_product_lies_anywhere(url: str) -> None:
    assert _read(_Named, url=url) == _Named(url=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pass@evil.example/x", "https://a.example\\@evil.example/x", "https://", "https:///x", "ftp://a/x",
        "//a/x", "https://a\u202e.example/x", "https://a.example/\u200b", "https://a.example/a b", "https://a\u00a0b/x",
        "https://a.example/\n", "javascript:0",
    ],
)  # fmt: skip
def test_no_picture_has_a_user_or_something_unseen_in_its_address(url: str) -> None:
    with pytest.raises(MallError):
        _read(_Named, url=url)
