"""Files of products and categories: JSON Lines or CSV, both ways. Pure.

A line is a product with all of its SKUs, or a category. In CSV, a cell that holds a list or an object holds it as JSON,
and an empty cell says nothing; a CSV may have a row for each SKU instead (sku_rows/rules.py), and other names for its
columns (column_maps/rules.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec

from chalicelib.commerce.catalogue.column_maps.rules import ColumnMap, column_map
from chalicelib.commerce.catalogue.import_export.inputs import (
    CATEGORY_COLUMNS,
    PRODUCT_COLUMNS,
    CategoryLine,
    Format,
    ProductLine,
)
from chalicelib.commerce.catalogue.products import rules as product_rules
from chalicelib.commerce.catalogue.refusals import (
    BAD_PICTURE,
    COLUMNS_ARE_FOR_CSV,
    NOT_JSON,
    ON_AN_EARLIER_LINE,
    ROW_AT_FAULT,
    TOO_MANY_LINES,
)
from chalicelib.commerce.catalogue.rules import Product, tidy
from chalicelib.commerce.catalogue.sheets import rules as sheets
from chalicelib.commerce.catalogue.sheets.rules import Encoding, Row, Table
from chalicelib.commerce.catalogue.sku_rows import rules as sku_rows
from chalicelib.core import spreadsheets
from chalicelib.core.errors import CODES, FieldError, MallError, Reason, invalid
from chalicelib.core.refusals import NO_SUCH, YEAR_BETWEEN
from chalicelib.platform.web import problems
from chalicelib.platform.web.types import URL, URL_LENGTH_MAX

Outcome = Literal["created", "changed", "unchanged", "failed"]

LINES_MAX = 500
_YEARS = (2000, 2099)
#: Bytes that the operators' log has for the prices and codes that a file has changed.
_OUTCOME_BYTES = 1800

_T = TypeVar("_T", bound=msgspec.Struct)
_JSON_COLUMNS = frozenset({"keywords", "gallery", "specs", "skus", "values"})
#: Yes and no as people write them into a cell.
_TRUTHS = {
    **dict.fromkeys(("是", "yes", "y", "on", "上架"), True), **dict.fromkeys(("否", "no", "n", "off", "下架"), False),
}  # fmt: skip


class Parsed(msgspec.Struct):
    """A line as read: its number, what it says or else what is wrong with it, and what was left out of it. `sku_lines`
    has the line of each SKU, where they have lines of their own."""

    line: int
    value: Any = None
    errors: Sequence[FieldError] = ()
    warnings: Sequence[FieldError] = ()
    sku_lines: Sequence[int] = ()


class File(msgspec.Struct):
    """A file as read, line by line, and the encoding that it was in."""

    lines: list[Parsed]
    encoding: Encoding


class PriceChange(msgspec.Struct, frozen=True):
    """The price of a SKU, in fen, before (None: it is new) and after a line."""

    sku_code: str
    before_fen: int | None
    after_fen: int


class LineResult(msgspec.Struct, kw_only=True):
    """What became of a line, which is about this `code`. `warnings` name what was left out of a line that went in."""

    line: int
    code: str = ""
    prices: Sequence[PriceChange] = ()
    outcome: Outcome
    product_id: str | None = None
    category_id: str | None = None
    errors: Sequence[FieldError] = ()
    warnings: Sequence[FieldError] = ()


class ImportResult(msgspec.Struct):
    """What became of a file, line by line, and the encoding that it was in."""

    lines: list[LineResult]
    encoding: Encoding = "utf-8"

    @property
    def created(self) -> int:
        """How many lines made something new."""
        return self._count("created")

    @property
    def changed(self) -> int:
        """How many lines changed something."""
        return self._count("changed")

    @property
    def unchanged(self) -> int:
        """How many lines said what is so already."""
        return self._count("unchanged")

    @property
    def failed(self) -> int:
        """How many lines did not go in."""
        return self._count("failed")

    def _count(self, outcome: Outcome) -> int:
        return sum(one.outcome == outcome for one in self.lines)


class Entry(msgspec.Struct):
    """The rows of a CSV that say one thing, and its code ("": none that can be read)."""

    code: str
    rows: list[Row]


def parse(body: bytes, format: Format, struct: type[_T], columns: str = "") -> File:
    """Read every line that is not blank; `columns` says which of a CSV's columns is which of ours.

    A picture whose address is none does not cost the line: it is left out, with a warning. Raises `malformed` for what
    is no text, `invalid` for too many lines and for headings that fit neither the file nor its map.
    """
    text = sheets.decode(body, format == "jsonl")
    if format == "jsonl":
        if columns:
            raise invalid(COLUMNS_ARE_FOR_CSV.at("columns"))
        lines = _parse_jsonl(text.text, struct)
    else:
        table = sheets.table(text.text)
        if len(table.rows) > LINES_MAX:
            raise invalid(TOO_MANY_LINES.at("body", limit=LINES_MAX))
        lines = _parse_csv(table, struct, column_map(columns, table.headings, columns_of(struct)))
    return File(lines, text.encoding)


def columns_of(struct: type[msgspec.Struct]) -> Sequence[str]:
    """List the columns that a file of these lines may have."""
    if struct is CategoryLine:
        return CATEGORY_COLUMNS
    return (*PRODUCT_COLUMNS, *sku_rows.SKU_COLUMNS, *sku_rows.ROW_COLUMNS)


def _parse_jsonl(text: str, struct: type[_T]) -> list[Parsed]:
    parsed: list[Parsed] = []
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: a text may hold U+2028
        if not line.strip():
            continue
        if len(parsed) == LINES_MAX:
            raise invalid(TOO_MANY_LINES.at("body", limit=LINES_MAX))
        try:
            fields = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            parsed.append(Parsed(number, errors=(NOT_JSON.at("line"),)))
        else:
            parsed.append(_convert(number, fields, struct, strict=True))
    return _each_once(parsed, struct.__struct_fields__[0])


def _parse_csv(table: Table, struct: type[_T], columns: ColumnMap) -> list[Parsed]:
    if struct is ProductLine and columns.has_skus:
        return sorted(_parse_sku_rows(table, columns), key=lambda one: one.line)
    parsed = []
    for row in table.rows:
        fields = row.fault or _fields(table.cells(row), columns)
        if isinstance(fields, FieldError):
            parsed.append(Parsed(row.line, errors=(fields,)))
        else:
            parsed.append(_convert(row.line, fields, struct, strict=False))
    return _each_once(parsed, struct.__struct_fields__[0])


def _parse_sku_rows(table: Table, columns: ColumnMap) -> Iterator[Parsed]:
    known = frozenset(columns_of(ProductLine))
    for group in sku_rows.groups(table, columns):
        first = group.rows[0].line
        faults = [(row.line, row.fault or sku_rows.unknown(table, row, columns, known)) for row in group.rows]
        wrong = [(line, fault) for line, fault in faults if fault is not None]
        built = sku_rows.Built(faults=wrong) if wrong else sku_rows.product(table, columns, group)
        if built.faults:
            yield from at_fault(first, built.faults)
            continue
        one = _convert(first, _truths(built.fields), ProductLine, strict=False)
        one.sku_lines = built.lines
        yield from [one] if one.value is not None else at_fault(first, by_line(one, one.errors))


def at_fault(first: int, faults: Sequence[tuple[int, FieldError]]) -> list[Parsed]:
    """Say what is wrong with the rows of a product which begins on line `first`: row by row, and of the product's own
    that it did not go in because of another."""
    found: dict[int, list[FieldError]] = {}
    for line, fault in faults:
        found.setdefault(line, []).append(fault)
    if first not in found:
        found[first] = [ROW_AT_FAULT.at("line", other=min(found))]
    return [Parsed(line, errors=errors) for line, errors in sorted(found.items())]


def by_line(one: Parsed, errors: Sequence[FieldError]) -> list[tuple[int, FieldError]]:
    """Put what is wrong with a SKU to that SKU's line, where it has one, and all else to the product's."""

    def line_of(error: FieldError) -> int:
        number = error.field.partition("skus[")[2].partition("]")[0]
        own = number.isdecimal() and int(number) < len(one.sku_lines)
        return one.sku_lines[int(number)] if own else one.line

    return [(line_of(error), error) for error in errors]


def entries(table: Table, struct: type[msgspec.Struct], columns: ColumnMap) -> list[Entry]:
    """Put the rows together that say one thing: whoever sends a long file in parts keeps these in one."""
    if struct is ProductLine and columns.has_skus:
        return [Entry(group.code, group.rows) for group in sku_rows.groups(table, columns)]
    key = columns.columns.get(struct.__struct_fields__[0])
    return [Entry(tidy(key.read(table.cells(row))) if key is not None else "", [row]) for row in table.rows]


def _each_once(parsed: list[Parsed], key: str) -> list[Parsed]:
    """The lines, those at fault whose code stands on an earlier one."""
    seen: dict[str, int] = {}
    for number, one in enumerate(parsed):
        if one.value is not None:
            earlier = seen.setdefault(getattr(one.value, key), one.line)
            if earlier != one.line:
                parsed[number] = Parsed(one.line, errors=(ON_AN_EARLIER_LINE.at(key, earlier=earlier),))
    return parsed


def _convert(number: int, fields: Any, struct: type[_T], strict: bool) -> Parsed:
    warnings = _without_bad_pictures(fields) if isinstance(fields, dict) else []
    try:
        value = msgspec.convert(fields, struct, strict=strict)
    except msgspec.ValidationError as fault:
        return Parsed(number, errors=problems.from_validation(fault, "line").errors)
    codes = {name: tidy(code) for name in _CODES if isinstance(code := getattr(value, name, None), str)}
    return Parsed(number, msgspec.structs.replace(value, **codes), warnings=warnings)


_CODES = ("product_code", "category_code", "parent_code")


def _without_bad_pictures(fields: dict[str, Any]) -> list[FieldError]:
    """Take out of `fields` the pictures that cannot be shown; what was taken."""
    found: list[FieldError] = []
    if _bad(fields.get("picture_url")):
        found.append(BAD_PICTURE.at("picture_url"))
        del fields["picture_url"]
    gallery = fields.get("gallery")
    if isinstance(gallery, list):
        found += [BAD_PICTURE.at(f"gallery[{at}]") for at, url in enumerate(gallery) if _bad(url)]
        fields["gallery"] = [url for url in gallery if not _bad(url)]
        if gallery and not fields["gallery"]:
            del fields["gallery"]
    skus = fields.get("skus")
    for at, sku in enumerate(skus if isinstance(skus, list) else []):
        if isinstance(sku, dict) and _bad(sku.get("picture_url")):
            found.append(BAD_PICTURE.at(f"skus[{at}].picture_url"))
            del sku["picture_url"]
    return found


def _bad(url: object) -> bool:
    return isinstance(url, str) and (len(url) > URL_LENGTH_MAX or not re.search(URL, url))


def _fields(cells: Mapping[str, str], columns: ColumnMap) -> dict[str, Any] | FieldError:
    """What a row says, or the column at fault."""
    fields: dict[str, Any] = {}
    for name, source in columns.columns.items():
        text = source.raw(cells) if name == "detail" else source.read(cells)
        if text == "":
            continue
        fields[name] = text
        if name in _JSON_COLUMNS and source.split:
            fields[name] = source.items(cells)
        elif name in _JSON_COLUMNS:
            try:
                fields[name] = msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError):
                return NOT_JSON.at(name)
    return _truths(fields)


def _truths(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, yes and no as people write them in a cell read as such."""
    for name in ("on_sale", "is_new", "is_hot"):
        if isinstance(word := fields.get(name), str):
            fields[name] = _TRUTHS.get(word.lower(), word)
    return fields


