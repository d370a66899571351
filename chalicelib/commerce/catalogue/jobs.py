"""What the catalogue owes to later, and what it hears."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import handles, subscribe

REINDEX_PRODUCT = handles("catalogue.reindex_product", "chalicelib.commerce.catalogue.indexing.service:reindex_product")
REINDEX_CATEGORY = handles(
    "catalogue.reindex_category", "chalicelib.commerce.catalogue.indexing.service:reindex_category"
)
COUNT_SOLD = handles("catalogue.count_sold", "chalicelib.commerce.catalogue.indexing.service:count_sold", leased=False)
EMPTY_POOL = handles("catalogue.empty_pool", "chalicelib.commerce.catalogue.indexing.service:empty_pool")

subscribe(
    "order.confirmed",
    "catalogue.count_sold",
    "chalicelib.commerce.catalogue.indexing.service:count_sold",
    leased=False,
)
subscribe(
    "stock.returned", "catalogue.reindex_returned", "chalicelib.commerce.catalogue.indexing.service:reindex_returned"
)
