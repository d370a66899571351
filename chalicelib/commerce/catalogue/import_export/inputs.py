"""What operators ask of an import or an export."""

from __future__ import annotations

import msgspec

from chalicelib.commerce.catalogue.import_export.rules import Format
from chalicelib.platform.web.types import Cursor


class FormatQuery(msgspec.Struct, kw_only=True):
    """Which format the file has."""

    format: Format = "jsonl"


class CatalogueExportQuery(FormatQuery, kw_only=True):
    """Which format, and where to go on: the answer's header `X-Next-Cursor`, which the last page has not."""

    cursor: Cursor | None = None
