"""Import and export on DynamoDB Local: good lines in, bad ones named, twice is once, out and in is the same."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.import_export import queries as import_export_queries
from chalicelib.commerce.catalogue.import_export import rules as file_format
from chalicelib.commerce.catalogue.import_export import service as import_export
from chalicelib.commerce.catalogue.import_export.inputs import (
    CATEGORY_COLUMNS,
    PRODUCT_COLUMNS,
    Format,
    ProductLine,
)
from chalicelib.commerce.catalogue.products import queries as product_queries
from chalicelib.commerce.catalogue.stock import service as stock
from chalicelib.platform.store import base
from local.demo import furnish
from tests.integration.test_catalogue_products import fresh, id_of, make
from tools import import_catalogue

__all__ = ["fresh"]

WRITES = {"TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"}


def line(code: str, **fields: Any) -> dict[str, Any]:
    skus = [{"sku_code": "A", "specs": {}, "price_fen": 100, "stock": 5}]
    return {"product_code": code, "name": "碗 🥣", "skus": skus, "on_sale": True, **fields}


def file(rows: list[dict[str, Any]], format: Format, columns: tuple[str, ...] = PRODUCT_COLUMNS) -> bytes:
    return file_format.write(rows, format, columns)


def code() -> str:
    return f"T{secrets.token_hex(4)}"


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_the_same_file_twice_writes_nothing(format: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = code(), code()
    below, above = {"category_code": one, "name": "下", "parent_code": two}, {"category_code": two, "name": "上"}
    tree = file([below, above], format, CATEGORY_COLUMNS)
    goods = file([line(one, category_code=one, is_hot=True), line(two, on_sale=False, keywords=["=1+1"])], format)
    assert (
        import_export.import_categories(tree, format).created,
        import_export.import_products(goods, format).created,
    ) == (2, 2)
    first = product_queries.existing(rules.product_id(one))
    assert first.product is not None
    assert (first.product.role, first.product.published) == ("hit", True)
    assert category_queries.load().value.path(first.product.category_id) == [
        rules.category_id(one),
        rules.category_id(two),
    ]

    calls: list[str] = []
    real = base.client()._make_api_call
    monkeypatch.setattr(base.client(), "_make_api_call", lambda name, given: (calls.append(name), real(name, given))[1])
    again = import_export.import_categories(tree, format), import_export.import_products(goods, format)
    assert [(report.unchanged, report.failed) for report in again] == [(2, 0), (2, 0)]
    assert not WRITES & set(calls)


def test_good_lines_go_in_and_bad_ones_are_named() -> None:
    good, bad = code(), code()
    rows = [
        json.dumps(line(good)),
        "{",
        json.dumps(line(bad, category_code="nowhere")),
        json.dumps(line(bad, specs=[{"name": "色", "values": ["红"]}])),
        json.dumps(line(bad, price="free")),
    ]
    report = import_export.import_products("\n".join(rows).encode(), "jsonl")
    assert [(one.line, one.outcome, one.errors[0].field if one.errors else None) for one in report.lines] == [
        (1, "created", None), (2, "failed", "line"), (3, "failed", "category_code"), (4, "failed", "product_code"),
        (5, "failed", "price"),
    ]  # fmt: skip
    assert (report.created, report.failed) == (1, 4)
    assert product_queries.load(rules.product_id(bad)).product is None


def test_stock_is_the_first_supply_only_and_what_a_file_leaves_out_stays() -> None:
    of = code()
    import_export.import_products(file([line(of, brief="好")], "jsonl"), "jsonl")
    sku_id = rules.sku_id(rules.product_id(of), "A")
    stock.supply(sku_id, 3, "补货", "k")
    changed = line(of, name="盘")
    changed["skus"].append({"sku_code": "B", "specs": {"色": "红"}, "price_fen": 7, "stock": 9})
    changed["skus"][0]["specs"] = {"色": "蓝"}
    assert import_export.import_products(file([changed], "jsonl"), "jsonl").changed == 1
    shelf = product_queries.existing(rules.product_id(of))
    assert shelf.product is not None
    assert (shelf.product.name, shelf.product.brief) == ("盘", "好")
    assert [shelf.stocks[each.sku_id].free for each in shelf.product.skus] == [8, 9]


def test_categories_without_a_parent_or_in_a_circle_are_named() -> None:
    one, two, three = code(), code(), code()
    rows: list[dict[str, Any]] = [
        {"category_code": one, "name": "a", "parent_code": two},
        {"category_code": two, "name": "b", "parent_code": one},
        {"category_code": three, "name": "c"},
    ]
    report = import_export.import_categories(file(rows, "jsonl", CATEGORY_COLUMNS), "jsonl")
    assert [(each.outcome, [error.field for error in each.errors]) for each in report.lines] == [
        ("failed", ["parent_code"]), ("failed", ["parent_code"]), ("created", []),
    ]  # fmt: skip


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_what_goes_out_comes_in_unchanged(format: Format) -> None:
    make(
        name="=SUM(A1)",
        keywords=["'=x", "@y"],
        brief="-1",
        role="profit",
        values=["added"],
        detail="两\n行",
        commission_bp=5,
    )
    left = id_of(make(name="+86", publish=False))
    seen: set[str | None] = set()
    position: Any = None
    while True:
        content, position = import_export_queries.export_products(format, position)
        report = import_export.import_products(content, format)
        assert (report.created, report.changed, report.failed) == (0, 0, 0), [
            one for one in report.lines if one.outcome != "unchanged"
        ]
        seen |= {each.product_id for each in report.lines}
        if format == "csv":
            assert b"\r\n=" not in content
            assert b",=" not in content
        if position is None:
            break
    assert left in seen
    tree = import_export_queries.export_categories(format)
    assert import_export.import_categories(tree, format).failed == 0


def test_the_demonstration_catalogue_is_good() -> None:
    tree = import_export.import_categories(furnish.CATEGORIES.read_bytes(), "jsonl")
    goods = import_export.import_products(furnish.PRODUCTS.read_bytes(), "jsonl")
    assert (tree.failed, goods.failed) == (0, 0)
    assert goods.created >= 14
    assert not any(each.warnings for each in [*tree.lines, *goods.lines])


def test_a_long_file_goes_in_parts_that_keep_their_line_numbers(tmp_path: Path) -> None:
    rows = [line(f"L{n}", brief="两\n行" if n == 1 else "") for n in range(250)]
    for format in ("jsonl", "csv"):
        path = tmp_path / f"long.{format}"
        path.write_bytes(file(rows, format))  # type: ignore[arg-type]
        parts = import_catalogue.split(path, ProductLine).parts
        assert [len(part.lines) for part in parts] == [100, 100, 50]
        for part in parts:
            parsed = file_format.parse(part.body, format, ProductLine).lines  # type: ignore[arg-type]
            assert [one.line for one in parsed] == list(part.lines)
        numbers = [number for part in parts for number in part.lines.values()]
        first = 1 if format == "jsonl" else 2
        extra = 0 if format == "jsonl" else 1
        assert numbers == [first + n + (extra if n > 1 else 0) for n in range(250)]


@pytest.mark.parametrize(("name", "content"), [("x.txt", b"{}"), ("x.csv", b""), ("x.jsonl", b"\xff")])
def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(import_catalogue.ImportFault, match="x"):
        import_catalogue.split(path, ProductLine)
    with pytest.raises(import_catalogue.ImportFault, match="cannot read"):
        import_catalogue.split(tmp_path / "missing.csv", ProductLine)
