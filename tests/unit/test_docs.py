"""The documentation names what exists, and the pages that are made from the code say what the code says."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from local.processes import ROOT
from tools import error_docs, event_docs, openapi, reference

#: A file is named from the root, or as a module of the house.
NAMED_FROM = (ROOT, ROOT / "chalicelib", *(path for path in (ROOT / "chalicelib").glob("*/*") if path.is_dir()))
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_the_page_of_errors_is_up_to_date() -> None:
    assert error_docs.FILE.read_text(encoding="utf-8") == error_docs.page(), "run: python -m tools.error_docs"


def test_the_page_of_events_of_members_is_up_to_date() -> None:
    assert event_docs.FILE.read_text(encoding="utf-8") == event_docs.page(), "run: python -m tools.event_docs"


def made_by(tool: str) -> str:
    """What a tool would write now. In a process of its own: other tests of this one declare jobs, tables, endpoints."""
    code = f"import sys; from tools import {tool}; sys.stdout.buffer.write({tool}.page().encode())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_page_of_events_jobs_tables_and_permissions_is_up_to_date() -> None:
    assert reference.FILE.read_text(encoding="utf-8") == made_by("reference"), "run: python -m tools.reference"


def test_nobody_hears_an_event_that_is_not_told_but_what_the_version_before_told() -> None:
    rows = [line.split(" | ") for line in reference.FILE.read_text(encoding="utf-8").splitlines()]
    assert [row[0] for row in rows if len(row) > 1 and row[1] == reference._BEFORE] == ["| `order.completed`"]


def test_the_document_of_the_interface_is_up_to_date() -> None:
    # Not as a comparison of texts that fails: pytest would look for the difference in 30,000 lines for minutes.
    is_current = openapi.FILE.read_text(encoding="utf-8") == made_by("openapi")
    assert is_current, "docs/openapi.json is not what the endpoints declare: run make openapi, and read its diff"


def in_glossary() -> list[str]:
    """The names in code: the third column."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [row[2].strip("`") for row in rows if row[2] != "in code"]


@pytest.mark.parametrize("entry", in_glossary())
def test_what_the_glossary_names_is_there(entry: str) -> None:
    name, _, value = entry.partition(": ")
    found = pkgutil.resolve_name(f"chalicelib.{name}")
    assert not value or value in get_args(found)


def test_the_glossary_has_four_columns_and_no_word_twice() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row for row in rows if len(row) != 4] == []
    words = [row[0] for row in rows if row[0] != "中文"]
    assert len(words) > 50 and sorted(set(words)) == sorted(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_at_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = {page.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)}
    assert [str(path) for path in sorted(links) if not path.exists()] == []
    commands = set(re.findall(r"python -m ((?:local|tools|infra|bench)[\w.]*)", text))
    assert [name for name in sorted(commands) if importlib.util.find_spec(name) is None] == []
    named = set(re.findall(r"`([a-z]\w*(?:/\w+)+\.py)`", text))
    assert [name for name in sorted(named) if not any((folder / name).exists() for folder in NAMED_FROM)] == []
