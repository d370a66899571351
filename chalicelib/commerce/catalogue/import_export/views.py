"""What became of each line of an imported file, as operators see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from chalicelib.commerce.catalogue.import_export.rules import ImportResult, LineResult, Outcome
from chalicelib.commerce.catalogue.sheets.rules import Encoding
from chalicelib.core.errors import FieldError
from chalicelib.platform.web import problems


class LineProblem(problems.FieldProblem, frozen=True):
    """What is wrong with a field of a line, as in `errors` of a refusal; field "line" is the line as a whole."""


class LineReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a line. `warnings` name what was left out of a line that went in."""

    line: int
    outcome: Outcome
    product_id: str | None = None
    category_id: str | None = None
    errors: list[LineProblem] = []
    warnings: list[LineProblem] = []


class ImportReport(msgspec.Struct, kw_only=True):
    """What became of a file, in all and line by line; `encoding` is what it was read as."""

    encoding: Encoding
    created: int
    changed: int
    unchanged: int
    failed: int
    lines: list[LineReport]


def import_report(result: ImportResult, language: str) -> ImportReport:
    """Show what became of a file, in the operator's `language` ("zh" or "en")."""
    return ImportReport(
        encoding=result.encoding,
        created=result.created,
        changed=result.changed,
        unchanged=result.unchanged,
        failed=result.failed,
        lines=[_line_report(one, language) for one in result.lines],
    )


def _line_report(result: LineResult, language: str) -> LineReport:
    return LineReport(
        line=result.line,
        outcome=result.outcome,
        product_id=result.product_id,
        category_id=result.category_id,
        errors=_line_problems(result.errors, language),
        warnings=_line_problems(result.warnings, language),
    )


def _line_problems(errors: Sequence[FieldError], language: str) -> list[LineProblem]:
    labels = problems.labels_of(__name__)
    # No struct can say that the parameters of a code stand beside it, so what is sent is a dict.
    return cast("list[LineProblem]", [problems.field_problem(error, language, labels) for error in errors])
