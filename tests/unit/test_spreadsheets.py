"""Files for spreadsheets: no text of them is a formula to any, and each is read back as it was."""

from __future__ import annotations

import ast
import csv
import io
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.core.spreadsheets import guarded, unguarded, write

ROOT = Path(__file__).resolve().parent.parent.parent
UNSEEN = [" ", "\t", "\r", "\n", "\u00a0", "\u3000", "\u200b", "\u200d", "\ufeff", "\u2060", "\u00ad", "\u202e", "\x00"]
SIGNS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹢", "﹦", "﹫"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", ["", *UNSEEN, " \u200b\u00a0"])
def test_what_may_be_a_formula_is_marked_wherever_it_begins(before: str, sign: str) -> None:
    text = f"{before}{sign}HYPERLINK(1)"
    assert guarded(text) == "'" + text
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["", "碗", "a=1", "1-2", " a", "\u200b茶", "０", "#", "“=”"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text == unguarded(text)


@given(st.text(st.sampled_from(["'", "a", *UNSEEN, *SIGNS]) | st.characters(exclude_categories=["Cs"])))
@example("'")
@example("''=")
def test_every_text_is_read_back_as_it_was(text: str) -> None:
    assert unguarded(guarded(text)) == text
    seen = guarded(text).lstrip("".join(UNSEEN))
    assert not seen.startswith(tuple(SIGNS))


def test_a_number_is_a_number_and_nothing_an_empty_cell() -> None:
    content = write(["a", "b"], [["=1+1", -5], [None, "两\n行"]])
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert rows == [["a", "b"], ["'=1+1", "-5"], ["", "两\n行"]]


def test_nothing_else_in_the_mall_writes_a_csv() -> None:
    """Or it would forget the mark."""
    writers = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "chalicelib").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("csv.writer", "csv.DictWriter")
    ]
    assert writers == ["chalicelib/core/spreadsheets.py"]
