"""The catalogue in and out as files. A line goes in as a whole or not at all, and twice is once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from chalicelib.catalogue import admin_reads, categories, draft, lines, products, rules, shards
from chalicelib.catalogue.lines import CategoryLine, Format, Parsed, ProductLine
from chalicelib.catalogue.rules import Category, Detail, Product
from chalicelib.catalogue.tables import DETAIL, Products, product_key, stock_key
from chalicelib.catalogue.tree import Forest, code_of
from chalicelib.core import clock
from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.store import read

#: Lines still to come after this are left for the next call: API Gateway waits 29 s.
_SECONDS_MAX = 20.0
EXPORT_PAGE = 25

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


def import_products(body: bytes, format: Format) -> ImportReport:
    """Create or change each line's product. What is the same already costs no write.

    Raises `malformed` and `invalid` for a file that cannot be read at all, `unavailable` when DynamoDB cannot be
    asked; the same file may then be sent again.
    """
    parsed = lines.parse(body, format, ProductLine)
    forest, _ = categories.load()
    ids_by_code = {code_of(category): category.category_id for category in forest.by_id.values()}
    known = _known([rules.product_id(one.value.product_code) for one in parsed if one.value is not None])
    end = clock.monotonic() + _SECONDS_MAX
    reports: list[LineReport] = []
    for one in parsed:
        if one.value is None:
            reports.append(_failed(one.line, one.errors))
        elif clock.monotonic() > end:
            reports.append(_failed(one.line, [FieldError("line", "not reached in time: send it again")]))
        else:
            reports.append(_import_product(one, known, ids_by_code))
    return _report(reports)


def _known(product_ids: Sequence[str]) -> dict[str, tuple[Product, Detail]]:
    keys: list[read.Key] = []
    for product_id in product_ids:
        keys += [product_key(product_id), (Products, (product_id, DETAIL))]
    items = read.batch_get(keys)
    pairs = zip(product_ids, items[::2], items[1::2], strict=True)
    return {product_id: (item.product, detail.detail) for product_id, item, detail in pairs if item is not None}


def _import_product(one: Parsed, known: dict[str, tuple[Product, Detail]], categories: dict[str, str]) -> LineReport:
    line: ProductLine = one.value
    product_id = rules.product_id(line.product_code)
    outcome: Outcome = "created"
    try:
        before, detail = known.get(product_id, (None, Detail()))
        changes = lines.product_changes(line, before.role if before is not None else "", categories)
        if before is not None:
            composed = draft.compose(before, detail, changes, clock.now())
            outcome = "unchanged" if (composed.product, composed.detail) == (before, detail) else "changed"
        if outcome != "unchanged":
            products.save(product_id, line.product_code, changes)
    except MallError as error:
        if error.code == "unavailable":
            raise
        return _failed(one.line, lines.errors_of(error))
    return LineReport(line=one.line, outcome=outcome, product_id=product_id, warnings=_problems(one.warnings))


def import_categories(body: bytes, format: Format) -> ImportReport:
    """Create or change each line's category, all in one write. Raises as `import_products` does."""
    parsed = lines.parse(body, format, CategoryLine)
    reports: dict[int, LineReport] = {}

    def edit(forest: Forest) -> Forest:
        reports.clear()
        reports.update({one.line: _failed(one.line, one.errors) for one in parsed if one.value is None})
        waiting = [one for one in parsed if one.value is not None]
        while waiting:
            ready = [one for one in waiting if not (parent := _parent(one)) or forest.find(parent) is not None]
            for one in ready:
                forest, reports[one.line] = _import_category(one, forest)
            if not ready:
                break
            waiting = [one for one in waiting if one.line not in reports]
        reports.update({one.line: _failed(one.line, [_ORPHAN]) for one in waiting})
        return forest

    categories.change_tree(edit)
    return _report([reports[one.line] for one in parsed])


_ORPHAN = FieldError("parent_code", "no such category")


def _parent(one: Parsed) -> str | None:
    return one.value.parent_code or None  # UNSET is false