def write(rows: Sequence[Mapping[str, Any]], format: Format, columns: Sequence[str]) -> bytes:
    """Write the rows as a file that `parse` reads back; a CSV starts with its header, and a BOM for spreadsheets."""
    if format == "jsonl":
        return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    return spreadsheets.write(columns, ([_cell(row.get(name)) for name in columns] for row in rows))


def _cell(value: Any) -> str | int | None:
    """The cell: text as it is, lists and the like as JSON; a number needs no mark."""
    if value is None or isinstance(value, str) or type(value) is int:
        return value
    text = msgspec.json.encode(value).decode()
    return text.strip('"') if isinstance(value, datetime) else text


def category_fields(line: CategoryLine) -> dict[str, Any]:
    """Give the fields of a category that the line names, but its parent."""
    fields = product_rules.said(line)
    fields["code"] = fields.pop("category_code")
    fields.pop("parent_code", None)
    return fields


def product_changes(line: ProductLine, role: str, categories: Mapping[str, str]) -> dict[str, Any]:
    """Give what the line changes in a product of this `role`; `categories` has ids by codes. Raises `invalid`."""
    fields = product_rules.said(line)
    hot, new = fields.pop("is_hot", None), fields.pop("is_new", None)
    if "role" not in fields and (hot is not None or new is not None):
        other = "" if role in ("hit", "new") else role
        fields["role"] = "hit" if hot else "new" if new else other
    created_at = fields.get("created_at")
    if created_at is not None and not _YEARS[0] <= created_at.year <= _YEARS[1]:
        raise invalid(YEAR_BETWEEN.at("created_at", low=_YEARS[0], high=_YEARS[1]))
    if "on_sale" in fields:
        fields["publish"] = fields.pop("on_sale")
    if "category_code" in fields:
        code = fields.pop("category_code")
        if code is not None and code not in categories:
            raise invalid(NO_SUCH.at("category_code"))
        fields["category_id"] = None if code is None else categories[code]
    return fields


