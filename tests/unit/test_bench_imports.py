"""What measures the mall, and what plays it on one machine, needs nothing of the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.processes import ROOT

FILES = sorted([*ROOT.glob("bench/**/*.py"), *ROOT.glob("local/**/*.py")])


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_is_imported_from_the_tests(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert re.findall(r"^\s*(?:from|import) tests\b.*|import_module\(.tests\b.*", text, re.M) == []
