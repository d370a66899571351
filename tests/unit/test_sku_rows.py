"""Rows of SKUs: which make one product, what each says, and which row is told what is wrong."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.import_export.inputs import ProductLine
from chalicelib.commerce.catalogue.import_export.rules import Parsed, parse
from chalicelib.commerce.catalogue.products.rules import said
from chalicelib.core.errors import MallError


def read(*rows: str, columns: str = "") -> list[Parsed]:
    return parse("\n".join(rows).encode(), "csv", ProductLine, columns).lines


def told(lines: list[Parsed]) -> list[tuple[int, str, str]]:
    """What is wrong: the line, the field and the reason."""
    return [(one.line, error.field, error.reason.code) for one in lines for error in one.errors]


def skus(one: Parsed) -> list[dict[str, Any]]:
    assert one.errors == ()
    return [said(sku) for sku in one.value.skus]


OURS = "product_code,name,sku_code,specs.颜色,price_yuan,stock"


def test_rows_of_one_code_are_a_product_wherever_they_stand_and_a_row_without_goes_on_with_the_one_before() -> None:
    first, second = read(OURS, "A,碗,a1,青,3.9,1", "B,盘,b1,,5,", ",,b2,白,6,2", "A,碗,a2,白,4.25,0")
    assert (first.line, first.value.product_code, first.value.name) == (2, "A", "碗")
    assert skus(first) == [
        {"sku_code": "a1", "specs": {"颜色": "青"}, "price_fen": 390, "stock": 1},
        {"sku_code": "a2", "specs": {"颜色": "白"}, "price_fen": 425, "stock": 0},
    ]
    assert (second.line, second.value.name) == (3, "盘")
    assert [(sku["sku_code"], sku["specs"]) for sku in skus(second)] == [("b1", {}), ("b2", {"颜色": "白"})]


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        (["A,碗,a,青,x,1"], [(2, "price_yuan", "not_an_amount")]),
        (["A,碗,a,青,1.005,1"], [(2, "price_yuan", "not_an_amount")]),
        (["A,碗,a,青,5,1", ",,b,白,-1,1"], [(2, "line", "row_at_fault"), (3, "skus[1].price_fen", "at_least")]),
        (["A,碗,a,青,5,1", ",,b,白,5,many"], [(2, "line", "row_at_fault"), (3, "skus[1].stock", "wrong_kind")]),
        (["A,碗,a,青,5,1", ",盘,b,白,5,1"], [(2, "line", "row_at_fault"), (3, "name", "otherwise_above")]),
        (["A,碗,a,青,5,1", ",,b,白,,1"], [(2, "line", "row_at_fault"), (3, "price_yuan", "required")]),
        (["A,碗,,,,"], [(2, "price_yuan", "required")]),
        ([",碗,a,青,5,1"], [(2, "product_code", "required")]),
        (["A,,a,青,5,1"], [(2, "name", "required")]),
        (["A,碗,a,青,5,1", "A,,b,白,5,1,7"], [(2, "line", "row_at_fault"), (3, "line", "more_cells_than_columns")]),
    ],
)
def test_the_row_that_is_wrong_is_told_and_nothing_of_its_product_goes_in(
    rows: list[str], wrong: list[tuple[int, str, str]]
) -> None:
    good = "Z,杯,z,,9,1"
    lines = read(OURS, *rows, good)
    assert told(lines) == wrong
    assert [one.value.product_code for one in lines if one.value is not None] == ["Z"]


def test_a_column_that_is_not_ours_is_named() -> None:
    assert told(read("product_code,name,price_fen,colour", "A,碗,5,red", "B,盘,5,")) == [(2, "colour", "unknown_field")]


@pytest.mark.parametrize(
    ("cell", "fen"),
    [
        ("5", 500),
        ("5.5", 550),
        ("0.01", 1),
        ("1,299.00", 129900),
        ("52.0000", 5200),
        ("-0", 0),
        ("1,000,000", 10**8),
    ],
)
def test_an_amount_in_yuan_is_read_to_the_fen(cell: str, fen: int) -> None:
    [one] = read("product_code,name,price_yuan", f'A,碗,"{cell}"')
    assert skus(one)[0]["price_fen"] == fen


@pytest.mark.parametrize(
    "cell", ["5元", "12,5", "1,2999", "NaN", "inf", "0.001", "5..0", "1e1", "5.", "1e999999999", "９", "--5"]
)
def test_what_is_no_amount_is_not_guessed_at(cell: str) -> None:
    assert told(read("product_code,name,price_yuan", f'A,碗,"{cell}"')) == [(2, "price_yuan", "not_an_amount")]


@given(st.integers(0, 99_999_999))
def test_every_price_is_read_as_it_was_written(fen: int) -> None:
    [one] = read(
        "product_code,name,price_yuan,list_price_fen,weight_kg", f"A,碗,{fen / 100:.2f},{fen},{fen % 5000 / 1000:.3f}"
    )
    [sku] = skus(one)
    assert (sku["price_fen"], sku["list_price_fen"], sku["weight_g"]) == (fen, fen, fen % 5000)


words = st.text(st.sampled_from("青白大小ABé /"), min_size=1, max_size=5).map(str.strip).filter(bool)
goods = st.dictionaries(
    words, st.tuples(words, st.dictionaries(st.tuples(words, words), st.integers(1, 9999), min_size=1, max_size=4)),
    min_size=1, max_size=4,
)  # fmt: skip


@given(goods, st.booleans(), st.randoms())
def test_products_that_are_written_row_by_row_are_read_as_they_were(
    goods: dict[str, tuple[str, dict[tuple[str, str], int]]], every: bool, chance: Any
) -> None:
    """In each row all of the product, or in its first one only; in order, or not."""
    rows = [
        [
            code if every else code * (not number),
            name if every else name * (not number),
            *specs,
            fen,
            f"{code}:{number}",
        ]
        for code, (name, values) in goods.items()
        for number, (specs, fen) in enumerate(values.items())
    ]
    if every:
        chance.shuffle(rows)
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["product_code", "name", "specs.颜色", "specs.尺码", "price_fen", "sku_code"], *rows])
    lines = read(out.getvalue())
    found = {
        one.value.product_code: (
            one.value.name, {(sku["specs"]["颜色"], sku["specs"]["尺码"]): sku["price_fen"] for sku in skus(one)},
        )
        for one in lines
    }  # fmt: skip
    assert found == goods


# Maps


def test_specs_are_read_from_pairs_of_which_some_count() -> None:
    columns = (
        '{"product_code": "id", "name": "n", "price_fen": "p", "specs": [{"pairs": "o", "split": ",", "only": ["色"]}]}'
    )
    [one] = read("id,n,p,o", 'A,碗,5,"色=青,产地=景德镇, x"', columns=columns)
    assert skus(one)[0]["specs"] == {"色": "青"}
    [plain] = read("product_code,name,price_fen,specs", "A,碗,5,色=青|码=L")
    assert skus(plain)[0]["specs"] == {"色": "青", "码": "L"}


def test_a_sku_without_a_code_has_one_of_its_products_and_its_specs_each_time_the_same() -> None:
    rows = ["A,碗,,青,5,1", f",,,{'长' * 60},5,1", f",,,{'长' * 61},5,1"]
    first, second = (read(OURS, *rows) for _ in range(2))
    codes = [sku["sku_code"] for sku in skus(first[0])]
    assert codes == [sku["sku_code"] for sku in skus(second[0])]
    assert (codes[0], len(set(codes)), max(map(len, codes)) <= 64) == ("A-青", 3, True)


def test_a_sku_whose_product_is_not_in_the_file_is_told() -> None:
    columns = "product_code=SKU,parent=Parent,sku_code=SKU,name=Name,price_yuan=Price"
    lines = read("SKU,Name,Price,Parent", "a-1,Red,5,a", "b,B,5,", columns=columns)
    assert told(lines) == [(2, "parent", "no_product_row")]


def test_a_whole_product_in_a_line_may_have_other_names_too() -> None:
    columns = (
        '{"product_code": "id", "name": "n", "skus": "list", "keywords": {"of": "tags", "split": "|"}, "on_sale": "s"}'
    )
    cell = '"[{""sku_code"": ""A"", ""price_fen"": 5}]"'
    [one] = read("id,n,list,tags,s,more", f"A,碗,{cell},a| b ,是,x", columns=columns)
    assert (one.value.keywords, one.value.on_sale) == (["a", "b"], True)


@pytest.mark.parametrize(
    ("columns", "code", "column"),
    [
        ("product_code=id,colour=n", "not_our_column", "colour"),
        ("product_code=gone", "no_such_column", "gone"),
        ("product_code", "no_such_column", ""),
        ('{"product_code": 1}', "bad_column_map", "product_code"),
        ('{"product_code": {"of": "id", "x": 1}}', "bad_column_map", "product_code"),
        ('{"specs": [{"x": 1}]}', "bad_column_map", "specs"),
        ('{"variations": {"of": "gone"}}', "no_such_column", "gone"),
        ("{", "bad_column_map", "{"),
        ("{" * 5000, "bad_column_map", "{"),
        ("[1]", "not_our_column", "[1]"),
    ],
)
def test_a_map_that_fits_neither_the_file_nor_the_mall_is_refused_by_the_column(
    columns: str, code: str, column: str
) -> None:
    with pytest.raises(MallError) as refusal:
        read("id,n", "A,碗", columns=columns)
    [fault] = refusal.value.errors
    assert (fault.field, fault.reason.code, fault.params["column"]) == ("columns", code, column)


def test_a_map_is_for_csv() -> None:
    with pytest.raises(MallError) as refusal:
        parse(b"{}", "jsonl", ProductLine, "name=x")
    assert refusal.value.errors[0].reason.code == "columns_are_for_csv"
