"""Files of products and categories: what is read of each line, what is said of a bad one, and what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from chalicelib.commerce.catalogue.import_export import rules as file_format
from chalicelib.commerce.catalogue.import_export.inputs import CATEGORY_COLUMNS, CategoryLine, Format, ProductLine
from chalicelib.commerce.catalogue.import_export.rules import (
    LINES_MAX,
    ImportResult,
    LineResult,
    Outcome,
    Parsed,
    category_fields,
    errors_of,
    product_changes,
    write,
)
from chalicelib.commerce.catalogue.products.inputs import SkuInput
from chalicelib.commerce.catalogue.refusals import (
    BAD_PICTURE,
    MORE_CELLS_THAN_COLUMNS,
    NOT_CSV,
    NOT_JSON,
    NOT_UTF8,
    ON_AN_EARLIER_LINE,
    TOO_MANY_LINES,
)
from chalicelib.commerce.catalogue.rules import tidy
from chalicelib.core.errors import CODES, MallError, Reason, invalid
from chalicelib.core.refusals import EMPTY, KINDS, NO_SUCH, NOT_A_NAME, REQUIRED, WRONG_KIND
from chalicelib.core.text import is_name

TEA = CategoryLine(category_code="tea", name="茶")
PICTURE = "https://a.example/b.jpg"
SKU: dict[str, Any] = {"sku_code": "A", "price_fen": 5}
BOWL = {"product_code": "P1", "name": "碗", "skus": [SKU]}


def parse(body: bytes, format: Format, struct: type[Any]) -> list[Parsed]:
    return file_format.parse(body, format, struct).lines


def jsonl(*lines: object) -> bytes:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()


# Reading


def test_every_line_of_json_is_read_by_its_number_whatever_became_of_those_before_it() -> None:
    lines = ['{"category_code":"tea","name":"茶"}', "", "{", "[" * 5000, " \t", '{"category_code":"tea","name":"x"}',
             '{"name":"x"}', '{"category_code":"cup","name":""}',
             '{"category_code":"cup","name":"杯","description":"\u2028"}',
             '{"category_code":"tea","name":"y"}', '["tea","茶"]', "null"]  # fmt: skip
    assert parse(jsonl(*lines), "jsonl", CategoryLine) == [
        Parsed(1, TEA, warnings=[]),
        Parsed(3, errors=(NOT_JSON.at("line"),)),
        Parsed(4, errors=(NOT_JSON.at("line"),)),
        Parsed(6, errors=(ON_AN_EARLIER_LINE.at("category_code", earlier=1),)),
        Parsed(7, errors=(REQUIRED.at("category_code"),)),
        Parsed(8, errors=(EMPTY.at("name"),)),
        Parsed(9, CategoryLine(category_code="cup", name="杯", description="\u2028"), warnings=[]),  # no end
        Parsed(10, errors=(ON_AN_EARLIER_LINE.at("category_code", earlier=1),)),
        Parsed(11, errors=(WRONG_KIND.at("line", kind=KINDS["object"]),)),
        Parsed(12, errors=(WRONG_KIND.at("line", kind=KINDS["object"]),)),
    ]


def test_every_row_of_a_csv_is_read_by_the_line_it_begins_on() -> None:
    body = (
        ",,\r\n"  # blank rows count as lines only
        " category_code , name,sort \n"
        "tea,茶,\n"
        ' ,"  ",\n'
        'a,"x"y,1\n'
        "b,b,1,2\n"
        'c,"two\nlines",1\n'
        "d,d\n"
        "tea,x,7\n"
        "f,'=1+1,7\n"
        "g,'g,0\n"
    )
    assert parse(body.encode("utf-8-sig"), "csv", CategoryLine) == [
        Parsed(3, TEA, warnings=[]),
        Parsed(5, errors=(NOT_CSV.at("line"),)),
        Parsed(6, errors=(MORE_CELLS_THAN_COLUMNS.at("line"),)),
        Parsed(7, errors=(NOT_A_NAME.at("name"),)),
        Parsed(9, CategoryLine(category_code="d", name="d"), warnings=[]),
        Parsed(10, errors=(ON_AN_EARLIER_LINE.at("category_code", earlier=3),)),
        Parsed(11, CategoryLine(category_code="f", name="=1+1", sort=7), warnings=[]),
        Parsed(12, CategoryLine(category_code="g", name="'g", sort=0), warnings=[]),
    ]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("", Parsed(2, errors=(REQUIRED.at("skus"),))),
        ("[", Parsed(2, errors=(NOT_JSON.at("skus"),))),
        ("[" * 5000, Parsed(2, errors=(NOT_JSON.at("skus"),))),
        ("5", Parsed(2, errors=(WRONG_KIND.at("skus", kind=KINDS["array"]),))),
        (
            '[{"sku_code":"A","price_fen":5}]',
            Parsed(2, ProductLine(product_code="1", name="2", skus=[SkuInput(**SKU)])),
        ),
    ],
)
def test_a_cell_with_a_list_is_json_and_any_other_is_text(cell: str, expected: Parsed) -> None:
    quoted = cell.replace('"', '""')
    [one] = parse(f'product_code,name,skus\n1,2,"{quoted}"\n'.encode(), "csv", ProductLine)
    assert (one.line, one.value, one.errors) == (expected.line, expected.value, expected.errors)


def _codes(one: Parsed) -> list[tuple[str, str]]:
    return [(error.field, error.reason.code) for error in one.errors]


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_a_file_has_as_many_lines_as_it_may_beside_blank_ones_and_not_one_more(format: Format) -> None:
    header = "category_code,name\n" if format == "csv" else ""
    row = "c{0},c\n\n" if format == "csv" else '{{"category_code":"c{0}","name":"c"}}\n\n'
    body = header + "".join(row.format(number) for number in range(LINES_MAX))
    assert len(parse(body.encode(), format, CategoryLine)) == LINES_MAX
    with pytest.raises(MallError) as refused:
        parse((body + row.format("more")).encode(), format, CategoryLine)
    assert refused.value.errors == (TOO_MANY_LINES.at("body", limit=LINES_MAX),)


def test_a_file_that_is_no_text_is_refused_as_a_whole() -> None:
    with pytest.raises(MallError) as refused:
        parse(b"\xff\xfe", "csv", CategoryLine)
    assert (refused.value.code, refused.value.errors) == ("malformed", (NOT_UTF8.at("body", byte=0),))


# Pictures


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", True),
        (PICTURE, True),
        ("http://a", True),
        ("https://" + "a" * 504, True),
        ("https://" + "a" * 505, False),
        ("ftp://a", False),
        ("https://", False),
        ("https://a b", False),
        ("https://a\n", False),
        ("\n", False),
    ],
)
@pytest.mark.parametrize("place", ["picture_url", "gallery[1]", "skus[1].picture_url"])
def test_a_picture_that_cannot_be_shown_costs_itself_and_not_the_line(place: str, url: str, shown: bool) -> None:
    sku, other = {**SKU, "picture_url": PICTURE}, {"sku_code": "B", "price_fen": 6}
    line: dict[str, Any] = {**BOWL, "picture_url": PICTURE, "gallery": [PICTURE, PICTURE], "skus": [sku, other]}
    if place == "gallery[1]":
        line["gallery"] = [PICTURE, url, PICTURE]
    else:
        (other if place.startswith("skus") else line)["picture_url"] = url
    [one] = parse(jsonl(line), "jsonl", ProductLine)
    assert (one.errors, one.warnings) == ((), [] if shown else [BAD_PICTURE.at(place)])
    assert one.value.picture_url == (PICTURE if place != "picture_url" else url if shown else UNSET)
    assert one.value.gallery == [PICTURE, *([url] if shown and place == "gallery[1]" else []), PICTURE]
    second = UNSET if not shown or not place.startswith("skus") else url
    assert [each.picture_url for each in one.value.skus] == [PICTURE, second]


@pytest.mark.parametrize(
    ("given_gallery", "kept", "warned"),
    [([], [], []), (["x", "y"], UNSET, [0, 1]), (["x", PICTURE], [PICTURE], [0]), ([PICTURE], [PICTURE], [])],
)
def test_a_gallery_is_emptied_only_by_an_empty_one(given_gallery: list[str], kept: object, warned: list[int]) -> None:
    [one] = parse(jsonl({**BOWL, "gallery": given_gallery}), "jsonl", ProductLine)
    assert one.value.gallery == kept
    assert one.warnings == [BAD_PICTURE.at(f"gallery[{at}]") for at in warned]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"picture_url": None}, "picture_url"),
        ({"picture_url": 1}, "picture_url"),
        ({"gallery": PICTURE}, "gallery"),
        ({"gallery": [PICTURE, None]}, "gallery[1]"),
        ({"skus": {"A": SKU}}, "skus"),
        ({"skus": ["A"]}, "skus[0]"),
        ({"skus": [{**SKU, "picture_url": None}]}, "skus[0].picture_url"),
    ],
)
def test_what_is_no_text_where_a_picture_belongs_is_wrong_and_not_left_out(fields: dict[str, Any], wrong: str) -> None:
    [one] = parse(jsonl({**BOWL, **fields}), "jsonl", ProductLine)
    assert (one.value, _codes(one), one.warnings) == (None, [(wrong, "wrong_kind")], ())


# Writing


def test_a_file_is_written_as_it_has_always_been() -> None:
    rows: list[dict[str, Any]] = [
        {"category_code": "tea", "name": "=1+1", "sort": 0, "parent_code": None},
        {"category_code": "'", "name": '茶,"x"', "sort": -7, "more": 1},
    ]
    assert write(rows, "csv", CATEGORY_COLUMNS).decode() == (
        "\ufeffcategory_code,name,parent_code,sort,description,picture_url\r\n"
        "tea,'=1+1,,0,,\r\n"
        '\'\',"茶,""x""",,-7,,\r\n'
    )
    assert write(rows, "jsonl", CATEGORY_COLUMNS).decode() == (
        '{"category_code":"tea","name":"=1+1","sort":0,"parent_code":null}\n'
        '{"category_code":"\'","name":"茶,\\"x\\"","sort":-7,"more":1}\n'
    )