def price_changes(before: Product | None, after: Product) -> list[PriceChange]:
    """List the SKUs whose price is another one than before, or that are new."""
    known = {} if before is None else {sku.sku_code: sku.price_fen for sku in before.skus}
    return [
        PriceChange(sku.sku_code, known.get(sku.sku_code), sku.price_fen)
        for sku in after.skus
        if known.get(sku.sku_code) != sku.price_fen
    ]


def outcome(result: ImportResult) -> dict[str, Any]:
    """Tell the operators' log what a file has changed: how many lines, the prices by SKU, and the codes of what was
    changed otherwise; as far as there is room, first what became cheaper, by how much of its price."""
    said = {name: getattr(result, name) for name in ("created", "changed", "unchanged", "failed")}
    done = [one for one in result.lines if one.outcome in ("created", "changed")]
    prices = (price for one in done for price in one.prices)
    return said | told(prices, codes=[one.code for one in done if not one.prices])


def told(prices: Iterable[PriceChange], **others: list[str]) -> dict[str, Any]:
    """Tell the operators' log these changes of prices, the largest fall first, and then what else is named, as far as
    there is room; of the rest how many."""
    lists: dict[str, list[Any]] = {
        "prices": [[price.sku_code, price.before_fen, price.after_fen] for price in sorted(prices, key=_dearness)]
    }
    lists |= others
    room, fitting, left_out = _OUTCOME_BYTES, {name: list[Any]() for name in lists}, 0
    for name, values in lists.items():
        for value in values:
            room -= len(msgspec.json.encode(value)) + 1
            if room > 0:
                fitting[name].append(value)
            left_out += room <= 0
    return fitting | ({"left_out": left_out} if left_out else {})


def _dearness(price: PriceChange) -> tuple[float, int]:
    """How much of its price a SKU has kept; of one without a price before, as though it had been all of it."""
    return price.after_fen / price.before_fen if price.before_fen else 1.0, price.after_fen


def errors_of(error: MallError) -> tuple[FieldError, ...]:
    """Give what a refusal says of a line: of its fields, or, where it names none, of the line as a whole."""
    meaning = CODES[error.code]
    return error.errors or (Reason(error.code, meaning.zh, meaning.en).at("line", **error.data),)
