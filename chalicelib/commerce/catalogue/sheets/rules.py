"""Text and tables as spreadsheets and other shops write them: encodings, marks between cells, headings. Pure."""

from __future__ import annotations

import csv
import io
import re
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

#: The last character that is two bytes in UTF-8; two bytes are an ideograph in GB18030.
_TWO_BYTES = "\u07ff"
_IDEOGRAPHS = re.compile(r"[\x00-\x7f\u3400-\u4dbf\u4e00-\u9fff]*")
#: Letters such as those with accents, right beside a small one of ASCII.
_IN_A_WORD = re.compile(r"(?<=[a-z])[\xc0-\u024f]+|[\xc0-\u024f]+(?=[a-z])")


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


def decode(body: bytes, is_json: bool = False) -> Text:
    """Read a file as UTF-8, or else as GB18030, which is what "CSV" is to Excel in China. JSON is UTF-8
    wherever it can be read so; of CSV, a few ideographs of GB18030 can be read so, too, as letters of other scripts.

    Raises `malformed` for anything else, and for UTF-8 with a fault in it: that would be read as other characters.
    """
    try:
        text = body.decode("utf-8-sig")
        meant = None if is_json or body.startswith(BOM_UTF8) or not _may_be_chinese(text) else _ideographs(body)
        return Text(text, "utf-8") if meant is None else Text(meant, "gb18030")
    except UnicodeDecodeError as fault:
        if not _is_damaged_utf8(body):
            try:
                return Text(body.decode("gb18030"), "gb18030")
            except UnicodeDecodeError:
                pass
        raise malformed(NOT_UTF8.at("body", byte=fault.start)) from None


def _may_be_chinese(text: str) -> bool:
    """Whether what was read as UTF-8 has no Chinese in it, and letters of other scripts that stand in no Latin word as
    those of "café" do: a few ideographs of GB18030 are read so."""
    letters = _IN_A_WORD.sub("", text)
    return max(text, default="") <= _TWO_BYTES and any(each.isalpha() and not each.isascii() for each in letters)


def _ideographs(body: bytes) -> str | None:
    """Read it as GB18030; None where that is not ideographs alone, beside ASCII."""
    try:
        text = body.decode("gb18030")
    except UnicodeDecodeError:
        return None
    return text if _IDEOGRAPHS.fullmatch(text) else None


def _is_damaged_utf8(body: bytes) -> bool:
    """Whether most of what is beyond ASCII can be read as UTF-8 of Chinese: of a text in GB18030 hardly anything can,
    though some of it can as letters of two bytes."""
    text = body.decode("utf-8", "replace")
    unreadable = text.count("\ufffd")
    readable = sum(character > _TWO_BYTES for character in text) - unreadable
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