seen = st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp"])
names = st.text(seen, min_size=1, max_size=8).filter(lambda text: text == tidy(text) and is_name(text))
line = st.fixed_dictionaries(
    {"name": names},
    optional={
        "sort": st.integers(0, 99),
        "description": names,
        "picture_url": st.just(PICTURE),
        "parent_code": st.just("p"),
    },
)


@settings(max_examples=40)
@given(st.lists(line, min_size=1, max_size=6), st.sampled_from(["jsonl", "csv"]))
def test_categories_that_are_written_read_back_each_with_what_it_says(
    rows: list[dict[str, Any]], format: Format
) -> None:
    rows = [{"category_code": f"c{number}", **row} for number, row in enumerate(rows)]
    parsed = parse(write(rows, format, CATEGORY_COLUMNS), format, CategoryLine)
    assert [one.value for one in parsed] == [CategoryLine(**row) for row in rows]
    assert [one.line for one in parsed] == [number + (1 if format == "jsonl" else 2) for number in range(len(rows))]


# What a line changes


def test_a_line_of_a_category_gives_what_it_says_but_its_parent() -> None:
    assert category_fields(TEA) == {"code": "tea", "name": "茶"}
    whole = CategoryLine(category_code="t", name="n", parent_code="p", sort=0, description="", picture_url=PICTURE)
    assert category_fields(whole) == {"code": "t", "name": "n", "sort": 0, "description": "", "picture_url": PICTURE}
    assert category_fields(CategoryLine(category_code="t", name="n", parent_code=None)) == {"code": "t", "name": "n"}


