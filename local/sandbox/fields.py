"""What WeChat takes for the fields of a template, by their types; a field is named after its type: thing1, amount2."""

from __future__ import annotations

import re
from collections.abc import Mapping

_DAY = r"(\d{4}年\d{1,2}月\d{1,2}日|\d{4}[-/]\d{1,2}[-/]\d{1,2})"
_TIME = r"\d{1,2}:\d{2}(:\d{2})?"
_MOMENT = rf"({_DAY}( ?{_TIME})?|{_TIME})"
_HAN = r"[\u3400-\u9fff\uf900-\ufaff]"
_TYPES = {
    "thing": r".{1,20}",
    "number": r"[+-]?(?=[\d.]{1,32}$)\d+(\.\d+)?",
    "letter": r"[A-Za-z]{1,32}",
    "symbol": r"[^\w\s]{1,5}",
    "character_string": r"[\x21-\x7e]{1,32}",
    "time": rf"{_MOMENT}( ?~ ?{_MOMENT})?",
    "date": rf"{_DAY}( ?{_TIME})?( ?~ ?{_DAY}( ?{_TIME})?)?",
    "amount": r"[^\w\s]?(?=[\d.]{1,11}元?$)\d{1,10}(\.\d+)?元?",
    "phone_number": r"[\d+() -]{1,17}",
    "car_number": r"\w{2,8}",
    "name": rf"({_HAN}|\w|[·.]){{1,10}}|[A-Za-z .'-]{{1,20}}",
    "phrase": rf"{_HAN}{{1,5}}",
    "const": r".{1,20}",
}
_NAME = re.compile(r"([a-z_]+?)[0-9]+")
_SLOT = re.compile(r"\{\{(\w+)\.DATA\}\}")


def slots(content: str) -> list[str]:
    """The fields of a template, {{thing1.DATA}}, in their order."""
    return _SLOT.findall(content)


def unknown_type(content: str) -> str | None:
    """The first field whose type WeChat does not have."""
    types = ((name, _NAME.fullmatch(name)) for name in slots(content))
    return next((name for name, found in types if found is None or found[1] not in _TYPES), None)


def refused(content: str, values: Mapping[str, str]) -> str | None:
    """The first field that WeChat does not take: it is not there, not the template's, or not of its type."""
    wanted = slots(content)
    odd = [name for name in values if name not in wanted]
    return next((name for name in wanted if not is_taken(name, values.get(name, ""))), odd[0] if odd else None)


def is_taken(name: str, value: str) -> bool:
    """Whether the value is one of its field's type."""
    found = _NAME.fullmatch(name)
    return found is not None and found[1] in _TYPES and re.fullmatch(_TYPES[found[1]], value) is not None


def filled(content: str, values: Mapping[str, str]) -> str:
    """The text that the user reads."""
    return _SLOT.sub(lambda found: values.get(found[1], ""), content)
