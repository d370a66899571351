"""Where a product stands in lists and in search, what it shows there, and what search finds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.listings.rules import card, cheapest, entries, list_price_fen, ms, row
from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.catalogue.rules import Card, Product, Row, Sku, Stock
from chalicelib.commerce.catalogue.search.rules import find, words

AT = datetime(2026, 11, 21, 8, tzinfo=UTC)
MS = 1_795_248_000_000


def sku(number: int, price_fen: int = 100, **fields: Any) -> Sku:
    return Sku(sku_id=f"p1-{number}", sku_code=str(number), price_fen=price_fen, **({"specs": {}} | fields))


def product(*skus: Sku, **fields: Any) -> Product:
    given_: dict[str, Any] = {"product_code": "P1", "name": "碗", "created_at": AT, "updated_at": AT} | fields
    return Product(product_id="p1", skus=list(skus), **given_)


# Cards


@pytest.mark.parametrize(("list_price", "shown"), [(0, 100), (1, 1), (99, 99), (250, 250)])
def test_the_price_struck_through_is_the_merchants_or_the_price_itself(list_price: int, shown: int) -> None:
    assert list_price_fen(sku(1, 100, list_price_fen=list_price)) == shown


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=4),
    st.dictionaries(st.integers(0, 5), st.integers(0, 2)),
    st.integers(0, 9),
)
def test_a_card_shows_the_cheapest_sku_and_whether_any_of_the_product_is_free(
    prices: list[tuple[int, int]], free: dict[int, int], sold: int
) -> None:
    skus = [sku(number, price, list_price_fen=listed) for number, (price, listed) in enumerate(prices)]
    of = product(*skus, brief="好", picture_url="https://a")
    price, listed = min(prices, key=lambda each: each[0])
    assert cheapest(of) == next(each for each in skus if each.price_fen == price)
    assert card(of, sold, {f"p1-{number}": Stock(pieces, 9, 9) for number, pieces in free.items()}) == Card(
        product_id="p1",
        name="碗",
        brief="好",
        picture_url="https://a",
        price_fen=price,
        list_price_fen=listed if listed > 0 else price,
        sold=sold,
        in_stock=sum(pieces for number, pieces in free.items() if number < len(prices)) > 0,
    )


# Places


SHOPPERS = {
    "default": "0000003|8204751999999|p1",
    "new": "8204751999999|p1",
    "price": "0000000100|p1",
}


@pytest.mark.parametrize(
    ("sold", "sales"),
    [
        (0, "9999999999"),
        (1, "9999999998"),
        (9_999_999_998, "0000000001"),
        (9_999_999_999, "0000000000"),
        (10_000_000_000, "0000000000"),
    ],
)
@pytest.mark.parametrize("path", [[], ["c2", "c1"]])
def test_the_keys_of_what_is_stored_stay_what_they_are(sold: int, sales: str, path: list[str]) -> None:
    of = product(sku(1, 300), sku(2, 100), sort=3, published=True)
    keys = {"admin": SHOPPERS["new"]} | SHOPPERS | {"sales": f"{sales}|8204751999999|p1"}
    assert sorted(entries(of, sold, path)) == sorted(
        (f"{scope}#{order}", key) for scope in ["all", *path] for order, key in keys.items()
    )
    hidden = product(sku(1), sort=3)
    assert entries(hidden, sold, path) == [(f"{scope}#admin", SHOPPERS["new"]) for scope in ["all", *path]]


@settings(max_examples=50)
@given(st.integers(0, 4 * 10**12))
def test_a_time_is_told_to_the_millisecond(milliseconds: int) -> None:
    assert ms(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)) == milliseconds


@settings(max_examples=50)
@given(st.integers(0, 10**12))
def test_search_ranks_by_the_first_two_digits_of_what_was_sold(sold: int) -> None:
    seen = row(product(sku(1)), sold).sold
    unit = 1
    while sold // unit > 99:
        unit *= 10
    assert seen == sold - sold % unit


@pytest.mark.parametrize(("category", "shown"), [(None, ""), ("c1", "c1")])
def test_search_sees_a_product_folded_and_by_its_cheapest_sku(category: str | None, shown: str) -> None:
    of = product(
        sku(1, 300), sku(2, 100), name="ＢＯＷＬ", keywords=["Ａ", "b C"], brief="Ｘy", category_id=category, sort=4
    )  # fmt: skip
    assert row(of, 128) == Row(
        product_id="p1", name="bowl", keywords="a b c", brief="xy", category_id=shown, sort=4, created_ms=MS, sold=120,
        price_fen=100,
    )  # fmt: skip


# Offers


@pytest.mark.parametrize(
    ("own", "of_product", "shown"),
    [
        ("https://s", "https://p", "https://s"),
        ("https://s", "", "https://s"),
        ("", "https://p", "https://p"),
        ("", "", ""),
    ],
)
def test_an_offer_shows_the_picture_of_its_sku_else_of_its_product(own: str, of_product: str, shown: str) -> None:
    one = sku(1, picture_url=own)
    assert Offer(product(one, picture_url=of_product), one, 0).picture_url == shown


def test_an_offer_is_called_by_what_sets_it_apart_where_there_are_others() -> None:
    red, blue = sku(1, specs={"色": "红", "码": "S"}), sku(2, specs={"色": "蓝", "码": "S"})
    assert [Offer(product(red, blue), each, 0).name for each in (red, blue)] == ["碗 红 S", "碗 蓝 S"]
    assert Offer(product(red), red, 0).name == "碗"


# Search


def test_a_search_is_for_each_of_its_words_once_folded() -> None:
    assert words(" Ｂowl  红\t碗 BOWL ") == ["bowl", "红", "碗"]
    assert words("  ") == []


TEXTS = st.text("甲乙", max_size=2)
ROWS = st.lists(
    st.tuples(TEXTS, TEXTS, TEXTS, *[st.integers(0, 2)] * 4, st.sampled_from(["c", "d", ""])), min_size=4, max_size=12
).map(
    lambda found: [
        Row(f"p{number:02d}", name, keywords, brief, category, sort, created, sold, price)
        for number, (name, keywords, brief, sort, created, sold, price, category) in enumerate(found)
    ]
)


def place(of: Row, asked: list[str], sort: str) -> tuple[Any, ...]:
    """Where the row stands, by what the orders promise."""
    needs = [of.name, of.name + "|" + of.keywords, of.name + "|" + of.keywords + "|" + of.brief]
    rank = next(number for number, text in enumerate(needs) if all(word in text for word in asked))
    newest = -of.created_ms
    orders: Mapping[str, tuple[Any, ...]] = {
        "default": (rank, of.sort, newest),
        "new": (newest,),
        "sales": (-of.sold, newest),
        "price_asc": (of.price_fen,),
        "price_desc": (-of.price_fen,),
    }
    return (*orders[sort], of.product_id)


@pytest.mark.parametrize("sort", ["default", "new", "sales", "price_asc", "price_desc"])
@settings(max_examples=40)
@given(
    ROWS,
    st.lists(st.sampled_from(["甲", "乙", "甲乙"]), min_size=1, max_size=2, unique=True),
    st.sampled_from([None, {"c"}, {"c", ""}, set()]),
    st.integers(1, 4),
)
def test_search_finds_what_has_all_words_in_the_order_asked_for_page_by_page(
    sort: str, rows: list[Row], asked: list[str], within: set[str] | None, limit: int
) -> None:
    hits = [
        each
        for each in rows
        if all(word in f"{each.name}|{each.keywords}|{each.brief}" for word in asked)
        and (within is None or each.category_id in within)
    ]
    hits.sort(key=lambda each: place(each, asked, sort))
    after: list[Any] | None = None
    for start in range(0, max(1, len(hits)), limit):
        page, after = find(rows, asked, within, sort, after, limit)
        assert page == hits[start : start + limit]
        is_last = start + limit >= len(hits)
        assert after == (None if is_last else list(place(page[-1], asked, sort)))  # what a cursor holds is stored
