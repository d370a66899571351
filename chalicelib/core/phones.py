"""Phone numbers: what counts as one, and the one form in which each is kept. Pure.

| typed or pasted | kept |
|---|---|
| 138 0013 8000, +86-138-0013-8000, 0086…, １３８… , between bidi marks | `13800138000` |
| 17012345678转1234, 17012345678-1234 (a number that a platform lends) | `17012345678-1234` |
| (021)12345678, 021 1234-5678, +86 21 12345678, 02112345678 | `021-12345678` |
| 0755-12345678-801, 0755-12345678转801, … ext. 801 | `0755-12345678-801` |
| 400-820-8820 | `4008208820` |
| +852 9123 4567, 00852…, 852-91234567, +1 (415) 555-2671 | `+85291234567`, `+14155552671` |
"""

from __future__ import annotations

import re
import unicodedata

#: Patterns are text here: who starts to show a catalogue needs none of them compiled, and re keeps those that are.
_EXTENSION = r"(?:-([0-9]{1,6}))?"
_MOBILE = r"(1[3-9][0-9])-?([0-9]{4})-?([0-9]{4})" + _EXTENSION
#: The city's code, then seven or eight digits, which may stand in two groups.
_LANDLINE = r"(010|02[0-9]|0[3-9][0-9]{2})-?(?:([1-9][0-9]{6,7})|([1-9][0-9]{2,3})-([0-9]{4}))" + _EXTENSION
#: Numbers that firms answer, from anywhere in the country.
_SERVICE = (
    r"([48]00)-?(?:([0-9]{7})|([0-9]{3})-([0-9]{4})|([0-9]{4})-([0-9]{3})|([0-9])-([0-9]{3})-([0-9]{3}))" + _EXTENSION
)
_MAINLAND = r"(?:\+|00)?86-?(?:0-)?"
_ABROAD = r"(?:\+|00)([1-9][0-9]{6,14})"
#: Hong Kong, Macao and Taiwan, as people there write their codes: without a plus.
_NEAR = r"(852[2-9][0-9]{7}|853[268][0-9]{7}|886[1-9][0-9]{7,8})"
#: How people say that an extension follows.
_SAID = r"-?(?:转分机|转接|转|轉|分机|extension|ext|x|#|,)[.:]?([0-9]{1,6})$"


def normal(text: str) -> str | None:
    """Give the phone number in the form in which it is kept; None for what is none.

    A mobile number of the mainland, a landline there with its area code, or +, a country's code and 6 to 14 digits.
    What cannot be seen (marks of direction, joiners), blanks, brackets and full width do not matter. Giving the kept
    form again changes nothing.
    """
    number = re.sub(_SAID, r"-\1", _visible(text))
    if (own := re.match(_MAINLAND, number)) and (at_home := _domestic(number[own.end() :], abroad=True)):
        return at_home
    if at_home := _domestic(number, abroad=False):
        return at_home
    digits = number.replace("-", "")
    if near := re.fullmatch(_NEAR, digits):
        return f"+{near[1]}"
    found = re.fullmatch(_ABROAD, digits)
    return None if found is None or found[1].startswith("86") or re.search(_SAID, _visible(text)) else f"+{found[1]}"


def _visible(text: str) -> str:
    """The text with one width, one dash, no blanks and nothing invisible; brackets separate as dashes do."""
    kept: list[str] = []
    for character in unicodedata.normalize("NFKC", text).lower():
        kind = unicodedata.category(character)
        if kind == "Pd" or character in "()[]\N{MINUS SIGN}":
            kept.append("-")
        elif kind not in ("Cc", "Cf", "Zs", "Zl", "Zp"):
            kept.append(character)
    return re.sub("-+", "-", "".join(kept)).strip("-")


def _domestic(number: str, abroad: bool) -> str | None:
    """The number as it is dialled in the mainland; `abroad`: it was given behind +86, so a city's code has lost its
    zero."""
    if found := re.fullmatch(_MOBILE, number):
        return _joined("".join(found.group(1, 2, 3)), found[4])
    if found := re.fullmatch(_SERVICE, number):
        return _joined("".join(part for part in found.groups()[:-1] if part), found.groups()[-1])
    for dialled in (number, f"0{number}") if abroad else (number,):
        if found := re.fullmatch(_LANDLINE, dialled):
            return _joined(f"{found[1]}-{found[2] or found[3] + found[4]}", found[5])
    return None


def _joined(number: str, extension: str | None) -> str:
    return number if extension is None else f"{number}-{extension}"
