"""What of a request the operators' log keeps: every number that has room, no secret, of what is told about a person the
length alone. Pure.

Texts are shortened before anything is cut. What is too long even so is told field by field, without the places in
lists: prices first, then other numbers, then the rest, each with the least and the greatest where there are many. So
nothing that a request is filled up with hides a price, and where something had to go, the entry says so and has the
digest and the size of what came.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

#: Bytes that the log keeps of a request's body, and of what a call says of its end.
KEPT_BYTES = 2048
#: Characters that are kept of a text, or of a field's name.
TEXT_MAX = 64

#: A field whose name holds one of these words is a secret.
_SECRET = ("password", "phone", "secret", "token", "totp")
#: Fields in which people tell about people, or that lead to one.
_TOLD = frozenset({"reason", "note", "remark", "tracking_no"})
#: The first words of the permissions of calls that are about persons: of their bodies only words of the mall's own are
#: kept, which are those in these fields, and the ids.
_ABOUT_PERSONS = frozenset({"orders", "members", "withdrawals", "distributors", "tasks"})
_WORDS = frozenset({"carrier", "kind", "outcome", "state", "tier"})
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Parameters by which persons are looked for: a nickname, the end of a phone, an openid; or a member's id.
_ASKED = frozenset({"q", "identity"})
_MEMBER = re.compile(r"m[a-z2-7]{24}")
_LONG_NUMBER = re.compile(r"\d{7,}")
#: What a field is called, where nobody has chosen the name to tell something.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: A number above this is no amount of the mall's, but may be a phone.
_NUMBER_MAX = 10**10

#: Of a field that stands in many places, so many numbers and so many other values are told.
_NUMBERS = 8
_OTHERS = 4
_OTHER_MAX = 24
_HIDDEN = "***"


def is_about_persons(permission: str) -> bool:
    """Tell whether calls under this permission are about persons."""
    return permission.partition(".")[0] in _ABOUT_PERSONS


def kept_file(body: bytes) -> str:
    """Give what the log keeps of a file: its size in bytes, its lines, and its digest (SHA-256)."""
    lines = body.count(b"\n") + (not body.endswith(b"\n"))
    return _json({"file": _known_by(body) | {"lines": lines}})


def kept_body(body: bytes, fields: Collection[str], about_persons: bool) -> str:
    """Give what the log keeps of a body in JSON, at most KEPT_BYTES: all numbers, and the texts of those
    `fields` that the request has. `about_persons`: of texts only ids and words of the mall's own, of numbers those of
    the fields that the request has; and no names of fields that people may have chosen."""
    if not body:
        return ""
    try:
        kept = _Keeper(fields, about_persons).kept(msgspec.json.decode(body))
        text = _json(kept)
        return text if len(text.encode()) <= KEPT_BYTES else _summary(kept, _known_by(body))
    except (ValueError, RecursionError, OverflowError):  # not JSON after all, or no JSON that anything takes
        # The digest of a short text would tell who guesses what it says of a person.
        tells = about_persons and len(body) <= KEPT_BYTES
        return _json({"unreadable": {"bytes": len(body)} if tells else _known_by(body)})


def kept_parameters(parameters: Mapping[str, str], about_persons: bool) -> dict[str, str]:
    """Give what the log keeps of a request's path and query: texts shortened, secrets hidden. `about_persons`: of what
    is no word or id, or may be a phone, and of what persons are looked for by, other than an id, the length alone."""

    def kept(name: str, value: str) -> str:
        if _is_secret(name):
            return _HIDDEN
        is_word = _WORD.fullmatch(value) and not _LONG_NUMBER.fullmatch(value)
        told = about_persons and not (_MEMBER.fullmatch(value) if name in _ASKED else is_word)
        return f"({len(value)} characters)" if told else shortened(value)

    return {name: kept(name, value) for name, value in parameters.items()}


def kept_outcome(outcome: Mapping[str, Any]) -> str:
    """Give what the log keeps of what a call says of its end, at most KEPT_BYTES."""
    if not outcome:
        return ""
    text = _json(outcome)
    raw = text.encode()
    return text if len(raw) <= KEPT_BYTES else _summary(dict(outcome), _known_by(raw))


def shortened(text: str, most: int = TEXT_MAX) -> str:
    """Shorten a text to so many characters, and say how many it had."""
    return text if len(text) <= most else f"{text[:most]}…({len(text)})"


class _Keeper:
    """Takes out of a body what the log does not keep."""

    def __init__(self, fields: Collection[str], about_persons: bool) -> None:
        self._fields = fields
        self._about_persons = about_persons

    def kept(self, body: Any) -> Any:
        """Give the body without it."""
        if not isinstance(body, dict):
            return self._kept(body, "", hidden=False, told=True)
        # A field that the request does not have may hold anything, also a password.
        return {
            named: self._kept(value, name, _is_secret(name), told=name not in self._fields)
            for named, (name, value) in zip(self._names(body), body.items(), strict=True)
        }

    def _kept(self, value: Any, name: str, hidden: bool, told: bool) -> Any:
        """Give the value of a field: `hidden` below the name of a secret, `told` below one of what people tell."""
        if isinstance(value, dict):
            return {
                named: self._kept(part, below, hidden or _is_secret(below), told or below in _TOLD)
                for named, (below, part) in zip(self._names(value), value.items(), strict=True)
            }
        if isinstance(value, list):
            return [self._kept(part, name, hidden, told or name in _TOLD) for part in value]
        if isinstance(value, str):
            if hidden:
                return _HIDDEN
            told = told or name in _TOLD or (self._about_persons and not _is_word(name, value))
            return f"({len(value)} characters)" if told else shortened(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            is_told = name in _TOLD or (self._about_persons and (told or abs(value) > _NUMBER_MAX))
            return _HIDDEN if is_told or _is_secret(name) else value
        return value

    def _names(self, fields: Mapping[str, Any]) -> list[str]:
        """Give the names of these fields as they are kept, no two alike."""
        if not self._about_persons:
            return [_named(name, place) for place, name in enumerate(fields)]
        free = (name for number in itertools.count(1) if (name := f"field{number}") not in fields)
        return [name if _is_name(name) else next(free) for name in fields]


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and _LONG_NUMBER.search(name) is None


def _is_word(name: str, value: str) -> bool:
    return (name in _WORDS or name.endswith(("_id", "_code"))) and _WORD.fullmatch(value) is not None


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET)


def _named(name: str, place: int) -> str:
    """Shorten a field's name, so that no two come to be one."""
    return name if len(name) <= TEXT_MAX else f"{name[:TEXT_MAX]}…{place}"


