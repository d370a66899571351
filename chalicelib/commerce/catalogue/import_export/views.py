"""What became of each line of an imported file."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["created", "changed", "unchanged", "failed"]


class LineProblem(msgspec.Struct, frozen=True):
    """What is wrong with a field of a line; field "line" is the line as a whole."""

    field: str
    message: str


class LineReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a line. `warnings` name what was left out of a line that went in."""

    line: int
    outcome: Outcome
    product_id: str | None = None
    category_id: str | None = None
    errors: list[LineProblem] = []
    warnings: list[LineProblem] = []


class ImportReport(msgspec.Struct, kw_only=True):
    """What became of a file, in all and line by line."""

    created: int
    changed: int
    unchanged: int
    failed: int
    lines: list[LineReport]
