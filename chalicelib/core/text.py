"""What people are called: which characters a name may have, and where its first one ends as people see it. Pure.

A name is shown to others, printed on waybills and told to WeChat. So what is not seen may not stand in it: controls,
marks that turn the direction of reading, characters without width, line and paragraph separators, private ones, and
blanks alone. What holds an emoji together stays: joiners, selectors, and the tags of a flag such as England's.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Any

import msgspec

#: Blanks, and characters that are no blanks and look like one (Hangul's fillers, the empty pattern of Braille).
BLANK = r"\s\u00ad\u115f\u1160\u2800\u3164\uffa0"
#: Never in a name. Joiners, selectors and tags are looked at where they stand.
_FORBIDDEN = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u2800\u3164\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
_EMOJI = (
    r"\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f"
    r"\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001f1e5\U0001f200-\U0001faff"
)
_IDEOGRAPH = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_JOINED = (
    rf"(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}])"
    rf"|(?<=[{_EMOJI}{_IDEOGRAPH}#*0-9])[\ufe00-\ufe0f]"
    rf"|(?<=[{_IDEOGRAPH}])[\U000e0100-\U000e01ef]"
    r"|(?<=\U0001f3f4)[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f"
)
_SEEN = rf"(?:[^{_FORBIDDEN}]|{_JOINED})*$(?!\n)"

#: A name, as a pattern of msgspec and OpenAPI, or nothing: where there must be one, the least length says so.
NAME = rf"^(?:$|(?=.*[^{BLANK}])){_SEEN}"


def normal(text: str) -> str:
    """Write the text in Unicode's composed form (NFC), in which what looks alike is alike."""
    return unicodedata.normalize("NFC", text)


def search_form(text: str) -> str:
    """Write the text as it is looked for: in one width and one case, with single blanks between its words, so that what
    people take for the same name is the same ("Ａｌｉｃｅ　王" and "alice 王"). "" of blanks alone."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def normal_json(body: bytes) -> bytes:
    """Write the texts of a JSON document in that form; one that is in it already stays as it is.

    Raises UnicodeDecodeError, and msgspec.DecodeError where it is no JSON.
    """
    whole = body.decode()
    if "\\u" not in whole and unicodedata.is_normalized("NFC", whole):
        return body
    try:
        return msgspec.json.encode(_normal(msgspec.json.decode(body)))
    except OverflowError:  # a number larger than any that the mall takes: whoever reads the body will say so
        return body


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return normal(value)
    if isinstance(value, list):
        return [_normal(one) for one in value]
    return {normal(key): _normal(one) for key, one in value.items()} if isinstance(value, dict) else value


def is_name(text: str) -> bool:
    """Say whether others may be shown this as a name."""
    return bool(text) and re.match(NAME, text) is not None


#: Hangul's syllables, as Unicode's annex 29 tells their parts apart.
_LEADING = r"[\u1100-\u115f\ua960-\ua97c]"
_VOWEL = r"[\u1160-\u11a7\ud7b0-\ud7c6]"
_TRAILING = r"[\u11a8-\u11ff\ud7cb-\ud7fb]"
#: Letters by their category, which are drawn as marks of the letter before them.
_DRAWN_AS_MARKS = "\u0e33\u0eb3"
#: Marks by their category, which stand for themselves.
_STAND_ALONE = (
    "\u102b\u102c\u1038\u1062\u1063\u1064\u1067\u1068\u1069\u106a\u106b\u106c\u106d\u1083\u1087\u1088\u1089\u108a"
    "\u108b\u108c\u108f\u109a\u109b\u109c\u1a61\u1a63\u1a64\uaa7b\uaa7d\U00011720\U00011721"
)


@functools.cache
def _start() -> re.Pattern[str]:
    """How a character begins: a pair of regional indicators (a flag), a syllable of Hangul, or any one character."""
    hangul = rf"{_LEADING}*(?:[\uac00-\ud7a3]|{_VOWEL}+){_TRAILING}*|{_LEADING}+|{_TRAILING}+"
    return re.compile(rf"(?s)[\U0001f1e6-\U0001f1ff]{{2}}|{hangul}|.")


def first_character(text: str) -> str:
    """Give the first character as people see it (a grapheme cluster): a flag, a family or a letter with its accents is
    one. "" of an empty text."""
    start = _start().match(text)
    if start is None:
        return ""
    end = start.end()
    while end < len(text) and (_extends(text[end]) or _is_joined(text, end)):
        end += 1
    return text[:end]


def _extends(character: str) -> bool:
    """Whether the character belongs to the one before it: marks, joiners, selectors, tags, tones of skin."""
    if character in _STAND_ALONE:
        return False
    is_mark = unicodedata.category(character) in ("Mn", "Me", "Mc") or character in _DRAWN_AS_MARKS
    is_tone = "\U0001f3fb" <= character <= "\U0001f3ff"
    is_tag = "\U000e0020" <= character <= "\U000e007f"
    return is_mark or is_tone or is_tag or character in "\u200c\u200d\uff9e\uff9f"


def _is_joined(text: str, at: int) -> bool:
    """Whether a joiner has an emoji follow an emoji here; what extends the first one stands between them."""
    if text[at - 1] != "\u200d" or not re.match(f"[{_EMOJI}]", text[at]):
        return False
    before = at - 2
    while before > 0 and _extends(text[before]) and text[before] != "\u200d":
        before -= 1
    return re.match(f"[{_EMOJI}]", text[before]) is not None
