"""Phones as the mall keeps them (core/phones.py), and as vendors of SMS write them. Pure."""

from __future__ import annotations

import re

_MAINLAND = "86"
_MOBILE = r"1[3-9][0-9]{9}"
_ABROAD = r"\+[1-9][0-9]{6,14}"


def international(phone: str) -> str | None:
    """Give a kept phone with + and its country's code (E.164); None for one that gets no SMS: a landline, one with an
    extension."""
    if re.fullmatch(_MOBILE, phone):
        return f"+{_MAINLAND}{phone}"
    return phone if re.fullmatch(_ABROAD, phone) else None


def kept(number: str, country: str = "") -> str:
    """Give a number as the mall keeps it: with its country's code apart, with +, or bare, as Aliyun writes it. Bare,
    eleven digits that can be a mobile of the mainland are one."""
    if not country and re.fullmatch(_MOBILE, number):
        return number
    digits = country.removeprefix("+") + number.removeprefix("+")
    own = digits.removeprefix(_MAINLAND)
    return own if own != digits and re.fullmatch(_MOBILE, own) else f"+{digits}"
