"""The catalogue in and out as files. A line goes in as a whole or not at all, and twice is once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.categories import service as categories
from chalicelib.commerce.catalogue.categories.rules import Forest, code_of
from chalicelib.commerce.catalogue.import_export import rules as file_format
from chalicelib.commerce.catalogue.import_export.inputs import CategoryLine, Format, ProductLine
from chalicelib.commerce.catalogue.import_export.queries import known_products
from chalicelib.commerce.catalogue.import_export.rules import ImportResult, LineResult, Outcome, Parsed
from chalicelib.commerce.catalogue.products import rules as product_rules
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.refusals import FILE_EMPTY, NOT_REACHED
from chalicelib.commerce.catalogue.rules import Category, Detail, Product
from chalicelib.core import clock
from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.core.refusals import NO_SUCH

#: Lines still to come after this are left for the next call: API Gateway waits 29 s.
_SECONDS_MAX = 20.0


def import_products(body: bytes, format: Format, columns: str = "") -> ImportResult:
    """Create or change each line's product; `columns` says which of a CSV's columns is which of ours. What is the same
    already costs no write.

    Raises `malformed` and `invalid` for a file that cannot be read at all, `unavailable` when DynamoDB cannot be
    asked; the same file may then be sent again.
    """
    file = file_format.parse(body, format, ProductLine, columns)
    parsed = file.lines
    forest = category_queries.load().value
    ids_by_code = {code_of(category): category.category_id for category in forest.by_id.values()}
    known = known_products([rules.product_id(one.value.product_code) for one in parsed if one.value is not None])
    end = clock.monotonic() + _SECONDS_MAX
    results: list[LineResult] = []
    for one in parsed:
        if one.value is None:
            results.append(_failed(one.line, one.errors))
        elif clock.monotonic() > end:
            results.append(_failed(one.line, [NOT_REACHED.at("line")]))
        else:
            results += _import_product(one, known, ids_by_code)
    return ImportResult(sorted(results, key=lambda result: result.line), file.encoding)


def _import_product(
    one: Parsed, known: dict[str, tuple[Product, Detail]], categories: dict[str, str]
) -> list[LineResult]:
    line: ProductLine = one.value
    product_id = rules.product_id(line.product_code)
    outcome: Outcome = "created"
    try:
        before, detail = known.get(product_id, (None, Detail()))
        after = before
        changes = file_format.product_changes(line, before.role if before is not None else "", categories)
        if before is not None:
            composed = product_rules.compose(before, detail, changes, clock.now())
            outcome = "unchanged" if (composed.product, composed.detail) == (before, detail) else "changed"
        if outcome != "unchanged":
            after = products.save(product_id, line.product_code, changes).product
    except MallError as error:
        if error.code == "unavailable":
            raise
        faults = file_format.by_line(one, file_format.errors_of(error))
        return [_failed(fault.line, fault.errors) for fault in file_format.at_fault(one.line, faults)]
    prices = () if after is None else file_format.price_changes(before, after)
    return [
        LineResult(
            line=one.line, code=line.product_code, prices=prices, outcome=outcome, product_id=product_id,
            warnings=one.warnings,
        )
    ]  # fmt: skip


def import_categories(body: bytes, format: Format, columns: str = "") -> ImportResult:
    """Create or change each line's category, all in one write. Raises as `import_products` does."""
    file = file_format.parse(body, format, CategoryLine, columns)
    parsed = file.lines
    results: dict[int, LineResult] = {}

    def edit(forest: Forest) -> Forest:
        results.clear()
        results.update({one.line: _failed(one.line, one.errors) for one in parsed if one.value is None})
        waiting = [one for one in parsed if one.value is not None]
        while waiting:
            ready = [one for one in waiting if not (parent := _parent(one)) or forest.find(parent) is not None]
            for one in ready:
                forest, results[one.line] = _import_category(one, forest)
            if not ready:
                break
            waiting = [one for one in waiting if one.line not in results]
        results.update({one.line: _failed(one.line, [_ORPHAN]) for one in waiting})
        return forest

    categories.change_tree(edit)
    return ImportResult([results[one.line] for one in parsed], file.encoding)


_ORPHAN = NO_SUCH.at("parent_code")


def _parent(one: Parsed) -> str | None:
    return one.value.parent_code or None  # UNSET is false


def _import_category(one: Parsed, forest: Forest) -> tuple[Forest, LineResult]:
    line: CategoryLine = one.value
    fields = file_format.category_fields(line)
    if "parent_code" in product_rules.said(line):
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
        return forest, _failed(one.line, [_in_a_file(fault) for fault in file_format.errors_of(error)])
    outcome: Outcome = "created" if before is None else "unchanged" if category == before else "changed"
    return after, LineResult(
        line=one.line, code=line.category_code, outcome=outcome, category_id=category.category_id,
        warnings=one.warnings,
    )  # fmt: skip


def _in_a_file(fault: FieldError) -> FieldError:
    """Name the field as a file does: the parent by its code."""
    return msgspec.structs.replace(fault, field=fault.field.replace("parent_id", "parent_code"))


def _failed(line: int, errors: Sequence[FieldError]) -> LineResult:
    return LineResult(line=line, outcome="failed", errors=errors)


def check_format(content: bytes) -> None:
    """Raise `invalid` for an empty file, so that a wrong upload is not mistaken for a good one."""
    if not content.strip():
        raise invalid(FILE_EMPTY.at("body"))
