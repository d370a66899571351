"""Files of products and categories: JSON Lines or CSV, one thing a line, both ways. Pure.

Both formats have the same columns. A CSV cell that holds a list or an object holds it as JSON; an empty cell says
nothing. So that no spreadsheet takes a text for a formula, a cell that begins with one of = + - @ ' (or a tab, or a
return) is written with a ' in front, which reading takes off again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.commerce.catalogue.products import rules as product_rules
from chalicelib.commerce.catalogue.products.inputs import (
    BasisPoints,
    Gallery,
    Keywords,
    LongText,
    MemberLimit,
    OrderLimit,
    Role,
    Skus,
    Sort,
    Specs,
    Unit,
    Values,
)
from chalicelib.commerce.catalogue.refusals import (
    BAD_PICTURE,
    MORE_CELLS_THAN_COLUMNS,
    NOT_CSV,
    NOT_JSON,
    NOT_UTF8,
    ON_AN_EARLIER_LINE,
    TOO_MANY_LINES,
)
from chalicelib.commerce.catalogue.rules import Product
from chalicelib.core.errors import CODES, FieldError, MallError, Reason, invalid, malformed
from chalicelib.core.refusals import NO_SUCH
from chalicelib.platform.web import problems
from chalicelib.platform.web.types import Code, ShortText, Text256, Url

Format = Literal["jsonl", "csv"]
Outcome = Literal["created", "changed", "unchanged", "failed"]

LINES_MAX = 500
#: Bytes that the operators' log has for the prices and codes that a file has changed.
_OUTCOME_BYTES = 1800

_T = TypeVar("_T", bound=msgspec.Struct)
_JSON_COLUMNS = frozenset({"keywords", "gallery", "specs", "skus", "values"})
_FORMULA = ("=", "+", "-", "@", "'", "\t", "\r")
_URL = re.compile(r"(https?://[^\x00-\x20\x7f]+)?")
_URL_LENGTH_MAX = 512


class ProductLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product in a file; what is left out stays as it is, or has its default in a new product.

    `is_hot` is role "hit", `is_new` role "new", the first before the second; `role` says it outright. `stock` of a
    SKU is its first supply: that of a SKU which exists is left alone.
    """

    product_code: Code
    name: ShortText
    skus: Skus
    category_code: Code | UnsetType | None = UNSET
    brief: Text256 | UnsetType = UNSET
    keywords: Keywords | UnsetType = UNSET
    unit: Unit | UnsetType = UNSET
    on_sale: bool | UnsetType = UNSET
    is_new: bool | UnsetType = UNSET
    is_hot: bool | UnsetType = UNSET
    sort: Sort | UnsetType = UNSET
    picture_url: Url | UnsetType = UNSET
    gallery: Gallery | UnsetType = UNSET
    specs: Specs | UnsetType = UNSET
    brand: Text256 | UnsetType = UNSET
    detail: LongText | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    values: Values | UnsetType = UNSET
    commission_bp: BasisPoints | UnsetType | None = UNSET
    limit_per_member: MemberLimit | UnsetType | None = UNSET
    limit_per_order: OrderLimit | UnsetType | None = UNSET


class CategoryLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A category in a file; what is left out stays as it is. Its parent may come later in the file."""

    category_code: Code
    name: ShortText
    parent_code: Code | UnsetType | None = UNSET
    sort: Sort | UnsetType = UNSET
    description: Text256 | UnsetType = UNSET
    picture_url: Url | UnsetType = UNSET


PRODUCT_COLUMNS = (
    "product_code", "category_code", "name", "brief", "keywords", "unit", "on_sale", "is_new", "is_hot", "sort",
    "picture_url", "gallery", "specs", "skus", "brand", "detail", "role", "values", "commission_bp",
    "limit_per_member", "limit_per_order",
)  # fmt: skip
CATEGORY_COLUMNS = ("category_code", "name", "parent_code", "sort", "description", "picture_url")


class Parsed(msgspec.Struct):
    """A line as read: its number, what it says or else what is wrong with it, and what was left out of it."""

    line: int
    value: Any = None
    errors: Sequence[FieldError] = ()
    warnings: Sequence[FieldError] = ()


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
    """What became of a file, line by line."""

    lines: list[LineResult]

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


def parse(body: bytes, format: Format, struct: type[_T]) -> list[Parsed]:
    """Read every line that is not blank. Raises `malformed` for what is not UTF-8, `invalid` for too many lines.

    A picture whose address is none does not cost the line: it is left out, with a warning.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise malformed(NOT_UTF8.at("body")) from None
    parsed: list[Parsed] = []
    key = struct.__struct_fields__[0]
    seen: set[str] = set()
    for number, fields in _jsonl(text) if format == "jsonl" else _csv(text):
        if len(parsed) == LINES_MAX:
            raise invalid(TOO_MANY_LINES.at("body", limit=LINES_MAX))
        one = _convert(number, fields, struct, strict=format == "jsonl")
        if one.value is not None:
            code = getattr(one.value, key)
            if code in seen:
                one = Parsed(number, errors=(ON_AN_EARLIER_LINE.at(key),))
            seen.add(code)
        parsed.append(one)
    return parsed


