"""Writes docs/errors.md from the table of codes, and from the reasons for which fields are refused.

python -m tools.error_docs
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import app
from chalicelib.core import refusals
from chalicelib.core.errors import CODES, Reason
from chalicelib.platform import wings
from local.processes import ROOT

FILE = ROOT / "docs" / "errors.md"

_HEAD = """\
# Errors

Every refusal is `application/problem+json` with one of these codes. A code never changes its meaning; the texts may
change, and are in the language that `Accept-Language` asks for (Chinese unless it begins with `en`). 429 and 503 say
in `Retry-After` when to come again. A `{name}` is filled in.

A path that is not there is 404, a method that a path does not have is 405 with `Allow` (`HEAD` too: no path has it),
before any token is looked at. What AWS's gateway answers before the mall has seen a request (404 of an unknown path,
413, 429, 503) is the same, in Chinese.

Made by `python -m tools.error_docs` from `chalicelib/core/errors.py` and every `refusals.py`; a test holds that it is
up to date.

| code | status | text | 中文 |
|---|---|---|---|
"""
_FIELDS = """
## Fields

Where a field is known, `errors` names it as the client wrote it (`lines[0].quantity`), with one of these codes, and
`detail` is their text. What is in `{braces}` stands beside the code under its own name, such as `"limit": 5`; of words
of the mall's own (a state, a kind) it is the stable code, and the text has its name. `{label}` is the field's name in
the reader's language, `{field}` the field itself: these two are only in the text.

| code | text | 中文 | where |
|---|---|---|---|
"""
_ANYWHERE = "anywhere"


def page() -> str:
    """Make the page: codes by status and then by name, reasons by name."""
    codes = sorted((meaning.status, code, meaning) for code, meaning in CODES.items())
    return "".join(
        (
            _HEAD,
            *(f"| `{code}` | {status} | {what.en} | {what.zh} |\n" for status, code, what in codes),
            _FIELDS,
            *(f"| `{reason.code}` | {reason.en} | {reason.zh} | {', '.join(where)} |\n" for reason, where in reasons()),
        )
    )


def reasons() -> list[tuple[Reason, list[str]]]:
    """List every reason by its code, with the wings that give it ("anywhere": all of them may)."""
    places: dict[str, list[str]] = {}
    known: dict[str, Reason] = {}
    for room in (refusals, *wings.load(app.WINGS, "refusals")):
        for reason in _reasons_in(vars(room).values()):
            known[reason.code] = reason
            found = places.setdefault(reason.code, [])
            if _place(room) not in found:
                found.append(_place(room))
    return [(known[code], places[code]) for code in sorted(known)]


def _reasons_in(values: Any) -> Iterator[Reason]:
    for value in values:
        if isinstance(value, Reason):
            yield value
        elif isinstance(value, dict):
            yield from _reasons_in(value.values())


def _place(room: ModuleType) -> str:
    """Name the wing of a room."""
    if room is refusals:
        return _ANYWHERE
    return next(f"`{wing}`" for wing in app.WINGS if room.__name__.startswith(f"chalicelib.{wing}."))


def main() -> int:
    """Write the page; the exit status."""
    FILE.write_text(page(), encoding="utf-8")
    print(f"{FILE.relative_to(ROOT)}: {len(CODES)} codes, {len(reasons())} reasons")
    return 0


if __name__ == "__main__":
    sys.exit(main())
