"""What docs/journeys.md and docs/messages.md show is what the mall reads, and they show all that there is."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import msgspec
import pytest

from chalicelib.growth.journeys.book.rules import JOURNEYS_MAX
from chalicelib.growth.journeys.facts.rules import FACTS
from chalicelib.growth.journeys.language.rules import ENTRIES, STEPS_MAX, Definition, plan_of
from chalicelib.growth.journeys.playbook.rules import BUILT_IN
from chalicelib.growth.journeys.publishing.rules import faults
from chalicelib.growth.journeys.settings import JourneyRules
from chalicelib.growth.journeys.steps.rules import KINDS
from chalicelib.growth.journeys.surroundings.rules import Coupons
from chalicelib.growth.journeys.taking_over.service import TRIED_MAX
from chalicelib.growth.messaging.inputs import MessageTemplateInput
from chalicelib.growth.messaging.preferences.inputs import PreferencesInput
from chalicelib.growth.messaging.rules import Dropped, State
from local.processes import ROOT
from tests.support.journeys import coupon_template, mall, message_template, plan

PAGE = (ROOT / "docs" / "journeys.md").read_text(encoding="utf-8")
MESSAGES = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
ROWS = [json.loads(text) for text in re.findall(r"^\| `(\{.*?\})` \|", PAGE, re.MULTILINE)]


def blocks(page: str) -> list[Any]:
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]


def word(row: dict[str, Any], kinds: dict[str, Any]) -> str | None:
    return next((one for one in kinds if one in row), None)


def test_the_journey_that_is_shown_can_be_published() -> None:
    (shown,) = blocks(PAGE)
    there = mall(
        coupons={"ct5k2": Coupons(coupon_template("ct5k2"), 10)},
        messages={"mt7f3": message_template("mt7f3", variables=["coupon"]), "mt7f4": message_template("mt7f4")},
    )
    assert faults(plan_of("jn1", 1, msgspec.convert(shown, Definition)), there) == []


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_is_an_entry_or_a_step(row: dict[str, Any]) -> None:
    entry = word(row, ENTRIES)
    if entry is not None and word(row, KINDS) is None:
        assert plan({"s": {"tag": "vip"}}, entry=row).entry == msgspec.convert(row, ENTRIES[entry])
    else:
        read = plan({"first": row, "s": {"tag": "vip"}}).steps["first"]
        assert plan({"first": msgspec.to_builtins(read)}).steps["first"] == read


def test_the_tables_have_every_entry_and_every_step() -> None:
    assert {one for row in ROWS if word(row, KINDS) is None and (one := word(row, ENTRIES))} == set(ENTRIES)
    assert {word(row, KINDS) for row in ROWS} - {None} == set(KINDS)


def test_every_fact_is_told_with_what_it_says() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]*) \|$", PAGE, re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", props)) for names, props in rows for name in re.findall(r"\w+", names)}
    assert {name: set(props) for name, props in FACTS.items()} == {name: told.get(name) for name in FACTS}


def test_every_built_in_journey_is_told_with_how_it_begins() -> None:
    table = PAGE.partition("## What comes with the mall")[2]
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", table, re.MULTILINE))
    assert list(told) == list(BUILT_IN)
    for key, built_in in BUILT_IN.items():
        begins = built_in.definition["entry"].get("event") or built_in.definition["entry"]["segment"]
        assert begins in told[key] or begins.startswith("slot-")


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"{STEPS_MAX} steps at most" in PAGE and f"{JOURNEYS_MAX} journeys" in PAGE
    assert f"gets {JourneyRules().grants_max} coupons" in PAGE and f"of {TRIED_MAX:,} runs at most" in PAGE


def test_the_templates_and_the_wishes_that_are_shown_are_read() -> None:
    *templates, wishes = blocks(MESSAGES)
    assert len([msgspec.convert(one, MessageTemplateInput) for one in templates]) == 3
    msgspec.convert(wishes, PreferencesInput)


def test_every_state_of_a_message_and_every_reason_is_told() -> None:
    states = re.findall(r"^\| `(\w+)` \|", MESSAGES, re.MULTILINE)
    assert set(get_args(State)) <= set(states)
    assert all(f"`{reason}`" in MESSAGES for reason in get_args(Dropped))
