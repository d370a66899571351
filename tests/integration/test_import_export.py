"""Import and export on DynamoDB Local: good lines in, bad ones named, twice is once, out and in is the same."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
import requests

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
from local.client import in_process
from local.demo import furnish
from tests.integration.test_catalogue_products import fresh, id_of, make
from tests.support.operators import owner_token
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


class ThisProcess(requests.Session):
    """What the command sends to a mall, answered by the application in this process."""

    def __init__(self) -> None:
        super().__init__()
        self.headers["Authorization"] = f"Bearer {owner_token()}"
        self.send_one = in_process()
        self.sent: list[bytes] = []

    def request(self, method: str, url: str, **options: Any) -> Any:  # type: ignore[override]
        prepared = requests.Request(method, url, params=options.get("params"), json=options.get("json"),
                                    data=options.get("data"), headers=options.get("headers")).prepare()  # fmt: skip
        body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        self.sent.append(body or b"")
        headers = {str(name): str(value) for name, value in {**self.headers, **prepared.headers}.items()}
        answer = self.send_one(method, prepared.path_url, headers, body)
        reply = requests.Response()
        reply.status_code, reply._content = answer.status, answer.body
        return reply


def test_the_command_finds_a_code_that_stands_twice_wherever_it_does(tmp_path: Path) -> None:
    codes = [code() for _ in range(130)]
    path = tmp_path / "twice.csv"
    path.write_bytes(file([line(one) for one in [*codes, f" {codes[0]} ", codes[128]]], "csv"))
    report = import_catalogue.import_products(ThisProcess(), "http://mall", path)
    failed = {number: one["errors"] for number, one in report.items() if one["outcome"] == "failed"}
    assert {number: (errors[0]["code"], errors[0]["earlier"]) for number, errors in failed.items()} == {
        132: ("on_an_earlier_line", 2), 133: ("on_an_earlier_line", 130),
    }  # fmt: skip
    assert failed[132][0]["message"] == "商品编码与第 2 行相同"
    assert [report[number]["outcome"] for number in range(2, 132)] == ["created"] * 130


@pytest.mark.parametrize(
    ("language", "message"), [("zh_CN.UTF-8", "没有这个分类编码"), ("en_GB", "There is no such category code")]
)
def test_the_command_reads_rows_of_skus_in_any_encoding_and_keeps_them_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], language: str, message: str
) -> None:
    monkeypatch.setenv("LANG", language)
    names = [code() for _ in range(101)]
    rows = [
        "货号;品名;颜色;价;分类",
        *(f"{one};碗;青;5;" for one in names),
        f"{names[100]};;白;6;",
        f"{code()};盘;青;5;nowhere",
    ]
    path = tmp_path / "gbk.csv"
    path.write_bytes("\r\n".join(rows).encode("gbk"))
    columns = json.dumps({"product_code": "货号", "name": "品名", "price_yuan": "价", "category_code": "分类",
                          "specs": [{"called": "颜色", "value": "颜色"}]})  # fmt: skip
    session = ThisProcess()
    session.headers["Accept-Language"] = import_catalogue._language()
    report = import_catalogue.import_products(session, "http://mall", path, columns)
    assert {number: one["outcome"] for number, one in report.items()} == {
        **dict.fromkeys(range(2, 103), "created"), 104: "failed",
    }  # fmt: skip
    assert report[104]["errors"][0]["message"] == message
    assert "GB18030" in capsys.readouterr().out
    assert len(session.sent) == 2
    product = product_queries.existing(rules.product_id(names[100])).product
    assert product is not None
    assert [(sku.specs, sku.price_fen) for sku in product.skus] == [({"颜色": "青"}, 500), ({"颜色": "白"}, 600)]


def test_the_command_names_a_row_that_it_does_not_send(tmp_path: Path) -> None:
    one, other = code(), code()
    path = tmp_path / "rows.csv"
    path.write_text(f'product_code,name,sku_code,price_fen\n{one},碗,a,5\n,,"b"x,6\n{other},盘,c,7\n')
    report = import_catalogue.import_products(ThisProcess(), "http://mall", path)
    assert {number: (each["outcome"], [note["code"] for note in each.get("errors", [])])
            for number, each in report.items()} == {
        2: ("failed", ["row_at_fault"]), 3: ("failed", ["not_csv"]), 4: ("created", []),
    }  # fmt: skip
    assert product_queries.load(rules.product_id(one)).product is None


def test_the_command_brings_the_freight_templates_before_their_products(tmp_path: Path) -> None:
    template, product = f"t-{secrets.token_hex(4)}", code()
    templates, goods = tmp_path / "templates.json", tmp_path / "goods.jsonl"
    said = {"template_id": template, "template": {"name": "按件", "rules": [{"first_fen": 800}]}}
    templates.write_text(json.dumps({"items": [said]}))
    goods.write_text(json.dumps(line(product, freight_template_id=template)))
    session = ThisProcess()
    import_catalogue.import_freight(session, "http://mall", templates)
    assert import_catalogue.import_products(session, "http://mall", goods)[1]["outcome"] == "created"
    made = product_queries.existing(rules.product_id(product)).product
    assert made is not None
    assert made.freight_template_id == template
    goods.write_text("{")
    with pytest.raises(import_catalogue.ImportFault, match="freight templates"):
        import_catalogue.import_freight(session, "http://mall", goods)


def test_what_is_wrong_with_one_sku_of_many_is_told_of_its_row() -> None:
    """Also where only the whole product can tell."""
    rows = ["product_code,name,sku_code,specs.色,price_fen", "{0},碗,a,青,5", ",,b,白,6", ",,c,白,7", ",,a,红,8"]
    body = "\n".join(rows).format(code()).encode()
    report = import_export.import_products(body, "csv")
    assert [(one.line, one.outcome, one.errors[0].field, one.errors[0].reason.code) for one in report.lines] == [
        (2, "failed", "line", "row_at_fault"), (5, "failed", "skus[3].sku_code", "named_twice"),
    ]  # fmt: skip
    report = import_export.import_products(body.rpartition(b"\n")[0], "csv")
    assert [(one.line, one.errors[0].reason.code) for one in report.lines] == [(2, "row_at_fault"), (4, "same_specs")]


def test_a_product_that_is_there_keeps_its_place_among_the_newest() -> None:
    product = code()
    made = line(product, created_at="2021-05-06T07:08:09.123Z")
    for name in ("碗", "盘"):
        import_export.import_products(file([made | {"name": name}], "jsonl"), "jsonl")
        made["created_at"] = "2022-01-01T00:00:00+08:00"
    found = product_queries.existing(rules.product_id(product)).product
    assert found is not None
    assert (found.name, found.created_at.isoformat()) == ("盘", "2021-05-06T07:08:09.123000+00:00")
    report = import_export.import_products(file([line(code(), created_at="1969-01-01T00:00:00Z")], "jsonl"), "jsonl")
    assert [error.field for error in report.lines[0].errors] == ["created_at"]
