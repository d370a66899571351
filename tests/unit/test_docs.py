"""The documentation names what exists, and the pages that are made from the code say what the code says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.processes import ROOT
from tools import error_docs, reference

#: A file is named from the root, or as a module of the house.
NAMED_FROM = (ROOT, ROOT / "chalicelib", *(path for path in (ROOT / "chalicelib").glob("*/*") if path.is_dir()))
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_the_page_of_errors_is_up_to_date() -> None:
    assert error_docs.FILE.read_text(encoding="utf-8") == error_docs.page(), "run: python -m tools.error_docs"


def test_the_page_of_events_jobs_tables_and_permissions_is_up_to_date() -> None:
    # In a process of its own: other tests of this one declare jobs and tables.
    code = "import sys; from tools import reference; sys.stdout.buffer.write(reference.page().encode())"
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert reference.FILE.read_text(encoding="utf-8") == made.stdout.decode(), "run: python -m tools.reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_at_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = {page.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)}
    assert [str(path) for path in sorted(links) if not path.exists()] == []
    commands = set(re.findall(r"python -m ((?:local|tools|infra|bench)[\w.]*)", text))
    assert [name for name in sorted(commands) if importlib.util.find_spec(name) is None] == []
    named = set(re.findall(r"`([a-z]\w*(?:/\w+)+\.py)`", text))
    assert [name for name in sorted(named) if not any((folder / name).exists() for folder in NAMED_FROM)] == []
