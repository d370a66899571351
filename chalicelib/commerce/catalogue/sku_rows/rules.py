"""Rows of SKUs, put together to products. Pure.

Rows of one product have its code, wherever they stand in the file; a row without a code goes on with the product of
the row before it; a row that names a `parent`, or is listed among the variations of another one, is a SKU of that
product and says nothing else of it. The others say what the product is: once, or each the same. A row with a price is a
SKU. One without only adds to the product: pictures of its gallery, or all that the SKUs below have in common.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from chalicelib.commerce.catalogue.column_maps.rules import ColumnMap, Source
from chalicelib.commerce.catalogue.refusals import NO_PRODUCT_ROW, NOT_AN_AMOUNT, NOT_JSON, OTHERWISE_ABOVE
from chalicelib.commerce.catalogue.rules import tidy
from chalicelib.commerce.catalogue.sheets.rules import Row, Table
from chalicelib.core import ids
from chalicelib.core.errors import FieldError
from chalicelib.core.refusals import REQUIRED, UNKNOWN_FIELD

#: What a row says of a SKU, by the names that the columns have: how a SKU calls it, and what the number is times.
_AMOUNTS = {
    "price_yuan": ("price_fen", 100), "list_price_yuan": ("list_price_fen", 100), "weight_kg": ("weight_g", 1000),
}  # fmt: skip
_NUMBERS = ("price_fen", "list_price_fen", "stock", "weight_g")
SKU_COLUMNS = (*_NUMBERS, *_AMOUNTS, "sku_code", "sku_picture_url")
#: What only says which rows belong together.
ROW_COLUMNS = ("parent",)
_LISTS = ("keywords", "gallery", "values")
_CODE_MAX = 64
_NUMBER = re.compile(r"-?([0-9]{1,3}(,[0-9]{3}){1,4}|[0-9]{1,15})(\.[0-9]{1,6})?")

Fault = tuple[int, FieldError]


class Group(msgspec.Struct):
    """The rows of one product. `children` are the lines of those that are a SKU and say nothing else of it; `listed`
    has the specs of SKUs that the product's row lists itself."""

    code: str
    rows: list[Row] = []
    children: set[int] = set()
    listed: dict[str, dict[str, str]] = {}


class Built(msgspec.Struct):
    """What the rows of a product say: its fields as a line of a file has them, the line of each of its SKUs, and what
    is wrong with which line."""

    fields: dict[str, Any] = {}
    lines: list[int] = []
    faults: list[Fault] = []


def groups(table: Table, columns: ColumnMap) -> list[Group]:
    """Put the rows together to products, in the order in which these come first."""
    listed: dict[str, tuple[str, dict[str, str]]] = {}
    if columns.variations is not None:
        for row in table.rows:
            cells = table.cells(row)
            for sku_code, specs in columns.variations.read(cells).items():
                listed[tidy(sku_code)] = _read(columns, "product_code", cells), specs
    found: dict[str, Group] = {}
    before = ""
    for row in table.rows:
        cells = table.cells(row)
        sku_code, parent = _read(columns, "sku_code", cells), _read(columns, "parent", cells)
        owner, specs = listed.get(sku_code, ("", {}))
        code = parent or owner or _read(columns, "product_code", cells) or before
        group = found.setdefault(code, Group(code))
        group.rows.append(row)
        if parent or owner:
            group.children.add(row.line)
            group.listed[sku_code] = specs
        before = code
    return list(found.values())


def product(table: Table, columns: ColumnMap, group: Group) -> Built:
    """Say what the rows of a product make of it."""
    built = Built()
    if not group.code:
        built.faults = [(row.line, REQUIRED.at("product_code")) for row in group.rows]
        return built
    own = [(row, table.cells(row)) for row in group.rows if row.line not in group.children]
    if not own:
        built.faults.append((group.rows[0].line, NO_PRODUCT_ROW.at("parent", parent=group.code)))
        return built
    built.fields = {"product_code": group.code, "skus": []}
    for name, source in columns.columns.items():
        if name in SKU_COLUMNS or name in ROW_COLUMNS or name == "product_code":
            continue
        for row, cells in own:
            fault = _say(built.fields, name, source, cells)
            if fault is not None:
                built.faults.append((row.line, fault))
    for row in group.rows:
        _add_sku(built, table, columns, group, row, own[0][1])
    if not built.fields["skus"] and not built.faults:
        built.faults.append((group.rows[0].line, REQUIRED.at(_price(columns))))
    return built


