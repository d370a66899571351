"""What operators find a member by: how a nickname begins, the last four digits of a phone, and the id. Pure."""

from __future__ import annotations

import re

import msgspec

from chalicelib.core import text
from chalicelib.customers.members.rules import Profile

#: Of a nickname so many characters are looked for: some signs are written out as many.
_FORM_MAX = 64
#: Patterns are text: who starts to show the catalogue needs neither of them compiled.
_ID = r"m[a-z2-7]{24}"
_END = r"[0-9]{4}"


class Handles(msgspec.Struct, frozen=True):
    """What a member is found by, each None where they have not given it: a nickname's first character and its form,
    and how the phone ends. No index holds what is None."""

    name_start: str | None = None
    name_form: str | None = None
    phone_end: str | None = None

    @classmethod
    def of(cls, profile: Profile) -> Handles:
        """Take them out of a profile."""
        form = name_form(profile.nickname)
        return cls(form[:1] or None, form or None, phone_end(profile.phone or ""))


def name_form(nickname: str) -> str:
    """Write a nickname, or its beginning, as it is looked for."""
    return text.search_form(nickname)[:_FORM_MAX].rstrip()


def phone_end(phone: str) -> str | None:
    """Give the last four digits of a phone; None where it has fewer."""
    digits = "".join(sign for sign in phone if sign in "0123456789")
    return digits[-4:] if len(digits) >= 4 else None


def is_id(asked: str) -> bool:
    """Whether this has the form of a member's id."""
    return re.fullmatch(_ID, asked) is not None


def is_end(asked: str) -> bool:
    """Whether this has the form of a phone's last four digits."""
    return re.fullmatch(_END, asked) is not None
