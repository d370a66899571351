"""Text as people type and paste it, made into what was meant. Pure."""

from __future__ import annotations

import re
import unicodedata

from chalicelib.core.text import BLANK

#: What turns the direction of text, or has no width; joiners of emoji and of letters stay.
_UNSEEN = re.compile(r"[\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_NOTHING = re.compile(rf"[{BLANK}]*")
#: What a parcel's number is made of.
_PARCEL_NUMBER = re.compile("[A-Za-z0-9_-]{0,64}")
#: What ends a line, indents it, or controls a terminal, with the blanks around it.
_BREAK = re.compile(r"\s*[\x00-\x1f\x7f-\x9f\u2028\u2029][\s\x00-\x1f\x7f-\x9f\u2028\u2029]*")


def one_line(text: str) -> str:
    """Put the text on one line: line breaks, tabs and other controls become one blank; blanks at its ends go, and what
    turns its direction or has no width. Nothing but blanks, and what looks like them, is empty."""
    line = _BREAK.sub(" ", _UNSEEN.sub("", text)).strip()
    return "" if _NOTHING.fullmatch(line) else line


def compact(text: str) -> str:
    """Make a number such as a parcel's out of what was typed: one width, no blanks, nothing that cannot be seen."""
    folded = unicodedata.normalize("NFKC", text)
    seen = "".join(each for each in folded if unicodedata.category(each) not in ("Cc", "Cf", "Zs", "Zl", "Zp"))
    return unicodedata.normalize("NFKC", seen)


def parcel_number(text: str) -> str | None:
    """Make a parcel's number out of what was typed, as `compact` does; None where it has other signs than letters,
    digits, - and _, or too many."""
    number = compact(text)
    return number if _PARCEL_NUMBER.fullmatch(number) else None
