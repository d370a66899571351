"""Products: create, change, publish; and listing them anew. One transaction per command.

Each writes the product, its stock items where SKUs come or go, and, where that follows, its card, the entries of
the lists it stands in and its row for search. At worst that is 21 entries that go and 21 that come, SKUS_MAX stock
items and 9 more: what does not fit the 100 actions of a transaction (60 SKUs exchanged at once, in another
category) is refused and done in two steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chalicelib.commerce.catalogue import ports, rules
from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.categories import service as categories
from chalicelib.commerce.catalogue.categories.rules import Forest
from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.products import rules as product_rules
from chalicelib.commerce.catalogue.products.queries import ProductAggregate, load
from chalicelib.commerce.catalogue.refusals import SKU_HAS_ORDERS, TOO_MANY_SKUS_CHANGE
from chalicelib.commerce.catalogue.rules import ActivityCard, Product, Stock
from chalicelib.commerce.catalogue.search import service as search
from chalicelib.commerce.catalogue.tables import (
    ACTIVITY,
    CARD,
    DETAIL,
    PRODUCT,
    STOCK,
    Listed,
    Listings,
    Products,
    product_key,
    stock_key,
)
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.refusals import NO_SUCH
from chalicelib.mall.files import service as files
from chalicelib.mall.files.service import Kept
from chalicelib.mall.files.tables import OPERATORS
from chalicelib.platform.store import cache
from chalicelib.platform.store.transaction import ACTIONS_MAX, Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, commit, retry


def create(changes: Mapping[str, Any]) -> ProductAggregate:
    """Make a product of what `changes` say (`inputs.ProductInput`).

    Raises `code_taken`, and `invalid` naming the field.
    """
    code = rules.tidy(changes.get("product_code", "")) or ids.new("")
    return save(rules.product_id(code), code, changes, make=True)


def change(product_id: str, changes: Mapping[str, Any]) -> ProductAggregate:
    """Change what `changes` name (`inputs.ProductChangeInput`); nothing is written when nothing differs.

    Raises `not_found`, `conflict` when its `version` is not the product's, `sku_in_use`, and `invalid`.
    """
    return save(product_id, None, changes)


def save(product_id: str, code: str | None, changes: Mapping[str, Any], make: bool | None = None) -> ProductAggregate:
    """Create or change a product; `make` says which of them it must be, None that either will do."""
    kept = published(changes)
    aggregate = retry(lambda: _save(product_id, code, changes, make, kept), TRIES_CROWDED)
    cache.forget("catalogue")
    return aggregate


def published(changes: Mapping[str, Any]) -> list[Kept]:
    """Make the shop's own uploads among the pictures public, each once. Raises `invalid`, naming the picture."""
    named = {"picture_url": changes.get("picture_url")}
    named |= {f"gallery[{at}]": url for at, url in enumerate(changes.get("gallery") or ())}
    named |= {f"skus[{at}].picture_url": sku.picture_url for at, sku in enumerate(changes.get("skus") or ())}
    first = {url: field for field, url in reversed(named.items()) if isinstance(url, str)}
    found = (files.publish(OPERATORS, "product", url, field) for url, field in first.items())
    return [kept for kept in found if kept is not None]


def _save(
    product_id: str, code: str | None, changes: Mapping[str, Any], make: bool | None, kept: Sequence[Kept]
) -> ProductAggregate:
    aggregate = load(product_id)
    if aggregate.product is None and code is None:
        raise MallError("not_found", errors=(NO_SUCH.at("product_id"),))
    if aggregate.product is not None and make:
        raise MallError("code_taken", taken=code)
    product_rules.check_version(changes.get("version"), aggregate.version)
    tree = category_queries.load()
    now = clock.now()
    before = aggregate.product or product_rules.begin(product_id, code or "", now)
    composed = product_rules.compose(before, aggregate.detail, changes, now)
    product = composed.product
    if product.category_id is not None and product.category_id not in tree.value.by_id:
        raise invalid(NO_SUCH.at("category_id"))
    if aggregate.product is not None and product == before and composed.detail == aggregate.detail:
        return msgspec.structs.replace(aggregate, before=before)

    tx = Transaction()
    _write_product(tx, aggregate, product)
    if composed.detail != aggregate.detail or aggregate.product is None:
        tx.put(Products(product_id, DETAIL, detail=composed.detail))
    stocks = _write_stocks(tx, aggregate, composed)
    if product.freight_template_id not in (None, before.freight_template_id if aggregate.product else None):
        ports.freight_templates().take_up(tx, product.freight_template_id)
    categories.guard(tx, tree.version)
    categories.count(tx, before.category_id if aggregate.product else None, product.category_id)
    after = msgspec.structs.replace(
        aggregate, product=product, version=aggregate.version + 1, detail=composed.detail, stocks=stocks,
        before=aggregate.product,
    )  # fmt: skip
    after = _write_card(tx, after, tree.value)
    for one in kept:
        files.keep(tx, one)
    if len(tx) > ACTIONS_MAX:
        raise invalid(TOO_MANY_SKUS_CHANGE.at("skus"))
    commit(tx)
    return after