def _convert(number: int, fields: Any, struct: type[_T], strict: bool) -> Parsed:
    if isinstance(fields, FieldError):
        return Parsed(number, errors=(fields,))
    warnings = _without_bad_pictures(fields) if isinstance(fields, dict) else []
    try:
        return Parsed(number, msgspec.convert(fields, struct, strict=strict), warnings=warnings)
    except msgspec.ValidationError as fault:
        return Parsed(number, errors=problems.from_validation(fault, "line").errors)


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
    return isinstance(url, str) and (len(url) > _URL_LENGTH_MAX or not _URL.fullmatch(url))


def _jsonl(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: a text may hold U+2028
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            yield number, NOT_JSON.at("line")


def _csv(text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[str] | None = None
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield number, NOT_CSV.at("line")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            columns = [cell.strip() for cell in cells]
        elif len(cells) > len(columns):
            yield number, MORE_CELLS_THAN_COLUMNS.at("line")
        else:
            yield number, _fields(dict(zip(columns, cells, strict=False)))


def _fields(cells: Mapping[str, str]) -> dict[str, Any] | FieldError:
    fields: dict[str, Any] = {}
    for name, cell in cells.items():
        if cell == "":
            continue
        fields[name] = unguarded(cell)
        if name in _JSON_COLUMNS:
            try:
                fields[name] = msgspec.json.decode(fields[name])
            except (msgspec.DecodeError, RecursionError):
                return NOT_JSON.at(name)
    return fields


def write(rows: Sequence[Mapping[str, Any]], format: Format, columns: Sequence[str]) -> bytes:
    """Write the rows as a file that `parse` reads back; a CSV starts with its header, and a BOM for spreadsheets."""
    if format == "jsonl":
        return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return guarded(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def guarded(cell: str) -> str:
    """Put a ' in front where a spreadsheet might take the text for a formula."""
    return "'" + cell if cell.startswith(_FORMULA) else cell


def unguarded(cell: str) -> str:
    """Take off again what `guarded` has put in front."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


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
    prices = sorted((price for one in done for price in one.prices), key=_dearness)
    told: dict[str, list[Any]] = {
        "prices": [[price.sku_code, price.before_fen, price.after_fen] for price in prices],
        "codes": [one.code for one in done if not one.prices],
    }
    room, fitting, left_out = _OUTCOME_BYTES, {name: list[Any]() for name in told}, 0
    for name, values in told.items():
        for value in values:
            room -= len(msgspec.json.encode(value)) + 1
            if room > 0:
                fitting[name].append(value)
            left_out += room <= 0
    return said | fitting | ({"left_out": left_out} if left_out else {})


def _dearness(price: PriceChange) -> tuple[float, int]:
    """How much of its price a SKU has kept; of one without a price before, as though it had been all of it."""
    return price.after_fen / price.before_fen if price.before_fen else 1.0, price.after_fen


def errors_of(error: MallError) -> tuple[FieldError, ...]:
    """Give what a refusal says of a line: of its fields, or, where it names none, of the line as a whole."""
    meaning = CODES[error.code]
    return error.errors or (Reason(error.code, meaning.zh, meaning.en).at("line", **error.data),)