def _summary(kept: Any, came: dict[str, Any]) -> str:
    """Tell what is too long field by field, as far as there is room."""
    numbers: dict[str, list[Any]] = {}
    others: dict[str, list[Any]] = {}
    for path, value in _leaves(kept, ""):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        (numbers if is_number else others).setdefault(path, []).append(value)
    lines = [("numbers", path, _of_numbers(numbers[path])) for path in sorted(numbers, key=_rank)]
    lines += [("others", path, _of_others(others[path])) for path in sorted(others, key=_rank)]
    told: dict[str, Any] = {"cut": came | {"fields_left_out": len(lines)}, "numbers": {}, "others": {}}
    room = KEPT_BYTES - len(_json(told).encode())
    for part, path, said in lines:
        size = len(_json({path: said}).encode()) - 1  # less its braces, and a comma
        if size <= room:
            room -= size
            told[part][path] = said
            told["cut"]["fields_left_out"] -= 1
    return _json(told)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, f"{path}[]")
    else:
        yield path, value


def _rank(path: str) -> tuple[bool, int, str]:
    """Money comes first, and long names last: they may be there to take the room."""
    return not path.endswith("_fen"), len(path), path


def _of_numbers(values: list[Any]) -> Any:
    if len(values) <= _NUMBERS:
        return values
    return {"count": len(values), "min": min(values), "max": max(values)}


def _of_others(values: list[Any]) -> Any:
    first = [shortened(value, _OTHER_MAX) if isinstance(value, str) else value for value in values[:_OTHERS]]
    return first if len(values) <= _OTHERS else {"count": len(values), "first": first}


def _known_by(raw: bytes) -> dict[str, Any]:
    return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
