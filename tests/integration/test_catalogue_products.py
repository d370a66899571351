"""Products on DynamoDB Local: one transaction per command, stock, lists that follow, also when two come at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.catalogue import queries as catalogue_queries
from chalicelib.commerce.catalogue.categories import service as categories
from chalicelib.commerce.catalogue.jobs import REINDEX_PRODUCT
from chalicelib.commerce.catalogue.products import queries as product_queries
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.products.inputs import SkuInput
from chalicelib.commerce.catalogue.products.queries import ProductAggregate
from chalicelib.commerce.catalogue.stock import service as stock
from chalicelib.commerce.catalogue.stock.pools import take_stock
from chalicelib.commerce.catalogue.tables import Listings
from chalicelib.commerce.orders.jobs import CONFIRMED, STOCK_RETURNED
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import ACTIONS_MAX, ConditionFailed, Transaction

SORTS = ("default", "new", "sales", "price_asc", "price_desc")


class Minutes:
    """The clock, held still and moved by hand."""

    def __init__(self) -> None:
        self.seconds = float(clock.unix())

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def minutes() -> Iterator[Minutes]:
    held = Minutes()
    before = clock.use(held)
    yield held
    clock.use(before)


@pytest.fixture(autouse=True)
def fresh(dynamodb: str) -> Iterator[None]:
    cache.forget("catalogue")
    yield
    worker.run_due()


def sku(code: str = "A", price_fen: int = 1990, stock: int = 10, **specs: str) -> SkuInput:
    return SkuInput(sku_code=code, specs=specs, price_fen=price_fen, stock=stock)


def category(parent: str | None = None) -> str:
    return categories.create({"name": f"类{secrets.token_hex(3)}", "parent_id": parent}).category_id


def make(**fields: Any) -> ProductAggregate:
    return products.create({"name": "碗", "skus": [sku()], "publish": True, **fields})


def id_of(shelf: ProductAggregate) -> str:
    assert shelf.product is not None
    return shelf.product.product_id


def cards(category_id: str, sort: str = "default", q: str | None = None) -> list[dict[str, Any]]:
    cache.forget("catalogue")
    body = msgspec.json.decode(catalogue_queries.listed(category_id, q, sort, 100, None).body)
    assert body["next_cursor"] is None
    return body["items"]  # type: ignore[no-any-return]


def ids(category_id: str, sort: str = "default", q: str | None = None) -> list[str]:
    return [card["product_id"] for card in cards(category_id, sort, q)]


def entries(product_id: str, *scopes: str) -> int:
    """How many entries the product has in the lists of these scopes."""
    lists = [f"{scope}#{order}" for scope in scopes for order in ("default", "new", "sales", "price", "admin")]
    return sum(product_id in raw["sort_key"]["S"] for name in lists for raw in read.query(Listings, name)[0])


def refused(code: str, work: Any) -> MallError:
    with pytest.raises(MallError) as error:
        work()
    assert error.value.code == code
    return error.value


def test_a_product_is_listed_in_every_order_and_in_the_categories_above() -> None:
    top = category()
    below = category(top)
    cheap = id_of(make(category_id=below, skus=[sku(price_fen=100)], sort=2))
    dear = id_of(make(category_id=top, skus=[sku(price_fen=900)], sort=1))
    assert ids(below) == [cheap]
    assert ids(top) == [dear, cheap]
    assert ids(top, "price_asc") == [cheap, dear] == ids(top, "price_desc")[::-1]
    assert ids(top, "new") == [dear, cheap]
    products.change(dear, {"publish": False})
    assert ids(top) == [cheap]
    refused("not_found", lambda: catalogue_queries.product(dear))


def test_the_page_of_a_product_says_what_is_left() -> None:
    shelf = make(skus=[sku("A", 500, 3, 色="红"), sku("B", 300, 0, 色="蓝")], gallery=["https://a/b"], detail="长")
    page = msgspec.json.decode(catalogue_queries.product(id_of(shelf)).body)
    assert [(each["specs"], each["price_fen"], each["stock"]) for each in page["skus"]] == [
        ({"色": "红"}, 500, 3), ({"色": "蓝"}, 300, 0),
    ]  # fmt: skip
    assert page["specs"] == [{"name": "色", "values": ["红", "蓝"]}]
    assert (page["price_fen"], page["in_stock"], page["gallery"], page["detail"]) == (300, True, ["https://a/b"], "长")
    assert page["activities"] == []


def test_a_code_is_one_product_however_many_ask_at_once() -> None:
    code = secrets.token_hex(4)

    def attempt(_: int) -> bool:
        try:
            make(product_code=code)
        except MallError as error:
            assert error.code == "code_taken"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_changes_at_once_are_all_kept() -> None:
    product_id = id_of(make())
    fields = [{"brief": "好"}, {"sort": 7}, {"unit": "只"}, {"brand": "青"}]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda change: products.change(product_id, change), fields))
    product = product_queries.existing(product_id).product
    assert product is not None
    assert (product.brief, product.sort, product.unit, product.brand) == ("好", 7, "只", "青")


def test_a_change_for_an_older_version_is_refused() -> None:
    product_id = id_of(make())
    products.change(product_id, {"brief": "好", "version": 1})
    refused("conflict", lambda: products.change(product_id, {"brief": "坏", "version": 1}))


def test_skus_come_and_go_but_not_while_orders_hold_them() -> None:
    red, blue = sku("A", 500, 3, 色="红"), sku("B", 300, 5, 色="蓝")
    shelf = make(skus=[red, blue])
    held = shelf.product.skus[1].sku_id  # type: ignore[union-attr]
    tx = Transaction()
    take_stock(tx, held, 1, None)
    tx.commit()
    refused("sku_in_use", lambda: products.change(id_of(shelf), {"skus": [red]}))
    changed = products.change(id_of(shelf), {"skus": [blue, sku("C", 200, 9, 色="黄")]})
    assert {one: (s.free, s.taken, s.supplied) for one, s in changed.stocks.items()} == {
        held: (4, 1, 5), changed.product.skus[1].sku_id: (9, 0, 9),  # type: ignore[union-attr]
    }  # fmt: skip
    assert changed.stocks == product_queries.existing(id_of(shelf)).stocks


def test_the_largest_product_fits_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    commit = Transaction.commit
    monkeypatch.setattr(Transaction, "commit", lambda tx: (sizes.append(len(tx)), commit(tx))[1])
    one = category(category(category()))
    other = category(category(category()))
    skus = [sku(f"S{n}", 100 + n, 1, 号=str(n)) for n in range(60)]
    product_id = id_of(make(category_id=one, skus=skus))
    products.change(product_id, {"category_id": other, "sort": 5, "publish": False})
    products.change(product_id, {"category_id": one, "publish": True})
    assert max(sizes) == 86 <= ACTIONS_MAX
    exchanged = [sku(f"T{n}", 100 + n, 1, 号=str(n)) for n in range(60)]
    assert refused("invalid", lambda: products.change(product_id, {"skus": exchanged})).errors[0].field == "skus"


def test_an_unknown_category_is_named() -> None:
    assert refused("invalid", lambda: make(category_id="c404")).errors[0].field == "category_id"


def test_stock_moves_once_and_never_below_zero() -> None:
    shelf = make(skus=[sku(stock=3)])
    sku_id = shelf.product.skus[0].sku_id  # type: ignore[union-attr]
    for _ in range(2):
        after = stock.supply(sku_id, 5, "补货", "k1")
        assert (after.free, after.taken, after.supplied) == (8, 0, 8)
    refused("idempotency_key_reused", lambda: stock.supply(sku_id, 6, "补货", "k1"))
    refused("stock_short", lambda: stock.supply(sku_id, -9, "盘亏", "k2"))
    assert stock.supply(sku_id, -8, "盘亏", "k3").free == 0
    refused("not_found", lambda: stock.supply("p404-x", 1, "补货", "k4"))
    worker.run_due()
    card = product_queries.existing(id_of(shelf)).card
    assert card is not None
    assert not card.in_stock


def sell(order_id: str, *lines: tuple[str, int]) -> None:
    tx = Transaction()
    emit(tx, CONFIRMED, order_id, lines=msgspec.json.encode(lines).decode())
    tx.commit()


def test_what_is_sold_is_counted_once_and_listed_within_a_minute(minutes: Minutes) -> None:
    scope = category()
    shelf, other = make(category_id=scope), make(category_id=scope)
    sku_id = shelf.product.skus[0].sku_id  # type: ignore[union-attr]
    order = secrets.token_hex(4)
    for n in range(5):
        sell(f"{order}-{n}", (sku_id, 2), (sku_id, 1))
    worker.run_due()
    waiting = [
        job for n in range(4) for job in read.query_all(Jobs, f"s{n}", consistent=True) if job.task.key == id_of(shelf)
    ]
    assert [job.task.kind for job in waiting] == [REINDEX_PRODUCT.name]
    assert product_queries.existing(id_of(shelf)).sold == 15
    minutes.seconds += timedelta(minutes=1).total_seconds()
    worker.run_due()
    assert [card["sold"] for card in cards(scope, "sales")] == [15, 0]
    assert ids(scope, "sales") == [id_of(shelf), id_of(other)]


def test_counting_finishes_its_job_in_the_same_transaction() -> None:
    shelf = make()
    sku_id = shelf.product.skus[0].sku_id  # type: ignore[union-attr]
    from chalicelib.commerce.catalogue.indexing.service import count_sold

    order = secrets.token_hex(4)
    sell(order, (sku_id, 1))
    [item] = [job for n in range(4) for job in read.query_all(Jobs, f"s{n}", consistent=True) if job.task.key == order]
    with pytest.raises(ConditionFailed):  # a worker whose lease is over
        count_sold(Job(item.shard, item.due, item.task, "another's"))
    assert product_queries.existing(id_of(shelf)).sold == 0
    worker.run_due()
    assert product_queries.existing(id_of(shelf)).sold == 1


def test_pieces_that_come_back_are_on_offer_again(minutes: Minutes) -> None:
    scope = category()
    shelf = make(category_id=scope, skus=[sku(stock=0)])
    sku_id = shelf.product.skus[0].sku_id  # type: ignore[union-attr]
    assert [card["in_stock"] for card in cards(scope)] == [False]
    tx = Transaction()
    tx.update(*stock_update(sku_id))
    emit(tx, STOCK_RETURNED, secrets.token_hex(4), lines=msgspec.json.encode([[sku_id, 1]]).decode())
    tx.commit()
    worker.run_due()
    minutes.seconds += 60
    worker.run_due()
    assert [card["in_stock"] for card in cards(scope)] == [True]


def stock_update(sku_id: str) -> Any:
    from chalicelib.commerce.catalogue.tables import Products, stock_key

    return (*stock_key(sku_id), [Products.free.set(1), Products.supplied.set(1)])


def test_relisting_at_once_with_changes_leaves_no_orphans() -> None:
    one, other = category(), category()
    product_id = id_of(make(category_id=one))
    fields = [{"category_id": other}, {"sort": 3}, {"skus": [sku(price_fen=5)]}, {"category_id": one}, {"name": "盘"}]

    def work(number: int) -> None:
        if number % 2:
            products.change(product_id, fields[number // 2 % len(fields)])
        else:
            sell(f"{product_id}-{number}", (f"{product_id}-x", 1))
            worker.run_due()
            products.reindex(product_id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(12)))
    shelf = product_queries.existing(product_id)
    assert shelf.product is not None
    assert shelf.sold == 6
    products.reindex(product_id)
    settled = product_queries.existing(product_id)
    assert settled.card is not None
    assert (settled.card.sold, settled.card.name) == (6, "盘")
    assert entries(product_id, one, other) == 5
    assert len(settled.listed.entries) == 10
    products.reindex(product_id)
    assert product_queries.existing(product_id).card_version == settled.card_version


def test_more_products_than_one_transaction_counts() -> None:
    made = [make(skus=[sku(f"S{n}")]) for n in range(47)]
    sell(secrets.token_hex(4), *[(shelf.product.skus[0].sku_id, 2) for shelf in made])  # type: ignore[union-attr]
    worker.run_due()
    assert [product_queries.existing(id_of(shelf)).sold for shelf in made] == [2] * 47
