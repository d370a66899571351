"""What shoppers read, over the HTTP edge: pages, search, ETags, and what a list costs."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from chalicelib.commerce.catalogue import queries as catalogue_queries
from chalicelib.commerce.catalogue.products import queries as product_queries
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.search import service as search
from chalicelib.commerce.catalogue.tables import Listings
from chalicelib.core.settings import settings
from chalicelib.platform.store import base, cache, read
from local.client import Client, in_process
from tests.integration.test_catalogue_products import category, fresh, id_of, make, sku

__all__ = ["fresh"]


@pytest.fixture
def anyone(fresh: None) -> Client:
    return Client(in_process())


def walk(anyone: Client, query: str) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor = ""
    while True:
        page = anyone.get(f"/v1/products?{query}&{cursor}").ok()
        pages.append([card["product_id"] for card in page["items"]])
        if page["next_cursor"] is None:
            return pages
        cursor = f"cursor={page['next_cursor']}"


@pytest.mark.parametrize("sort", ["default", "new", "sales", "price_asc", "price_desc"])
@pytest.mark.parametrize("q", ["", "&q=" + quote("枕")])
def test_pages_are_the_whole_list(anyone: Client, sort: str, q: str) -> None:
    scope = category()
    made = [id_of(make(category_id=scope, name="枕头", skus=[sku(price_fen=n)])) for n in (3, 1, 2, 5, 4)]
    query = f"category_id={scope}&sort={sort}{q}"
    pages = walk(anyone, query + "&limit=2")
    assert [len(page) for page in pages] == [2, 2, 1]
    whole = [product_id for page in pages for product_id in page]
    assert [whole] == walk(anyone, query + "&limit=5")
    by_price = [made[n] for n in (1, 2, 0, 4, 3)]
    assert whole == {"price_asc": by_price, "price_desc": by_price[::-1]}.get(sort, made[::-1])


@pytest.mark.parametrize("q", ["", "&q=" + quote("枕")])
def test_a_cursor_survives_inserts_and_is_good_for_its_own_list_only(anyone: Client, q: str) -> None:
    scope = category()
    made = [id_of(make(category_id=scope, name="枕头")) for _ in range(3)]
    first = anyone.get(f"/v1/products?category_id={scope}&sort=new&limit=2{q}").ok()
    make(category_id=scope, name="枕头")
    cursor = first["next_cursor"]
    rest = anyone.get(f"/v1/products?category_id={scope}&sort=new&limit=2&cursor={cursor}{q}").ok()
    assert [card["product_id"] for card in rest["items"]] == [made[0]]
    for other in (f"category_id={scope}{q}", f"sort=new{q}", f"category_id={scope}&sort=new&q=x"):
        anyone.get(f"/v1/products?{other}&cursor={cursor}").refused(400, "cursor_invalid")
    anyone.get(f"/v1/products?category_id={scope}&sort=new&cursor={cursor[:-2]}{q}").refused(400, "cursor_invalid")


def test_search_finds_chinese_and_latin_words_and_forgets_what_is_taken_down(anyone: Client) -> None:
    mark = secrets.token_hex(4)
    pillow = id_of(make(name=f"荞麦枕头 {mark}", keywords=["睡眠"]))
    coffee = id_of(make(name=f"Coffee 豆 {mark}", brief="配枕头"))

    def found(q: str) -> list[str]:
        return [card["product_id"] for card in anyone.get(f"/v1/products?q={quote(q)}").ok()["items"]]

    assert found(f"枕 {mark}") == [pillow, coffee]
    assert found(f"睡眠 {mark}") == [pillow]
    assert found(f"ＣＯＦＦ {mark.upper()}") == [coffee]
    products.change(coffee, {"name": f"茶 {mark}"})
    assert found(f"coffee {mark}") == []
    products.change(pillow, {"publish": False})
    assert found(f"枕 {mark}") == [coffee]
    anyone.get("/v1/products?q=%20").refused(422, "invalid")
    anyone.get("/v1/products?q=" + "x" * 65).refused(400, "malformed")


def test_a_card_names_its_category_in_every_list_and_follows_it(anyone: Client) -> None:
    mark = secrets.token_hex(4)
    scope, other = category(), category()
    product_id = id_of(make(category_id=scope, name=f"枕 {mark}"))

    def told(query: str) -> list[Any]:
        return [card["category_id"] for card in anyone.get(f"/v1/products?{query}").ok()["items"]]

    assert told(f"category_id={scope}") == told(f"q={mark}") == told(f"category_id={scope}&sort=price_desc") == [scope]
    products.change(product_id, {"category_id": other})
    assert told(f"category_id={other}") == told(f"q={mark}") == [other]
    assert anyone.get(f"/v1/products/{product_id}").ok()["category_id"] == other
    products.change(product_id, {"category_id": None})
    assert told(f"q={mark}") == [None]


def test_a_card_that_was_kept_before_cards_named_their_category_is_read(anyone: Client) -> None:
    scope = category()
    make(category_id=scope, name="枕", brief='"category_id" {"category_id": 1}')
    items, _ = read.query(Listings, f"{scope}#new")
    old = {name: value for name, value in msgspec.json.decode(items[0]["card"]["S"]).items() if name != "category_id"}
    key = (f"{scope}#new", items[0]["sort_key"]["S"])
    raw = msgspec.json.encode(old).decode()
    base.call(
        "UpdateItem",
        {
            "TableName": Listings.Meta.table_name, "Key": {"listing": {"S": key[0]}, "sort_key": {"S": key[1]}},
            "UpdateExpression": "SET card = :c", "ExpressionAttributeValues": {":c": {"S": raw}},
        },
    )  # fmt: skip
    cache.forget("catalogue")
    assert anyone.get(f"/v1/products?category_id={scope}&sort=new").ok()["items"] == [old | {"category_id": None}]


def test_a_chunk_has_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    product_id = id_of(make(publish=False))
    monkeypatch.setattr(search, "_CHUNK_BYTES_MAX", 10)
    with pytest.raises(Exception, match="catalogue_full"):
        products.change(product_id, {"publish": True})
    assert product_queries.existing(product_id).product.published is False  # type: ignore[union-attr]


def test_reads_carry_an_etag_and_answer_304(anyone: Client) -> None:
    product_id = id_of(make())
    for path in ("/v1/categories", "/v1/products", f"/v1/products/{product_id}"):
        first = anyone.get(path)
        first.ok()
        again = anyone.get(path, If_None_Match=first.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert first.headers["cache-control"].startswith("public, max-age=")
    etag = anyone.get(f"/v1/products/{product_id}").headers["etag"]
    products.change(product_id, {"brief": "新"})
    assert anyone.get(f"/v1/products/{product_id}", If_None_Match=etag).status == 200


def test_what_is_not_there_is_404(anyone: Client) -> None:
    anyone.get("/v1/products/p404").refused(404, "not_found")
    anyone.get(f"/v1/products/{id_of(make(publish=False))}").refused(404, "not_found")
    assert anyone.get("/v1/products?category_id=c404").ok() == {"items": [], "next_cursor": None}


def test_round_trips(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real = base.client()._make_api_call

    def counted(operation: str, arguments: dict[str, Any]) -> Any:
        calls.append(operation)
        return real(operation, arguments)

    product_id = id_of(make(name="枕头"))
    monkeypatch.setattr(base.client(), "_make_api_call", counted)
    monkeypatch.setenv("YUTANG_CACHE_SECONDS", "60")
    for expected, work in [
        (["Query"], lambda: catalogue_queries.listed(None, None, "default", 20, None)),
        (["Query"], lambda: catalogue_queries.product(product_id)),
        (["GetItem"], catalogue_queries.category_tree),
        (["BatchGetItem"] * 2, lambda: catalogue_queries.listed(None, "枕", "default", 20, None)),
    ]:
        cache.forget("catalogue")
        calls.clear()
        work()
        assert calls == expected
        if settings().cache_seconds >= 1:
            work()
            assert calls == expected
