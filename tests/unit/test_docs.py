"""The documentation names what exists, and its page of errors says what the table of codes says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.processes import ROOT
from tools import error_docs

PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_the_page_of_errors_is_up_to_date() -> None:
    assert error_docs.FILE.read_text(encoding="utf-8") == error_docs.page(), "run: python -m tools.error_docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_at_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = {page.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)}
    named = {ROOT / name for name in re.findall(r"`(tests/[\w/]+\.py|(?:local|tools)/[\w/]+\.py)`", text)}
    assert [str(path) for path in sorted(links | named) if not path.exists()] == []
