"""Text and tables as spreadsheets and other shops write them: encodings, marks between cells, headings. Pure."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from chalicelib.commerce.catalogue.refusals import (
    COLUMN_TWICE,
    MORE_CELLS_THAN_COLUMNS,
    NO_LINES,
    NOT_CSV,
    NOT_UTF8,
)
from chalicelib.core.errors import FieldError, invalid, malformed
from chalicelib.core.spreadsheets import unguarded

Encoding = Literal["utf-8", "gb18030"]


class Text(msgspec.Struct, frozen=True):
    """What a file says, and the encoding that it was in."""

    text: str
    encoding: Encoding


class Row(msgspec.Struct):
    """A row below the headings: the line it begins on, its cells as they stand there, or what is wrong with it."""

    line: int
    cells: list[str] = []
    fault: FieldError | None = None


class Table(msgspec.Struct):
    """The headings of a file, each once (an empty one may stand more often), and the rows that are not blank."""

    headings: list[str]
    rows: list[Row]

    def cells(self, row: Row) -> dict[str, str]:
        """Give the cells of a row that say something, by their headings; the marks against formulas are taken off."""
        pairs = zip(self.headings, row.cells, strict=False)
        return {heading: unguarded(cell) for heading, cell in pairs if cell}


def decode(body: bytes) -> Text:
    """Read a file as UTF-8, or else as GB18030, which is what "CSV" is to Excel in China.

    Raises `malformed` for anything else, and for UTF-8 with a fault in it: that would be read as other characters.
    """
    try:
        return Text(body.decode("utf-8-sig"), "utf-8")
    except UnicodeDecodeError as fault:
        if not _is_damaged_utf8(body):
            try:
                return Text(body.decode("gb18030"), "gb18030")
            except UnicodeDecodeError:
                pass
        raise malformed(NOT_UTF8.at("body", byte=fault.start)) from None


def _is_damaged_utf8(body: bytes) -> bool:
    """Whether most of what is beyond ASCII can be read as UTF-8: of a text in GB18030 hardly anything can."""
    text = body.decode("utf-8", "replace")
    unreadable = text.count("\ufffd")
    readable = sum(character > "\x7f" for character in text) - unreadable
    return body.startswith(BOM_UTF8) or readable > unreadable


def table(text: str) -> Table:
    """Read a CSV, its cells parted by commas, semicolons or tabs, as its headings are.

    Raises `invalid` where a heading stands twice, or nothing stands below the headings.
    """
    found = _rows(text, _delimiter(text))
    first = next(found, Row(1))
    if first.fault is not None:
        raise malformed(NOT_CSV.at("body"))
    headings = [cell.strip() for cell in first.cells]
    for number, heading in enumerate(headings):
        if heading and heading in headings[:number]:
            raise invalid(COLUMN_TWICE.at("body", column=heading))
    rows = [_fitted(row, headings) for row in found]
    if not rows:
        raise invalid(NO_LINES.at("body"))
    return Table(headings, rows)


def _delimiter(text: str) -> str:
    """What parts the cells of the first row that is not blank."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    if "," in first:
        return ","
    return max(",;\t", key=first.count)


def _rows(text: str, delimiter: str) -> Iterator[Row]:
    """The rows that are not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Row(number, fault=NOT_CSV.at("line"))
            continue
        if any(cell.strip() for cell in cells):
            yield Row(number, cells)


def _fitted(row: Row, headings: Sequence[str]) -> Row:
    """The row, at fault where a cell has no heading."""
    without = [cell for heading, cell in zip(headings, row.cells, strict=False) if not heading and cell.strip()]
    if without or len(row.cells) > len(headings):
        return Row(row.line, fault=MORE_CELLS_THAN_COLUMNS.at("line"))
    return row
