"""Files as people's programs write them: encodings, what parts the cells, headings; and what is said of bad ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.import_export.inputs import CategoryLine
from chalicelib.commerce.catalogue.import_export.rules import File, parse
from chalicelib.commerce.catalogue.refusals import COLUMN_TWICE, MORE_CELLS_THAN_COLUMNS, NO_LINES, NOT_CSV, NOT_UTF8
from chalicelib.commerce.catalogue.rules import tidy
from chalicelib.commerce.catalogue.sheets.rules import decode, table
from chalicelib.core.errors import FieldError, MallError

FILE = "category_code,name\r\ntea,青塘茶具\r\n碗 1/2,“粗陶碗”\r\n"
READ = [CategoryLine(category_code="tea", name="青塘茶具"), CategoryLine(category_code="碗 1/2", name="“粗陶碗”")]


def categories(body: bytes, columns: str = "") -> File:
    return parse(body, "csv", CategoryLine, columns)


def refused(body: bytes) -> FieldError:
    with pytest.raises(MallError) as refusal:
        categories(body)
    [fault] = refusal.value.errors
    return fault


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("gbk", "gb18030"), ("gb2312", "gb18030"), ("gb18030", "gb18030")],
)
def test_what_excel_calls_csv_is_read_and_the_encoding_is_said(encoding: str, told: str) -> None:
    file = categories(FILE.encode(encoding))
    assert ([one.value for one in file.lines], file.encoding) == (READ, told)


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=3, max_size=60))
def test_chinese_is_read_from_either_encoding(text: str) -> None:
    body = f"category_code,name\ntea,{text}的了是不在，。\n"
    for encoding in ("utf-8", "gb18030"):
        assert decode(body.encode(encoding)).text == body


@pytest.mark.parametrize("name", ["鞋", "同色", "帽", "XL帽", "同色鞋", "鞋,帽", "布鞋", "鞋子"])
def test_a_file_with_few_characters_of_gb18030_is_read_as_what_they_are(name: str) -> None:
    text = f"category_code,name\r\ntea,{name}\r\n"
    assert (decode(text.encode("gb18030")).text, decode(text.encode("gb18030")).encoding) == (text, "gb18030")
    for encoding in ("utf-8", "utf-8-sig"):
        assert (decode(text.encode(encoding)).text, decode(text.encode(encoding)).encoding) == (text, "utf-8")


@pytest.mark.parametrize("text", ["café", "España", "crème brûlée", "5×5 20°", "cup", ""])
def test_latin_words_and_signs_of_utf8_stay_what_they_are(text: str) -> None:
    assert decode(text.encode()).text == text


@pytest.mark.parametrize(
    ("body", "byte"),
    [
        (b"\xff\xfe", 0),
        (FILE.encode("utf-16"), 0),
        (b"\xef\xbb\xbfname\n\xb2\xe8", 5),  # says that it is UTF-8
        (FILE.encode()[:-3] + b"\xe5\r\n", len(FILE.encode()) - 5),  # the last byte of it is another
    ],
)
def test_what_is_neither_or_is_damaged_is_refused_and_not_read_as_other_characters(body: bytes, byte: int) -> None:
    fault = refused(body)
    assert fault == NOT_UTF8.at("body", byte=byte)
    assert "另存为" in fault.text("zh", {}) and "save it as CSV UTF-8" in fault.text("en", {})


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_cells_may_be_parted_by_commas_semicolons_or_tabs(mark: str) -> None:
    assert [one.value for one in categories(FILE.replace(",", mark).encode()).lines] == READ


def test_a_comma_in_the_headings_parts_them_whatever_else_is_in_them() -> None:
    assert table("a;b,c\n1,2\n").headings == ["a;b", "c"]
    assert table("a\n1\n").headings == ["a"]


@pytest.mark.parametrize("heading", ["name", " name "])
def test_a_heading_that_stands_twice_is_refused_by_its_name(heading: str) -> None:
    fault = refused(f"category_code,name,{heading}\ntea,茶,盘\n".encode())
    assert fault == COLUMN_TWICE.at("body", column="name")
    assert "“name”出现了两次" in fault.text("zh", {})


@pytest.mark.parametrize("body", ["category_code,name", "category_code,name\r\n,\r\n\r\n", "\n\ncategory_code\n"])
def test_a_file_of_headings_alone_says_so(body: str) -> None:
    assert refused(body.encode()) == NO_LINES.at("body")


def test_headings_that_cannot_be_read_are_refused() -> None:
    assert refused(b'a,"b"c\n1,2\n') == NOT_CSV.at("body")


def test_a_column_without_a_heading_may_be_empty_and_not_hold_anything() -> None:
    lines = categories("category_code,name,,\ntea,茶,,\ncup,杯, ,x\n".encode()).lines
    assert lines[0].value == CategoryLine(category_code="tea", name="茶")
    assert lines[1].errors == (MORE_CELLS_THAN_COLUMNS.at("line"),)


def test_blanks_around_cells_do_not_count() -> None:
    [one] = categories("category_code,name,sort\n tea\u3000,\u00a0茶 具 , 3\n".encode()).lines
    assert one.value == CategoryLine(category_code="tea", name="茶 具", sort=3)


@pytest.mark.parametrize("code", ["4058NB/09", "T 恤 01", "é", "a" * 64, "'=1", "#?&%"])
def test_codes_are_what_stands_on_the_label(code: str) -> None:
    [one] = parse(f'{{"category_code": "{code}", "name": "茶"}}'.encode(), "jsonl", CategoryLine).lines
    assert one.value == CategoryLine(category_code=code, name="茶")


@pytest.mark.parametrize("code", ["", " ", "\u3000", "a\\tb", "a\\u200bb", "\\u202ea", "a" * 65, "a\\n"])
def test_what_cannot_be_seen_is_no_code_nor_part_of_one(code: str) -> None:
    [one] = parse(f'{{"category_code": "{code}", "name": "茶"}}'.encode(), "jsonl", CategoryLine).lines
    assert [error.field for error in one.errors] == ["category_code"]


def test_the_same_code_is_the_same_however_its_characters_are_composed() -> None:
    lines = parse('{"category_code": "é ", "name": "a"}\n{"category_code": "e\\u0301", "name": "b"}'.encode(), "jsonl",
                  CategoryLine).lines  # fmt: skip
    assert lines[0].value.category_code == "é" == tidy("e\u0301")
    assert [error.reason.code for error in lines[1].errors] == ["on_an_earlier_line"]


def test_a_code_that_stands_twice_says_where() -> None:
    lines = categories("category_code,name\na,茶\nb,杯\n a,碗\n".encode()).lines
    [fault] = lines[2].errors
    assert fault.params == {"earlier": 2}
    assert fault.text("zh", {"category_code": "分类编码"}) == "分类编码与第 2 行相同"
    assert lines[0].errors == ()


def test_other_headings_are_read_by_a_map_of_either_form() -> None:
    body = "编号;类名;备注\ntea;茶;x\n".encode()
    for columns in ("category_code=编号, name=类名", '{"category_code": ["备注", "编号"], "name": "类名"}'):
        [one] = categories(body, columns).lines
        assert one.value == CategoryLine(category_code="x" if "备注" in columns else "tea", name="茶")
