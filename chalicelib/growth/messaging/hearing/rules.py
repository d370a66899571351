"""What it means that somebody writes back, or does something at an account. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Literal

#: The account that WeChat tells of: the mini-program's or the official one.
Account = Literal["oa", "mini"]

#: What people reply to an SMS who want no more of them: what its text says ("拒收请回复R"), and what others' say.
_NO_MORE = frozenset({"R", "TD", "T", "N", "退订", "退订R", "拒收", "拒收R"})
#: By which events the official account may answer for a minute, and the mini-program where somebody opens its chat.
_OPENING: Mapping[Account, frozenset[str]] = {
    "oa": frozenset({"subscribe", "SCAN", "CLICK"}),
    "mini": frozenset({"user_enter_tempsession"}),
}


def wants_no_more(text: str) -> bool:
    """Tell whether somebody wants no SMS any more who replies this, however they type it."""
    said = "".join(one for one in unicodedata.normalize("NFKC", text) if one.isalnum()).upper()
    return said in _NO_MORE or said.removeprefix("回").removeprefix("复") in _NO_MORE


def opens_shortly(account: Account, event: str) -> bool:
    """Tell whether the account may answer this event for a minute, with a few texts."""
    return event in _OPENING[account]


def mark_of(fields: Mapping[str, Any]) -> str:
    """Tell an event from all others of the same person: WeChat's number of what they wrote, else what and when."""
    number = fields.get("MsgId") or fields.get("MsgID")
    return str(number) if number else f"{fields.get('Event')}|{fields.get('CreateTime')}"