def _read(columns: ColumnMap, name: str, cells: Mapping[str, str]) -> str:
    source = columns.columns.get(name)
    return tidy(source.read(cells)) if source is not None else ""


def _price(columns: ColumnMap) -> str:
    return "price_fen" if "price_fen" in columns.columns else "price_yuan"


def _say(fields: dict[str, Any], name: str, source: Source, cells: Mapping[str, str]) -> FieldError | None:
    """Take in what a row says of its product; what is wrong with that."""
    text = source.raw(cells) if name == "detail" else source.read(cells)
    if not text:
        return None
    if name in _LISTS:
        return _say_more(fields, name, source.items(cells))
    if name not in fields:
        fields[name] = text
    elif fields[name] != text and name != "picture_url":
        return OTHERWISE_ABOVE.at(name)
    return None


def _say_more(fields: dict[str, Any], name: str, found: list[Any]) -> FieldError | None:
    """Add to a list, also from a cell that holds one as JSON."""
    if found[0].startswith("["):
        try:
            found = msgspec.json.decode(found[0], type=list[Any])
        except (msgspec.DecodeError, RecursionError):
            return NOT_JSON.at(name)
    known = fields.setdefault(name, [])
    known += [one for one in found if one not in known]
    return None


def _add_sku(built: Built, table: Table, columns: ColumnMap, group: Group, row: Row, first: Mapping[str, str]) -> None:
    cells = table.cells(row)
    code = _read(columns, "sku_code", cells)
    if columns.variations is not None and columns.variations.read(cells):
        return
    if not _read(columns, _price(columns), cells):
        if row.line in group.children or code not in ("", group.code):
            built.faults.append((row.line, REQUIRED.at(_price(columns))))
        return
    sku: dict[str, Any] = {"specs": group.listed.get(code) or _specs(columns, cells, first)}
    sku["sku_code"] = code or _code(group.code, sku["specs"])
    for name in SKU_COLUMNS:
        source = columns.columns.get(name)
        text = source.read(cells) if source is not None else ""
        if source is None or not text or name == "sku_code":
            continue
        if name == "sku_picture_url":
            sku["picture_url"] = text
        elif name in _AMOUNTS:
            ours, times = _AMOUNTS[name]
            sku[ours] = _whole(text, times)
            if sku[ours] is None:
                built.faults.append((row.line, NOT_AN_AMOUNT.at(name)))
        else:
            whole = _whole(text, 1)
            sku[name] = text if whole is None else whole
    built.fields["skus"].append(sku)
    built.lines.append(row.line)


def _specs(columns: ColumnMap, cells: Mapping[str, str], first: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in columns.specs:
        found |= source.read(cells, first)
    return found


def _code(product_code: str, specs: Mapping[str, str]) -> str:
    """Make a code for a SKU that has none: the product's, and what the SKU is like."""
    code = "-".join([product_code, *specs.values()])
    return code if len(code) <= _CODE_MAX else f"{code[: _CODE_MAX - 11]}-{ids.digest(code.encode())[:10]}"


def _whole(text: str, times: int) -> int | None:
    """Read a number, with or without commas between thousands, times so much; None where it is none or not whole."""
    if not _NUMBER.fullmatch(text):
        return None
    found = Decimal(text.replace(",", "")) * times
    return int(found) if found == found.to_integral_value() else None


def unknown(table: Table, row: Row, columns: ColumnMap, known: frozenset[str]) -> FieldError | None:
    """Find a cell under a heading that is no name of ours, where the headings are our names."""
    names = {name for name in table.cells(row) if name in columns.columns and name not in known}
    return UNKNOWN_FIELD.at(min(names)) if names else None