def changes(before: str = "profit", /, **said: Any) -> dict[str, Any]:
    """What a line changes beside its code, name and SKUs."""
    found = product_changes(ProductLine(product_code="P1", name="碗", skus=[], **said), before, {"tea": "c-tea"})
    assert {key: found.pop(key) for key in ("product_code", "name", "skus")} == {
        "product_code": "P1", "name": "碗", "skus": [],
    }  # fmt: skip
    return found


@pytest.mark.parametrize("before", ["", "hit", "new", "profit"])
@pytest.mark.parametrize(
    ("said", "role"),
    [
        ({}, UNSET),
        ({"is_hot": True}, "hit"),
        ({"is_new": True}, "new"),
        ({"is_hot": True, "is_new": True}, "hit"),
        ({"is_hot": True, "is_new": False}, "hit"),
        ({"is_hot": False, "is_new": True}, "new"),
        ({"is_hot": False}, None),
        ({"is_new": False}, None),
        ({"is_hot": False, "is_new": False}, None),
        ({"is_hot": True, "role": "image"}, "image"),
        ({"is_new": False, "role": ""}, ""),
        ({"role": "traffic"}, "traffic"),
    ],
)
def test_a_role_is_said_outright_or_by_hot_before_new_and_neither_leaves_any_other_role(
    before: str, said: dict[str, Any], role: object
) -> None:
    if role is None:  # it was one of the two: now it has none
        role = "profit" if before == "profit" else ""
    assert changes(before, **said) == ({} if role is UNSET else {"role": role})


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ({"on_sale": True}, {"publish": True}),
        ({"on_sale": False}, {"publish": False}),
        ({"category_code": "tea"}, {"category_id": "c-tea"}),
        ({"category_code": None}, {"category_id": None}),
        ({"sort": 0, "brief": "", "limit_per_order": None}, {"sort": 0, "brief": "", "limit_per_order": None}),
    ],
)
def test_a_line_of_a_product_changes_what_it_says(said: dict[str, Any], changed: dict[str, Any]) -> None:
    assert changes(**said) == changed


def test_a_line_in_a_category_that_is_not_there_is_refused() -> None:
    with pytest.raises(MallError) as refused:
        changes(category_code="cup")
    assert (refused.value.code, refused.value.errors) == ("invalid", (NO_SUCH.at("category_code"),))


# What became of the lines


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["created", "changed", "unchanged", "failed"]), max_size=12))
def test_the_lines_of_a_file_are_counted_by_what_became_of_them(outcomes: list[Outcome]) -> None:
    result = ImportResult([LineResult(line=number, outcome=one) for number, one in enumerate(outcomes, 1)])
    counted = {"created": result.created, "changed": result.changed, "unchanged": result.unchanged}
    assert counted | {"failed": result.failed} == {
        one: outcomes.count(one) for one in ("created", "changed", "unchanged", "failed")
    }


def test_a_refusal_that_names_no_field_is_said_of_the_line() -> None:
    named = invalid(NO_SUCH.at("parent_id"))
    assert errors_of(named) == (NO_SUCH.at("parent_id"),)
    meaning = CODES["code_taken"]
    expected = Reason("code_taken", meaning.zh, meaning.en).at("line", taken="tea")
    assert errors_of(MallError("code_taken", taken="tea")) == (expected,)
