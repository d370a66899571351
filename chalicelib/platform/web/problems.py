"""Refusals as application/problem+json (RFC 9457), in the reader's language, with nothing internal in them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from typing import Any

import msgspec

from chalicelib.core import refusals, text
from chalicelib.core.errors import BadField, FieldError, Labels, MallError, Reason

CONTENT_TYPE = "application/problem+json"


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one field: a stable code, the text for a person; the code's parameters stand beside them."""

    field: str
    code: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The form of every error answer. `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[FieldProblem] = []


def render(error: MallError, language: str, request_id: str, labels: Labels) -> bytes:
    """Write the error as a problem document; its extra data (SKUs, a new quote) stands beside the usual fields.

    `labels` are the names of fields for people, as `labels_of` finds them.
    """
    status = error.status
    document: dict[str, Any] = {
        "type": f"/docs#error-{error.code}",
        "title": error.code.replace("_", " "),
        "status": status,
        "code": error.code,
        "detail": error.text(language, labels),
        "request_id": request_id,
    }
    if error.errors:
        document["errors"] = [field_problem(one, language, labels) for one in error.errors]
    document.update((name, value) for name, value in error.data.items() if name not in document)
    return msgspec.json.encode(document)


def field_problem(error: FieldError, language: str, labels: Labels) -> dict[str, Any]:
    """One field's error as it is answered: `field`, `code`, `message`, and the code's parameters beside them."""
    text = error.text(language, labels)
    return {"field": error.field, "code": error.reason.code, "message": text, **error.data()}


@functools.cache
def labels_of(module: str) -> Labels:
    """Find the names of fields for people, for a module of a wing: the wing's own, and those that all wings share.

    They are looked for where something is refused, so that no cold start waits for them.
    """
    room = ".".join(module.split(".")[:3]) + ".refusals"
    own: Labels = importlib.import_module(room).FIELDS if _is_there(room) else {}
    return {**refusals.FIELDS, **own}


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False


#: None of these is compiled before it is needed: together they would be milliseconds of every cold start.
_PATH = r"(?s)^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$"
_FIELD = r"^Object (?P<how>missing required|contains unknown) field `(?P<name>.+)`$"
_KEY = r"^key` in `"  # msgspec on the keys of a map: "at `key` in `$.specs`"

#: What msgspec says, and the reason that it is: it says it in words only. A test has it say each of them.
_LENGTHS: dict[tuple[bool, str], Reason] = {
    (True, ">="): refusals.TOO_SHORT,
    (True, "<="): refusals.TOO_LONG,
    (False, ">="): refusals.TOO_FEW,
    (False, "<="): refusals.TOO_MANY,
}
_BOUNDS: dict[str, Reason] = {
    ">=": refusals.AT_LEAST, "<=": refusals.AT_MOST, ">": refusals.ABOVE, "<": refusals.BELOW,
}  # fmt: skip
_LENGTH = r"^Expected `(?P<kind>\w+)` of length (?P<sign>>=|<=) (?P<limit>\d+)$"
_BOUND = r"^Expected `\w+` (?P<sign>>=|<=|>|<) (?P<limit>\S+)$"
_EXPECTED = r"^Expected `(?P<kind>[^`]*)`(?:, got `[^`]*`)?$"
#: The pattern of names, as msgspec shows it.
_NAME = repr(text.NAME)
_PLAIN: dict[str, Reason] = {
    r"^Expected `\w+` matching regex ": refusals.WRONG_FORMAT,
    r"^Invalid enum value ": refusals.NOT_A_CHOICE,
    r"^Expected `datetime` with a timezone component$": refusals.NO_TIME_ZONE,
    r"^Invalid RFC3339 encoded datetime$": refusals.NOT_A_TIME,
    r"^Invalid RFC3339 encoded date$": refusals.NOT_A_DAY,
}


def from_validation(fault: msgspec.ValidationError, where: str = "") -> MallError:
    """Make the 400 that names the field at which msgspec stopped; `where` stands for the whole when it names none."""
    match = re.match(_PATH, str(fault))
    what, path = (match["what"], match["path"] or "") if match else (str(fault), "")
    path = re.sub(_KEY, "", path).strip().removeprefix("$").removeprefix(".").replace("[...]", "[]")
    if isinstance(fault.__cause__, BadField):
        error = fault.__cause__.error
        error = msgspec.structs.replace(error, field=f"{path}.{error.field}" if path else error.field)
    elif named := re.match(_FIELD, what):
        reason = refusals.REQUIRED if named["how"] == "missing required" else refusals.UNKNOWN_FIELD
        error = reason.at(f"{path}.{named['name']}" if path else named["name"])
    else:
        error = _error(what, path or where)
    return MallError("malformed", errors=(error,))


def _error(what: str, field: str) -> FieldError:
    """The reason for what msgspec says of a field."""
    if match := re.match(_LENGTH, what):
        limit, of_text = int(match["limit"]), match["kind"] == "str"
        if match["sign"] == ">=" and limit == 1:
            return refusals.EMPTY.at(field)
        return _LENGTHS[of_text, match["sign"]].at(field, limit=limit)
    if match := re.match(_BOUND, what):
        return _BOUNDS[match["sign"]].at(field, limit=_number(match["limit"]))
    if what.endswith(_NAME):
        return refusals.NOT_A_NAME.at(field)
    for pattern, reason in _PLAIN.items():
        if re.match(pattern, what):
            return reason.at(field)
    if match := re.match(_EXPECTED, what):
        kinds = [refusals.KINDS[kind] for kind in match["kind"].split(" | ") if kind in refusals.KINDS]
        if kinds:
            return refusals.WRONG_KIND.at(field, kind=kinds[0])
    return refusals.UNREADABLE.at(field)


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
