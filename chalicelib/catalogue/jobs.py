"""What the catalogue owes to later, and what it hears."""

from __future__ import annotations

from chalicelib.jobs.declarations import handles, subscribe

REINDEX_PRODUCT = handles("catalogue.reindex_product", "chalicelib.catalogue.indexing:relist")
REINDEX_CATEGORY = handles("catalogue.reindex_category", "chalicelib.catalogue.indexing:rescope")
COUNT_SOLD = handles("catalogue.count_sold", "chalicelib.catalogue.indexing:count_sold")
EMPTY_POOL = handles("catalogue.empty_pool", "chalicelib.catalogue.indexing:empty_pool")

subscribe("order.confirmed", "catalogue.count_sold", "chalicelib.catalogue.indexing:count_sold")
subscribe("stock.returned", "catalogue.reindex_returned", "chalicelib.catalogue.indexing:stock_returned")
