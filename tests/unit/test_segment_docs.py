"""What docs/segments.md shows of rules is what the mall reads, and it shows every kind of condition."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.customers.events.plan.rules import PLAN
from chalicelib.customers.members.rules import LifeCycleRules
from chalicelib.growth.segments.definitions.rules import Definition, book_of
from chalicelib.growth.segments.language.rules import _KINDS, DEPTH_MAX, LEAVES_MAX, Happened, leaves_of, parsed
from chalicelib.growth.segments.traits.rules import ORDERS_KEPT, ORDERS_MAX
from local.processes import ROOT

PAGE = (ROOT / "docs" / "segments.md").read_text(encoding="utf-8")
BLOCKS = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
MADE = datetime(2026, 11, 1, tzinfo=UTC)
ROWS = [json.loads(text) for text in re.findall(r"^\| `(\{.*?\})` \|", PAGE, re.MULTILINE)]


@pytest.mark.parametrize("rule", [*BLOCKS, *ROWS], ids=str)
def test_every_example_is_a_rule(rule: Any) -> None:
    read = parsed(rule)
    for _, leaf in leaves_of(read):
        if isinstance(leaf, Happened):
            planned = PLAN[leaf.event]
            assert planned.by == "client" and leaf.where.keys() <= planned.props.keys()
            assert leaf.window_ms <= planned.keep_days * 86_400_000


def test_the_table_has_every_kind_of_condition_once() -> None:
    words = [next(iter(row)) for row in ROWS]
    assert sorted([*words, "all", "any", "not"]) == sorted(_KINDS)


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"nested {DEPTH_MAX} deep" in PAGE and f"{LEAVES_MAX} conditions at most" in PAGE
    assert f"more than {ORDERS_MAX} orders" in PAGE and f"the latest {ORDERS_KEPT}," in PAGE


def test_which_of_the_last_two_is_proven_is_said_right() -> None:
    made = [
        Definition(segment_id=f"sg{at}", name="", generation=1, made_at=MADE, changed_at=MADE, rule=rule)
        for at, rule in enumerate(BLOCKS[-2:])
    ]
    entries = book_of(made, 1, 1, LifeCycleRules()).entries
    assert [entries["sg0"].proven, entries["sg1"].proven] == [True, False]
