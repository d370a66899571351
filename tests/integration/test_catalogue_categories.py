"""Categories on DynamoDB Local: changes at once are all kept, a category in use stays, products follow a move."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.categories import service as categories
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs import worker
from tests.integration.test_catalogue_products import category, entries, fresh, id_of, ids, make

__all__ = ["fresh"]


def test_changes_of_the_tree_at_once_are_all_kept() -> None:
    names = [f"同时{secrets.token_hex(4)}" for _ in range(16)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: categories.create({"name": name}), names))
    assert set(names) <= {each.name for each in category_queries.load().value.by_id.values()}


def test_two_moves_at_once_make_no_cycle() -> None:
    for _ in range(5):
        one, other = category(), category()

        def move(pair: tuple[str, str]) -> bool:
            try:
                categories.change(pair[0], {"parent_id": pair[1]})
            except MallError as error:
                assert error.errors[0].field == "parent_id"
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(move, [(one, other), (other, one)])) == [False, True]


def test_products_follow_a_category_that_moves() -> None:
    old, new = category(), category()
    moved = category(old)
    product_id = id_of(make(category_id=moved))
    categories.change(moved, {"parent_id": new})
    worker.run_due()
    assert (ids(old), ids(new), ids(moved)) == ([], [product_id], [product_id])
    assert entries(product_id, old, new, moved) == 10


def test_a_category_in_use_is_not_deleted() -> None:
    top = category()
    below = category(top)
    product_id = id_of(make(category_id=below, publish=False))
    for each in (top, below):
        with pytest.raises(MallError, match="category_in_use"):
            categories.delete(each)
    products.change(product_id, {"category_id": None})
    categories.delete(below)
    categories.delete(top)
    with pytest.raises(MallError, match="not_found"):
        categories.delete(top)


def test_a_product_never_stays_in_a_category_that_is_deleted_at_the_same_time() -> None:
    for _ in range(8):
        doomed = category()

        def add(scope: str) -> bool:
            try:
                make(category_id=scope)
            except MallError as error:
                assert error.errors[0].field == "category_id"
                return False
            return True

        def drop(scope: str) -> bool:
            try:
                categories.delete(scope)
            except MallError as error:
                assert error.code == "category_in_use"
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            added, dropped = pool.submit(add, doomed), pool.submit(drop, doomed)
            assert added.result() != dropped.result()
