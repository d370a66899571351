"""The catalogue's rules: places that sort, the tree, what a merchant may write, files, and finding by words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.categories.rules import Forest
from chalicelib.commerce.catalogue.categories.views import node
from chalicelib.commerce.catalogue.import_export import rules as file_format
from chalicelib.commerce.catalogue.import_export.inputs import PRODUCT_COLUMNS, CategoryLine, Format, ProductLine
from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.products import rules as product_rules
from chalicelib.commerce.catalogue.products.inputs import ProductInput, SkuInput, SpecInput
from chalicelib.commerce.catalogue.rules import Category, Detail, Product, Row, Stock
from chalicelib.commerce.catalogue.search import rules as search_rules
from chalicelib.core.errors import MallError
from chalicelib.core.text import is_name

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


def product(code: str = "P1", **fields: Any) -> Product:
    skus = fields.pop("skus", [SkuInput(sku_code="A", price_fen=1990)])
    begun = product_rules.begin(rules.product_id(code), code, fields.pop("created_at", NOW))
    return product_rules.compose(begun, Detail(), {"name": "碗", "skus": skus, **fields}, NOW).product


def place(of: Product, sold: int, order: str) -> str:
    return dict(listing_keys.entries(of, sold, []))[f"all#{order}"]


# Places


@given(st.tuples(*[st.integers(0, 10**8)] * 2), st.tuples(*[st.integers(0, 10**10)] * 2), st.integers(1, 10**9))
def test_places_sort_as_the_lists_read(prices: tuple[int, int], sold: tuple[int, int], later: int) -> None:
    one = product("P1", publish=True, skus=[SkuInput(sku_code="A", price_fen=prices[0])])
    two = product(
        "P2",
        publish=True,
        skus=[SkuInput(sku_code="A", price_fen=prices[1])],
        created_at=NOW + timedelta(seconds=later),
    )
    if prices[0] < prices[1]:
        assert place(one, 0, "price") < place(two, 0, "price")
    if min(sold[0], 9_999_999_999) > min(sold[1], 9_999_999_999):
        assert place(one, sold[0], "sales") < place(two, sold[1], "sales")
    assert place(two, 0, "new") < place(one, 0, "new")
    assert place(two, 0, "default") < place(one, 0, "default")


@given(st.integers(0, 9_999_999), st.integers(0, 9_999_999))
def test_the_merchants_order_comes_before_the_newest(first: int, second: int) -> None:
    one, two = product("P1", publish=True, sort=first), product("P2", publish=True, sort=second)
    if first != second:
        assert (place(one, 0, "default") < place(two, 0, "default")) == (first < second)


def test_a_product_stands_in_every_category_above_it_and_unpublished_only_for_operators() -> None:
    on, off = product(publish=True), product()
    assert {listing for listing, _ in listing_keys.entries(on, 0, ["c2", "c1"])} == {
        f"{scope}#{order}" for scope in ("all", "c1", "c2") for order in ("admin", "default", "new", "sales", "price")
    }
    assert {listing for listing, _ in listing_keys.entries(off, 0, ["c2", "c1"])} == {
        "all#admin",
        "c2#admin",
        "c1#admin",
    }


def test_the_card_shows_the_cheapest_sku_and_whether_any_is_in_stock() -> None:
    skus = [
        SkuInput(sku_code="A", specs={"色": "红"}, price_fen=500, list_price_fen=900),
        SkuInput(sku_code="B", specs={"色": "蓝"}, price_fen=300),
    ]
    of = product(skus=skus)
    red, blue = (sku.sku_id for sku in of.skus)
    card = listing_keys.card(of, 7, {red: Stock(1, 0, 1), blue: Stock(0, 1, 1)})
    assert (card.price_fen, card.list_price_fen, card.sold, card.in_stock) == (300, 300, 7, True)
    assert not listing_keys.card(of, 7, {red: Stock(0, 1, 1), blue: Stock(0, 1, 1)}).in_stock


# The tree


def forest(**parents: str | None) -> Forest:
    return Forest(Category(category_id=name, name=name, parent_id=parent) for name, parent in parents.items())


def test_paths_and_subtrees() -> None:
    tree = forest(a=None, b="a", c="b", d="a")
    assert tree.path("c") == ["c", "b", "a"]
    assert tree.path(None) == tree.path("gone") == []
    assert tree.subtree("a") == {"a", "b", "c", "d"}
    assert [child.category_id for child in node(tree, tree.by_id["a"]).children] == ["b", "d"]


@pytest.mark.parametrize(
    ("category", "parent"),
    [("a", "a"), ("a", "c"), ("d", "c"), ("a", "x"), ("d", "nowhere")],
    ids=["itself", "its descendant", "a fourth level", "one level too deep for what is below", "no parent"],
)
def test_a_tree_has_no_cycle_and_three_levels(category: str, parent: str) -> None:
    tree = forest(a=None, b="a", c="b", d=None, x=None)
    with pytest.raises(MallError) as refused:
        tree.put(Category(category_id=category, name="n", parent_id=parent))
    assert refused.value.errors[0].field == "parent_id"


def test_codes_are_unique_and_a_parent_is_not_deleted() -> None:
    tree = Forest([Category(category_id="a", name="a", code="A"), Category(category_id="b", name="b", parent_id="a")])
    with pytest.raises(MallError, match="code_taken"):
        tree.put(Category(category_id="c", name="c", code="A"))
    with pytest.raises(MallError, match="category_in_use"):
        tree.without("a")
    assert set(tree.without("b").by_id) == {"a"}


def test_only_what_has_another_parent_has_moved() -> None:
    before = forest(a=None, b="a", c="b", d=None)
    after = before.put(Category(category_id="b", name="renamed too", parent_id="d"))
    assert after.moved(before) == ["b"]


# What a merchant writes


def test_specs_follow_from_the_skus() -> None:
    skus = [SkuInput(sku_code=f"{a}{b}", specs={"色": a, "码": b}, price_fen=1) for a in "红蓝" for b in "SM"]
    assert [(spec.name, spec.values) for spec in product(skus=skus).specs] == [("色", ["红", "蓝"]), ("码", ["S", "M"])]


SKU = {"price_fen": 1}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("skus[1].sku_code", {"skus": [SkuInput(sku_code="A", **SKU), SkuInput(sku_code="A", **SKU)]}),
        ("skus[1].specs", {"skus": [SkuInput(sku_code="A", **SKU), SkuInput(sku_code="B", **SKU)]}),
        (
            "skus[0].specs",
            {
                "skus": [
                    SkuInput(sku_code="A", specs={"色": "红"}, **SKU),
                    SkuInput(sku_code="B", specs={"码": "S"}, **SKU),
                ]
            },
        ),
        (
            "skus[0].specs",
            {"skus": [SkuInput(sku_code="A", specs={"色": "红"}, **SKU)], "specs": [SpecInput("色", ["蓝"])]},
        ),
        (
            "specs",
            {"skus": [SkuInput(sku_code="A", specs={"色": "红"}, **SKU)], "specs": [SpecInput("色", ["红"])] * 2},
        ),
        (
            "specs[0].values",
            {"skus": [SkuInput(sku_code="A", specs={"色": "红"}, **SKU)], "specs": [SpecInput("色", ["红"] * 2)]},
        ),
        ("skus[0].specs", {"skus": [SkuInput(sku_code="A", **SKU)], "specs": [SpecInput("色", ["红"])]}),
        ("specs", {"skus": [SkuInput(sku_code="A", specs=dict.fromkeys("abcde", "v"), **SKU)]}),
    ],
)
def test_skus_and_specs_fit_together_or_the_field_is_named(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(MallError) as refused:
        product(**changes)
    assert (refused.value.code, refused.value.errors[0].field) == ("invalid", field)


def test_a_change_says_only_what_differs() -> None:
    skus = [
        SkuInput(sku_code="A", specs={"色": "红"}, price_fen=1, weight_g=5),
        SkuInput(sku_code="B", specs={"色": "蓝"}, price_fen=2),
    ]
    before = product(skus=skus, brief="好")
    later = NOW + timedelta(hours=1)
    assert product_rules.compose(before, Detail(), {"brief": "好"}, later).product == before
    changed = [
        SkuInput(sku_code="A", specs={"色": "红"}, price_fen=3),
        SkuInput(sku_code="C", specs={"色": "黄"}, price_fen=4, stock=9),
    ]
    composed = product_rules.compose(before, Detail(), {"skus": changed}, later)
    assert [(sku.sku_code, sku.price_fen, sku.weight_g) for sku in composed.product.skus] == [("A", 3, 5), ("C", 4, 0)]
    assert composed.removed == [before.skus[1]]
    assert composed.supplies == {composed.product.skus[1].sku_id: 9}
    assert (composed.product.brief, composed.product.updated_at) == ("好", later)


def test_ids_follow_from_codes() -> None:
    assert product("P1").product_id == product("P1").product_id != product("P2").product_id
    sku = product("P1").skus[0]
    assert rules.product_of(sku.sku_id) == product("P1").product_id
    assert product_rules.said(ProductInput(name="碗", skus=[])) == {"name": "碗", "skus": []}


def test_ids_stay_what_they_are_for_what_is_stored() -> None:
    assert rules.category_id("tea") == "csxg2d64v3rqfta4ued2jgyd2"
    assert rules.product_id("cup") == "p3dwm34xknj7vedp6miszihd6"
    assert rules.sku_id("p1", "red") == "p1-agpmwl6vkq"


def test_a_sku_is_found_by_its_id_and_no_other_is() -> None:
    bowl = product(skus=[SkuInput(sku_code=code, price_fen=1, specs={"色": code}) for code in "AB"])
    assert [bowl.sku(sku.sku_id) for sku in bowl.skus] == bowl.skus
    assert bowl.sku("p-x") is None


def test_limits_are_said_changed_and_taken_off() -> None:
    limited = product(limit_per_member=5, limit_per_order=2)
    assert (limited.limit_per_member, limited.limit_per_order) == (5, 2)
    assert (product().limit_per_member, product().limit_per_order) == (None, None)
    free = product_rules.compose(limited, Detail(), {"limit_per_member": None}, NOW).product
    assert (free.limit_per_member, free.limit_per_order) == (None, 2)


# Files


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64).filter(
    lambda text: text == text.strip() and is_name(text)
)


@given(texts, st.lists(texts, max_size=3), st.sampled_from(["jsonl", "csv"]))
def test_what_is_written_reads_back(name: str, keywords: list[str], format: Format) -> None:
    row = {"product_code": "P1", "name": name, "keywords": keywords, "on_sale": True, "sort": 3,
           "skus": [{"sku_code": "A", "specs": {"色": name}, "price_fen": 5}]}  # fmt: skip
    [parsed] = file_format.parse(file_format.write([row], format, PRODUCT_COLUMNS), format, ProductLine).lines
    assert not parsed.errors
    value = parsed.value
    assert (value.name, value.keywords, value.on_sale, value.sort) == (name, keywords, True, 3)
    assert value.skus[0].specs == {"色": name}


GOOD = {"product_code": "P1", "name": "碗 🥣", "skus": [{"sku_code": "A", "price_fen": 5}]}


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("line", "{"),
        ("line", '"text"'),
        ("name", json.dumps({**GOOD, "name": None})),
        ("name", json.dumps({**GOOD, "name": "x" * 65})),
        ("colour", json.dumps({**GOOD, "colour": "red"})),
        ("skus[0].price_fen", json.dumps({**GOOD, "skus": [{"sku_code": "A", "price_fen": "5"}]})),
        ("skus[0].price_fen", json.dumps({**GOOD, "skus": [{"sku_code": "A", "price_fen": 5.5}]})),
        ("skus[0].price_fen", json.dumps({**GOOD, "skus": [{"sku_code": "A", "price_fen": -1}]})),
        ("skus", json.dumps({**GOOD, "skus": []})),
        ("product_code", json.dumps({**GOOD, "product_code": "a\tb"})),
        ("product_code", json.dumps(GOOD)),
    ],
)
def test_a_bad_line_is_named_with_its_field_and_the_good_ones_stay(field: str, line: str) -> None:
    body = f"\ufeff{json.dumps(GOOD)}\r\n\n{line}\n".encode()
    good, bad = file_format.parse(body, "jsonl", ProductLine).lines
    assert (good.line, good.value.name) == (1, "碗 🥣")
    assert (bad.line, bad.value, bad.errors[0].field) == (3, None, field)


def test_bad_csv_lines_are_named() -> None:
    header = "product_code,name,skus,colour\n"
    sku = '"[{""sku_code"": ""A"", ""price_fen"": 5}]"'
    body = f'{header}P1,"two\nlines",{sku},\nP2,碗,{sku},red\nP3,碗,[,\nP4,碗,{sku},,,\nP5,碗,{sku},\n'
    parsed = file_format.parse(body.encode(), "csv", ProductLine).lines
    assert [(one.line, one.errors[0].field if one.errors else None) for one in parsed] == [
        (2, "name"), (4, "colour"), (5, "skus"), (6, "line"), (7, None),
    ]  # fmt: skip


def test_a_picture_that_is_none_is_left_out_with_a_warning() -> None:
    line = {**GOOD, "picture_url": "x=1", "gallery": ["https://a/b", "javascript:1"]}
    line["skus"] = [{"sku_code": "A", "price_fen": 5, "picture_url": "quality=90"}]
    [parsed] = file_format.parse(json.dumps(line).encode(), "jsonl", ProductLine).lines
    assert [warning.field for warning in parsed.warnings] == ["picture_url", "gallery[1]", "skus[0].picture_url"]
    assert (parsed.value.gallery, parsed.value.skus[0].picture_url) == (["https://a/b"], UNSET)
    assert parsed.value.picture_url is UNSET  # what the product has stays


@pytest.mark.parametrize("url", ["https://user@a/b", "https://a/\u200bb", "https:///b", "https://a/" + "b" * 503])
def test_a_picture_that_a_product_would_not_take_is_left_out_and_the_line_goes_in(url: str) -> None:
    [parsed] = file_format.parse(json.dumps({**GOOD, "picture_url": url}).encode(), "jsonl", ProductLine).lines
    assert [(warning.field, warning.reason.code) for warning in parsed.warnings] == [("picture_url", "bad_picture")]
    assert (parsed.errors, parsed.value.picture_url) == ((), UNSET)


def test_a_file_is_text_of_at_most_500_lines() -> None:
    with pytest.raises(MallError, match="malformed"):
        file_format.parse(b"\xff\xfe", "jsonl", CategoryLine)
    with pytest.raises(MallError, match="invalid"):
        file_format.parse(b"{}\n" * 501, "jsonl", CategoryLine)


# Search


def row(number: int, name: str, keywords: str = "", brief: str = "", **fields: Any) -> Row:
    given = {"category_id": "c", "sort": 0, "created_ms": number, "sold": 0, "price_fen": 100, **fields}
    folded = {key: listing_keys.fold(text) for key, text in (("name", name), ("keywords", keywords), ("brief", brief))}
    return Row(product_id=f"p{number:03d}", **folded, **given)


ROWS = [
    row(1, "荞麦枕头", sold=5, price_fen=300),
    row(2, "四件套", "枕套 床单", sold=9, price_fen=200),
    row(3, "被子", brief="配枕头更好", sold=1, price_fen=100),
    row(4, "Ｃｏｆｆｅｅ Beans", "咖啡", category_id="d"),
]


def names(q: str, within: set[str] | None = None, sort: str = "default") -> list[str]:
    return [hit.product_id for hit in search_rules.find(ROWS, search_rules.words(q), within, sort, None, 10)[0]]


def test_search_ranks_name_before_keywords_before_brief_unless_told_otherwise() -> None:
    assert names("枕") == ["p001", "p002", "p003"]
    assert names("枕", sort="price_asc") == ["p003", "p002", "p001"]
    assert names("枕", sort="price_desc") == ["p001", "p002", "p003"]
    assert names("枕", sort="sales") == ["p002", "p001", "p003"]
    assert names("枕", sort="new") == ["p003", "p002", "p001"]


@pytest.mark.parametrize("q", ["coffee", "COFF", "ｂｅａｎｓ coffee", "咖 bean"])
def test_search_folds_case_and_width_and_wants_every_word(q: str) -> None:
    assert names(q) == ["p004"]


def test_search_within_a_category() -> None:
    assert names("枕 coffee") == names("coffee", {"c"}) == names("枕", set()) == []
    assert names("coffee", {"d"}) == ["p004"]


@given(
    st.lists(st.tuples(st.sampled_from(["枕头", "枕", "碗"]), st.integers(0, 3), st.integers(0, 3)), max_size=30),
    st.sampled_from(["default", "new", "sales", "price_asc", "price_desc"]),
    st.integers(1, 7),
)
def test_pages_of_a_search_are_the_whole_of_it(found: list[tuple[str, int, int]], sort: str, limit: int) -> None:
    rows = [row(n, name, sort=a, sold=b, price_fen=a) for n, (name, a, b) in enumerate(found)]
    whole, end = search_rules.find(rows, ["枕"], None, sort, None, 100)
    assert end is None
    pages: list[Row] = []
    after: list[Any] | None = None
    while True:
        page, after = search_rules.find(rows, ["枕"], None, sort, after, limit)
        pages += page
        if after is None:
            break
    assert pages == whole


def test_the_rank_by_sales_is_rounded_so_that_few_sales_change_it() -> None:
    of = product(publish=True)
    assert [listing_keys.row(of, sold).sold for sold in (0, 7, 99, 101, 128, 1999)] == [0, 7, 99, 100, 120, 1900]