def _import_category(one: Parsed, forest: Forest) -> tuple[Forest, LineReport]:
    line: CategoryLine = one.value
    fields = lines.category_fields(line)
    if "parent_code" in draft.said(line):
        parent = forest.find(line.parent_code) if isinstance(line.parent_code, str) else None
        fields["parent_id"] = parent.category_id if parent is not None else None
    before = forest.find(line.category_code)
    if before is None:
        category = Category(category_id=rules.category_id(line.category_code), **fields)
    else:
        category = msgspec.structs.replace(before, **(fields | {"code": before.code}))
    try:
        after = forest if category == before else forest.put(category)
    except MallError as error:
        renamed = [FieldError(e.field.replace("parent_id", "parent_code"), e.message) for e in lines.errors_of(error)]
        return forest, _failed(one.line, renamed)
    outcome: Outcome = "created" if before is None else "unchanged" if category == before else "changed"
    warnings = _problems(one.warnings)
    return after, LineReport(line=one.line, outcome=outcome, category_id=category.category_id, warnings=warnings)


def _failed(line: int, errors: Sequence[FieldError]) -> LineReport:
    return LineReport(line=line, outcome="failed", errors=_problems(errors))


def _problems(errors: Sequence[FieldError]) -> list[LineProblem]:
    return [LineProblem(error.field, error.message) for error in errors]


def _report(reports: list[LineReport]) -> ImportReport:
    outcomes = [report.outcome for report in reports]
    return ImportReport(
        created=outcomes.count("created"),
        changed=outcomes.count("changed"),
        unchanged=outcomes.count("unchanged"),
        failed=outcomes.count("failed"),
        lines=reports,
    )


def export_products(format: Format, position: Any) -> tuple[bytes, Any]:
    """A page of all products as a file that `import_products` reads, and the place where the next page starts."""
    product_ids, end = admin_reads.page(None, None, EXPORT_PAGE, position)
    known = _known(product_ids)
    sku_ids = [sku.sku_id for product, _ in known.values() for sku in product.skus]
    stocks = shards.stocks(read.batch_get([stock_key(sku_id) for sku_id in sku_ids]), consistent=True)
    free = {sku_id: stock.free for sku_id, stock in stocks.items()}
    forest, _ = categories.load()
    rows = [_row(*known[product_id], forest, free) for product_id in product_ids if product_id in known]
    return lines.write(rows, format, lines.PRODUCT_COLUMNS), end


def _row(product: Product, detail: Detail, forest: Forest, free: dict[str, int]) -> dict[str, Any]:
    category = forest.by_id.get(product.category_id or "")
    values = {
        "category_code": None if category is None else code_of(category),
        "on_sale": product.published,
        "is_new": product.role == "new",
        "is_hot": product.role == "hit",
        "gallery": detail.gallery,
        "detail": detail.detail,
        "skus": [_sku(sku, free.get(sku.sku_id, 0)) for sku in product.skus],
    }
    return {name: values[name] if name in values else getattr(product, name) for name in lines.PRODUCT_COLUMNS}


def _sku(sku: rules.Sku, free: int) -> dict[str, Any]:
    fields = msgspec.structs.asdict(sku)
    del fields["sku_id"]
    return fields | {"stock": free}


def export_categories(format: Format) -> bytes:
    """All categories as a file that `import_categories` reads, each after its parent."""
    forest, _ = categories.load()
    rows = []
    for category in sorted(forest.by_id.values(), key=lambda each: len(forest.path(each.category_id))):
        parent = forest.by_id.get(category.parent_id or "")
        names = {"category_code": code_of(category), "parent_code": None if parent is None else code_of(parent)}
        rows.append({name: names.get(name, getattr(category, name, None)) for name in lines.CATEGORY_COLUMNS})
    return lines.write(rows, format, lines.CATEGORY_COLUMNS)


def check_format(content: bytes) -> None:
    """Raise `invalid` for an empty file, so that a wrong upload is not mistaken for a good one."""
    if not content.strip():
        raise invalid("body", "the file is empty")
