"""`make drill`: a mall that lost all of its tables agrees with WeChat's books again, and a restore that lacks something
is found out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.mall import Mall
from tools import drill


@pytest.fixture(autouse=True)
def engine(dynamodb_engine: str) -> str:
    """Where the mall of a drill has its tables."""
    return dynamodb_engine


class Lossy(Mall):
    """A mall whose export lacks one item: the stock of a SKU that is ordered."""

    lost = ""

    def run(self, module: str, *arguments: str) -> str:
        said = super().run(module, *arguments)
        if (module, arguments[:1]) == ("tools.snapshot", ("export",)):
            file = Path(arguments[1]) / f"{self.environment['YUTANG_TABLE_PREFIX']}products.jsonl"
            lines = file.read_text().splitlines(keepends=True)
            ordered = next(line for line in lines if _taken(json.loads(line)))
            file.write_text("".join(line for line in lines if line != ordered))
            Lossy.lost = json.loads(ordered)["part"]["S"].removeprefix("stock#")
        return said


def _taken(item: dict[str, Any]) -> bool:
    return item["part"]["S"].startswith("stock#") and item["taken"]["N"] != "0"


def test_a_mall_is_lost_and_restored_and_agrees_to_the_fen(capsys: pytest.CaptureFixture[str]) -> None:
    assert drill.main() == 0, capsys.readouterr()
    steps = capsys.readouterr().out.splitlines()
    assert steps[-1] == "no difference"
    exported = next(line.split()[0] for line in steps if line.endswith(" items exported"))
    assert f"    {exported} items restored" in steps
    assert any(line.endswith(" tables wiped") for line in steps)


def test_a_restore_that_lacks_an_item_is_told_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drill, "Mall", Lossy)
    monkeypatch.setattr(drill, "play", lambda _: None)  # the one order is enough
    assert drill.main() == 1
    told = capsys.readouterr()
    assert "drill: python -m tools.audit failed" in told.err
    assert Lossy.lost and f"{Lossy.lost}: orders hold " in told.err and " of no stock" in told.err
    assert "no difference" not in told.out
