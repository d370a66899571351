"""The catalogue. Tables `products`, `listings`, `categories`, `search_chunks`, `movements`.

| who asks | how | units |
|---|---|---|
| a product's page | Query product: product, detail, stocks, activities, all together | 0.5 RRU per 4 KB |
| what a cart, quote or order needs | BatchGet (product, "product"), (product, "stock#<sku>") | 0.5 or 1 RRU per 4 KB |
| reserve stock, give it back | Update (product, "stock#<sku>") under free >= n, in the order's transaction | 2 WRU |
| reserve pieces of a pool | Update (product, "pool#<sku>#<pool>") under free >= n, likewise | 2 WRU |
| give them back | the same Update; 5 WRU more for the job that empties it, when it is closed | 2 WRU |
| reserve from a shard of a popular SKU | Update (sku#shard, "pool#<sku>#<shard>") under free >= n, likewise | 2 WRU |
| set pieces aside; move them back | Update the pool and the SKU's stock, in one transaction | 4 WRU |
| announce an activity, retract it | Put, Delete (product, "activity#<activity>") | 2 WRU |
| a list by category and order | Query listings "<scope>#<sort>" | 0.5 RRU per 4 KB |
| all products of a category, for operators | Query listings "<scope>#admin" | 0.5 RRU per 4 KB |
| the products that name a freight template | Query listings "freight:<template>#admin" | 1 RRU per 4 KB |
| the category tree | Get categories "tree" | 0.5 RRU per 4 KB |
| is this category in use | Get or Update categories "used#<category>" | 0.5 RRU, 2 WRU |
| search | BatchGet of the 16 items of search_chunks | 0.5 RRU per 4 KB, at least 8 |
| was this stock movement made before | Get movements (sku, cause) | 1 RRU |

A product is an item collection: the short document that every sale needs ("product"), the long one that only its
page needs ("detail"), its card with the keys of the listings it stands in ("card"), and one item per SKU with its
stock, so that two SKUs never wait for each other. What its page says of an activity is an item ("activity#..."), and so
are the pieces of a SKU that are set aside for one (docs/decisions/0010-stock-set-aside.md).
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.commerce.catalogue.rules import ActivityCard, Card, Category, Detail, Product, product_of
from chalicelib.core import ids
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

PRODUCT = "product"
DETAIL = "detail"
CARD = "card"
STOCK = "stock#"
POOL = "pool#"
ACTIVITY = "activity#"
#: In the id of a pool that is a shard: "<number>~<what those made at once share>".
SHARD = "~"
TREE = "tree"
USED = "used#"


class Listed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a product stands: the keys of its entries in `listings`, and the digest of its row in `search_chunks`."""

    entries: list[tuple[str, str]] = []
    row: str = ""


class Products(Table):
    """The parts of a product; which attributes are there follows from the part."""

    class Meta(TableMeta):
        table_name = name("products")

    product_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    # part "product"
    product = Document(Product, null=True)
    #: Grows with every change of the product; the part "card" has one of its own.
    version = NumberAttribute(null=True)
    #: Pieces sold, counted as orders are paid.
    sold = NumberAttribute(null=True)
    # part "detail"
    detail = Document(Detail, null=True)
    # part "card"
    card = Document(Card, null=True)
    listed = Document(Listed, null=True)
    # part "activity#<activity_id>"
    announcement = Document(ActivityCard, null=True)
    # parts "stock#<sku_id>" and "pool#<sku_id>#<pool_id>": free + taken = supplied, always
    free = NumberAttribute(null=True)
    taken = NumberAttribute(null=True)
    supplied = NumberAttribute(null=True)
    # part "stock#<sku_id>": "<how many>~<what they share>", once its pieces were spread over shards
    shards = UnicodeAttribute(null=True)
    # part "pool#<sku_id>#<pool_id>": set once and for ever, when nothing more is sold from it
    closed = BooleanAttribute(null=True)


class Listings(Table):
    """A card under "<scope>#<sort>", at its place in that order; scope is a category's id or "all", and of operators'
    lists also "freight:<template>"."""

    class Meta(TableMeta):
        table_name = name("listings")

    listing = UnicodeAttribute(hash_key=True)
    sort_key = UnicodeAttribute(range_key=True)
    card = Document(Card, null=True)
    # in "<scope>#admin", where every product of the scope stands, there is no card
    product_id = UnicodeAttribute(null=True)
    published = BooleanAttribute(null=True)


class Tree(msgspec.Struct, frozen=True):
    """All categories. A brand's mall has dozens, at most a few hundred."""

    categories: list[Category] = []


class Categories(Table):
    """The item "tree", read by every page, changed by hand; and "used#<category_id>", how many products are in it."""

    class Meta(TableMeta):
        table_name = name("categories")

    part = UnicodeAttribute(hash_key=True)
    # part "tree"
    tree = Document(Tree, null=True)
    version = NumberAttribute(null=True)
    # part "used#<category_id>"
    products = NumberAttribute(null=True)


class SearchChunks(Table):
    """A sixteenth of the published products, chosen by their ids, as one document (docs/decisions/0003-search.md)."""

    class Meta(TableMeta):
        table_name = name("search_chunks")

    chunk = UnicodeAttribute(hash_key=True)
    #: JSON list of `rules.Row`; text, so that a process can leave an unchanged chunk undecoded.
    rows = UnicodeAttribute()
    version = NumberAttribute()


class Movement(msgspec.Struct, frozen=True):
    """Pieces supplied (or, below zero, taken away) by hand, and why."""

    quantity: int
    reason: str
    at: datetime


class Movements(Table):
    """A movement of stock stands under its SKU at the key that asked for it, so that it is made once."""

    class Meta(TableMeta):
        table_name = name("movements")

    sku_id = UnicodeAttribute(hash_key=True)
    cause = UnicodeAttribute(range_key=True)
    movement = Document(Movement)


def product_key(product_id: str) -> Key:
    """Say where a product's short document is."""
    return Products, (product_id, PRODUCT)


def stock_key(sku_id: str) -> Key:
    """Say where a SKU's stock is."""
    return Products, (product_of(sku_id), STOCK + sku_id)


def pool_key(sku_id: str, pool_id: str) -> Key:
    """Say where the pieces of a SKU that were set aside under this id are.

    A shard's key is its own: what DynamoDB can write a second, it can write of each hash key.
    """
    home = f"{sku_id}#{pool_id}" if SHARD in pool_id else product_of(sku_id)
    return Products, (home, f"{POOL}{sku_id}#{pool_id}")


def shards_of(stock: Products) -> list[str]:
    """List the ids of the pools that a SKU's pieces are spread over, by its stock."""
    number, _, shared = (stock.shards or "0").partition(SHARD)
    return [f"{shard}{SHARD}{shared}" for shard in range(int(number))]


def new_shards(number: int) -> str:
    """Make what a stock says of its shards when there are so many new ones, under ids that there have never been."""
    return f"{number}{SHARD}{ids.new('')[:10]}"
