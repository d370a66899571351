"""A catalogue that is exported from one mall and imported into an empty one is the same catalogue there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app
from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.categories import service as categories
from chalicelib.commerce.catalogue.import_export import queries as exports
from chalicelib.commerce.catalogue.import_export import service as imports
from chalicelib.commerce.catalogue.import_export.inputs import FILE_MAX, Format
from chalicelib.commerce.catalogue.listings import queries as listings
from chalicelib.commerce.catalogue.products import queries as product_queries
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.products.inputs import SkuInput, SpecInput
from chalicelib.commerce.catalogue.products.queries import ProductAggregate
from chalicelib.commerce.catalogue.rules import Category, Detail, Product, Sku, Spec
from chalicelib.commerce.catalogue.tables import Categories, Listings, Products, SearchChunks
from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.commerce.pricing import service as pricing
from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
from chalicelib.commerce.pricing.tables import Pricing
from chalicelib.platform.store import cache
from tests.support.own_tables import Snapshot, put_back, snapshot

assert app.WINGS  # importing it registers the templates with the catalogue

TEMPLATES = ("heavy", "light")
CATEGORIES = ("茶/具", "tea 2")

#: Texts that make trouble: formulas, quotes, blanks inside, what looks like JSON or another value.
troubled = ["=1+1", "＝1", "'x", "''", "-", "+86", "@a", '"', "a,b;c", "[1]", "{", "茶 具", "1.50", "true"]
seen = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=12)
names = (st.sampled_from(troubled) | seen).map(rules.tidy).filter(bool)
codes = st.text(st.sampled_from("aB9/ .-_茶＝=+'é"), min_size=1, max_size=20).map(rules.tidy).filter(bool)
details = st.sampled_from(["", " =1\r\n", "\u200b=1", "两\n行\n\n", '<p style="x">\t\'</p>', " "]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=40
)
pictures = st.sampled_from(["", "https://a.example/茶.jpg?a=1,2|3", "http://b"])
fen = st.integers(0, 99_999_999)

#: How each field of a SKU is made up, or why an import does not carry it.
SKU_FIELDS: dict[str, Any] = {
    "sku_code": codes, "price_fen": fen, "list_price_fen": fen, "weight_g": st.integers(0, 10_000_000),
    "picture_url": pictures, "specs": "made with the product's", "sku_id": "follows from the codes",
}  # fmt: skip
DETAIL_FIELDS: dict[str, Any] = {"gallery": st.lists(pictures.filter(bool), max_size=3), "detail": details}
PRODUCT_FIELDS: dict[str, Any] = {
    "product_code": codes, "name": names, "brief": names | st.just(""), "keywords": st.lists(names, max_size=3),
    "unit": names | st.just(""), "brand": names | st.just(""), "picture_url": pictures,
    "sort": st.integers(0, 9_999_999),
    "role": st.sampled_from(["", "traffic", "hit", "profit", "new", "image"]),
    "values": st.lists(st.sampled_from(["practical", "experience", "added", "other"]), max_size=4),
    "commission_bp": st.none() | st.integers(0, 10_000), "limit_per_member": st.none() | st.integers(1, 1_000_000),
    "limit_per_order": st.none() | st.integers(1, 999), "freight_template_id": st.none() | st.sampled_from(TEMPLATES),
    "published": st.booleans(), "category_id": st.none() | st.sampled_from([rules.category_id(c) for c in CATEGORIES]),
    "created_at": st.integers(0, 10**9).map(lambda ms: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)),
    "skus": "made below", "specs": "made below", "product_id": "follows from the code",
    "updated_at": "when the product was last changed here",
}  # fmt: skip


def strategies(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: how for name, how in fields.items() if not isinstance(how, str)}


@st.composite
def product(draw: st.DrawFn) -> dict[str, Any]:
    """What `products.create` takes, with each field that there is."""
    fields = draw(st.fixed_dictionaries(strategies(PRODUCT_FIELDS) | DETAIL_FIELDS))
    fields["publish"] = fields.pop("published")
    dimensions = draw(st.lists(names, max_size=2, unique=True))
    specs = [SpecInput(name, draw(st.lists(names, min_size=1, max_size=2, unique=True))) for name in dimensions]
    skus = []
    for values in itertools.product(*(spec.values for spec in specs)):
        made = draw(st.fixed_dictionaries(strategies(SKU_FIELDS) | {"stock": st.integers(0, 1000)}))
        skus.append(SkuInput(specs=dict(zip(dimensions, values, strict=True)), **made))
    taken: set[str] = set()
    fields["skus"] = [sku for sku in skus if not (sku.sku_code in taken or taken.add(sku.sku_code))]  # type: ignore[func-returns-value]
    return fields | {"specs": specs}


def test_every_field_that_a_product_has_is_made_up_here_and_a_new_one_is_missed() -> None:
    """Whoever adds a field says here how it is made up, and sees the move fail until the files carry it."""
    for struct, fields in ((Product, PRODUCT_FIELDS), (Sku, SKU_FIELDS), (Detail, DETAIL_FIELDS)):
        assert set(struct.__struct_fields__) - {"shown"} == set(fields)  # what was shown last is the mall's own
    assert Spec.__struct_fields__ == ("name", "values")
    assert Category.__struct_fields__ == (
        "category_id", "name", "parent_id", "code", "sort", "picture_url", "description",
    )  # fmt: skip


TABLES = (Products, Listings, Categories, SearchChunks, Pricing)


@pytest.fixture(scope="module", autouse=True)
def elsewhere(dynamodb: str) -> Iterator[None]:
    before = snapshot(TABLES)
    yield
    put_back(before)
    for remembered in ("catalogue", pricing_queries.CACHE):
        cache.forget(remembered)


@pytest.fixture(autouse=True)
def mall(elsewhere: None) -> None:
    open_empty()


def open_empty() -> None:
    """A mall with nothing in it but the freight templates, which come first wherever a catalogue goes."""
    put_back(Snapshot({table: {} for table in TABLES}))
    cache.forget("catalogue")
    for template_id in TEMPLATES:
        pricing.put(template_id, FreightTemplate(name=template_id, rules=[FreightRule(first_fen=800)]))


def exported(format: Format) -> list[bytes]:
    """All pages of the export."""
    pages: list[bytes] = []
    position: Any = None
    while not pages or position is not None:
        content, position = exports.export_products(format, position)
        pages.append(content)
    return pages


def catalogue() -> tuple[list[Category], list[ProductAggregate]]:
    """All categories and products, the newest first."""
    product_ids, end = listings.page(None, None, 100, None)
    assert end is None
    tree = sorted(category_queries.load().value.by_id.values(), key=lambda one: one.category_id)
    return tree, [product_queries.existing(product_id) for product_id in product_ids]


def carried(shelf: ProductAggregate) -> Any:
    """A product with all that a file carries of it."""
    assert shelf.product is not None
    undated = msgspec.structs.replace(shelf.product, updated_at=shelf.product.created_at)
    return undated, shelf.detail, {sku: stock.free for sku, stock in shelf.stocks.items()}, shelf.card, shelf.listed


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    st.lists(product(), min_size=1, max_size=5, unique_by=lambda one: one["product_code"]),
    st.sampled_from(["jsonl", "csv"]),
)
def test_an_exported_catalogue_imported_elsewhere_is_the_same_catalogue(
    made: list[dict[str, Any]], format: Format
) -> None:
    open_empty()
    above = categories.create({"name": "=茶", "code": CATEGORIES[0], "sort": 3, "description": "-"})
    categories.create({"name": "2", "code": CATEGORIES[1], "parent_id": above.category_id, "picture_url": "http://a"})
    for fields in made:
        products.create(fields)
    tree, goods = catalogue()
    files = exports.export_categories(format), *exported(format)
    again = [imports.import_products(page, format) for page in files[1:]]
    assert {one.outcome for result in again for one in result.lines} == {"unchanged"}
    open_empty()
    assert imports.import_categories(files[0], format).failed == 0
    results = [imports.import_products(page, format) for page in files[1:]]
    assert [one for result in results for one in result.lines if one.outcome != "created" or one.warnings] == []
    moved_tree, moved = catalogue()
    assert moved_tree == tree
    assert [carried(shelf) for shelf in moved] == [carried(shelf) for shelf in goods]
    assert (exports.export_categories(format), *exported(format)) == files


def test_an_export_page_has_a_hundred_products_or_fewer_where_they_are_long() -> None:
    line = {"name": "碗", "skus": [{"sku_code": "A", "price_fen": 5}]}
    lines = [msgspec.json.encode(line | {"product_code": f"p{number}"}) for number in range(130)]
    assert imports.import_products(b"\n".join(lines), "jsonl").created == 130
    assert [len(page.splitlines()) for page in exported("jsonl")] == [100, 30]
    for number in range(7):
        products.change(rules.product_id(f"p{number * 3}"), {"detail": "长" * 60_000})
    pages = exported("jsonl")
    listed = [msgspec.json.decode(line)["product_code"] for page in pages for line in page.splitlines()]
    assert sorted(listed) == sorted(f"p{number}" for number in range(130))
    assert len(pages) > 2
    for page in (*pages, *exported("csv")):
        assert len(page) < FILE_MAX


def test_a_line_whose_template_is_not_there_is_named_with_it() -> None:
    line = {"product_code": "x", "name": "x", "skus": [{"sku_code": "A", "price_fen": 5}]}
    good, bad = line | {"product_code": "y"}, line | {"freight_template_id": "gone"}
    result = imports.import_products(b"\n".join(map(msgspec.json.encode, (good, bad))), "jsonl")
    assert [one.outcome for one in result.lines] == ["created", "failed"]
    [error] = result.lines[1].errors
    assert (error.field, error.params) == ("freight_template_id", {"template_id": "gone"})


def test_the_longest_detail_there_is_fits_its_item() -> None:
    longest = Detail(detail="\x01" * 60_000, gallery=["https://a.example/" + "茶" * 494] * 20)
    skus = [SkuInput(sku_code="A", price_fen=5)]
    shelf = products.create({"product_code": "long", "name": "长", "skus": skus, **msgspec.structs.asdict(longest)})
    assert shelf.product is not None
    assert product_queries.existing(shelf.product.product_id).detail == longest
