"""Tables that a test has to itself: nothing of what the process knows of others is taken for theirs."""

from __future__ import annotations

from chalicelib.commerce.catalogue.search import queries as search
from tests.integration.test_catalogue_products import make
from tests.support.own_tables import own_tables


def test_what_is_found_is_of_the_tables_that_are_looked_into(dynamodb: str) -> None:
    """Rows of either are kept by the version of their chunk, which is 1 in both."""

    for name in ("one", "other"):
        with own_tables(name):
            make(product_code="p1", name=name)
            assert [row.name for row in search.rows()] == [name]