def _write_product(tx: Transaction, aggregate: ProductAggregate, product: Product) -> None:
    """The item is updated, not put: `sold` is counted in it by others."""
    key = product_key(product.product_id)
    if aggregate.product is None:
        item = Products(product.product_id, PRODUCT, product=product, version=1, sold=0)
        tx.create(item, MallError("code_taken", taken=product.product_code))
    else:
        actions = [Products.product.set(product), Products.version.set(aggregate.version + 1)]
        tx.update(*key, actions, Products.version == aggregate.version, Conflict)


def _write_stocks(tx: Transaction, aggregate: ProductAggregate, composed: product_rules.Composed) -> dict[str, Stock]:
    stocks = dict(aggregate.stocks)
    for sku_id, supply in composed.supplies.items():
        stocks[sku_id] = Stock(supply, 0, supply)
        tx.create(
            Products(composed.product.product_id, STOCK + sku_id, free=supply, taken=0, supplied=supply), Conflict
        )
    for sku in composed.removed:
        stocks.pop(sku.sku_id, None)
        has_orders = MallError("sku_in_use", errors=(SKU_HAS_ORDERS.at("skus", sku_code=sku.sku_code),))
        tx.delete(*stock_key(sku.sku_id), Products.taken == 0, has_orders)
    return stocks


def _write_card(tx: Transaction, aggregate: ProductAggregate, forest: Forest) -> ProductAggregate:
    """Bring card, entries and search row in line with the rest of `aggregate`; nothing when they are."""
    product = aggregate.product
    assert product is not None
    card = listing_keys.card(product, aggregate.sold, aggregate.stocks)
    entries = listing_keys.entries(product, aggregate.sold, forest.path(product.category_id))
    row = listing_keys.row(product, aggregate.sold) if product.published else None
    listed = Listed(entries, search.digest(row))
    if card == aggregate.card and listed == aggregate.listed:
        return aggregate
    old = set(aggregate.listed.entries)
    was_published = bool(aggregate.listed.row)
    for key in sorted(old - set(entries)):
        tx.delete(Listings, key)
    for key in entries:
        if key[0].endswith(f"#{listing_keys.ADMIN}"):
            if key not in old or was_published != product.published:
                tx.put(Listings(*key, product_id=product.product_id, published=product.published))
        elif key not in old or card != aggregate.card:
            tx.put(Listings(*key, card=card))
    if listed.row != aggregate.listed.row:
        search.put(tx, product.product_id, row)
    version = aggregate.card_version
    unchanged = Products.version == version if version else Products.part.does_not_exist()
    tx.put(Products(product.product_id, CARD, card=card, listed=listed, version=version + 1), unchanged, Conflict)
    return msgspec.structs.replace(aggregate, card=card, listed=listed, card_version=version + 1)


def reindex(product_id: str) -> None:
    """Bring a product's card and its places in line with the product, its stock, its sales and the tree.

    Repeatable; two at once leave what one of them would: the card's version admits one, and the other reads again.
    """
    retry(lambda: _reindex(product_id), TRIES_CROWDED)


def _reindex(product_id: str) -> None:
    aggregate = load(product_id)
    if aggregate.product is None:
        return
    # The tree needs no guard here: it is read after the card, and a move of it owes a reindexing of its own, which
    # this one meets at the card's version. One item that every reindexing checks would make them wait for each other.
    forest = category_queries.load().value
    tx = Transaction()
    _write_card(tx, aggregate, forest)
    if len(tx):
        tx.check(*product_key(product_id), Products.version == aggregate.version, Conflict)
        tx.after_commit(cache.forget, "catalogue")
        commit(tx)


def announce(tx: Transaction, product_id: str, card: ActivityCard) -> None:
    """Show the activity on the product's page until it ends, as part of `tx`; replaces what was announced of it."""
    tx.put(Products(product_id, ACTIVITY + card.activity_id, announcement=card))


def retract(tx: Transaction, product_id: str, activity_id: str) -> None:
    """Show the activity on the product's page no more, as part of `tx`. Repeatable."""
    tx.delete(Products, (product_id, ACTIVITY + activity_id))
