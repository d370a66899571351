"""Import and export of the catalogue, for operators."""

from __future__ import annotations

from typing import cast

from chalicelib.commerce.catalogue.admin_routes import READ, WRITE
from chalicelib.commerce.catalogue.import_export import queries, views
from chalicelib.commerce.catalogue.import_export import service as import_export
from chalicelib.commerce.catalogue.import_export.inputs import (
    FILE_MAX,
    CatalogueExportQuery,
    Format,
    FormatQuery,
    ImportQuery,
)
from chalicelib.commerce.catalogue.import_export.rules import outcome
from chalicelib.platform.store import cursors
from chalicelib.platform.web.endpoint import OPERATOR, Call, Reply, endpoint

_EXPORT = "catalogue.export"
_MEDIA = {"jsonl": "application/x-ndjson; charset=utf-8", "csv": "text/csv; charset=utf-8"}


@endpoint(
    "POST /v1/admin/catalogue/import",
    OPERATOR,
    permission=WRITE,
    takes="text/plain",
    body_max=FILE_MAX,
    errors=("malformed", "invalid", "too_large"),
)
def import_products(call: Call, query: ImportQuery) -> views.ImportReport:
    """Create or change products from a file, at most 500 lines and 1 MiB a call; what became of each line.

    Good lines go in, each as a whole; bad ones are named with the field. `product_code` says which product it is and
    `sku_code` which SKU, so the same file twice changes nothing. `stock` is the first supply of a new SKU: the stock
    of one that exists is never reset. Columns left out (in CSV also empty cells) stay as they are. `is_hot` sets role
    "hit", `is_new` role "new"; `on_sale: false` takes a product off sale. A picture that is no http(s) address is left
    out with a warning. Blank lines and a BOM are passed over. In CSV, lists and objects are JSON text, commas,
    semicolons or tabs part the cells, and what is not UTF-8 is read as GB18030, as `encoding` of the answer says. A CSV
    with a price column and no `skus` has a row for each SKU. `columns` says which of its columns is which of ours.
    """
    import_export.check_format(call.raw_body)
    result = import_export.import_products(call.raw_body, query.format, query.columns)
    call.outcome.update(outcome(result))
    return views.import_report(result, call.language)


@endpoint(
    "POST /v1/admin/categories/import",
    OPERATOR,
    permission=WRITE,
    takes="text/plain",
    body_max=FILE_MAX,
    errors=("malformed", "invalid", "too_large", "conflict"),
)
def import_categories(call: Call, query: ImportQuery) -> views.ImportReport:
    """Create or change categories from a file, known by `category_code`; a parent may come later in the file."""
    import_export.check_format(call.raw_body)
    result = import_export.import_categories(call.raw_body, query.format, query.columns)
    call.outcome.update(outcome(result))
    return views.import_report(result, call.language)


@endpoint(
    "GET /v1/admin/catalogue/export",
    OPERATOR,
    permission=READ,
    media="application/x-ndjson, text/csv",
    errors=("cursor_invalid",),
)
def export_products(query: CatalogueExportQuery) -> str:
    """All products, published or not, the newest first, as a file that the import reads; `stock` is what is free.

    A page has 100, or fewer where they are long: one call of the import takes it.
    """
    content, end = queries.export_products(query.format, cursors.read(_EXPORT, query.cursor))
    return _file("products", query.format, content, cursors.write(_EXPORT, end))


@endpoint("GET /v1/admin/categories/export", OPERATOR, permission=READ, media="application/x-ndjson, text/csv")
def export_categories(query: FormatQuery) -> str:
    """All categories, as a file that the import reads."""
    return _file("categories", query.format, queries.export_categories(query.format), None)


def _file(name: str, format: Format, content: bytes, next_cursor: str | None) -> str:
    headers = {"Content-Disposition": f'attachment; filename="{name}.{format}"'}
    if next_cursor is not None:
        headers["X-Next-Cursor"] = next_cursor
    return cast("str", Reply(content, content_type=_MEDIA[format], headers=headers))
