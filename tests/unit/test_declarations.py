"""What wings declare of their jobs: names that may be stored, handlers that are there, and no two of one name."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import time
from typing import get_type_hints

import pytest

from app import WINGS
from chalicelib.platform import wings
from chalicelib.platform.jobs import declarations
from chalicelib.platform.jobs.declarations import (
    INSIDE,
    NOTHING,
    OUTSIDE,
    Event,
    Kind,
    daily,
    event,
    handles,
    subscribe,
)
from chalicelib.platform.jobs.job import Job, load
from local.processes import ROOT

HOUSE = ROOT / "chalicelib"
#: Every table of the wings, found as a file, whether app.py names its wing or not.
TABLES = sorted(".".join(path.relative_to(HOUSE).with_suffix("").parts) for path in HOUSE.rglob("jobs.py"))
#: What the platform runs; any other handler is of the wing that declares it, so that no table reaches up.
ELSEWHERE = (NOTHING, declarations._EVENTS)
#: Participles of the past that do not end in -ed.
PARTICIPLES = ("paid", "sent", "sold")


@dataclass
class Declared:
    """What one table declares, by itself."""

    kinds: dict[str, Kind] = field(default_factory=dict)
    subscribers: dict[str, list[Kind]] = field(default_factory=dict)
    daily: dict[Kind, time] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def heard(self) -> Iterator[tuple[str, Kind]]:
        """Each event that is heard, and the kind of the subscriber's job."""
        return ((name, kind) for name, kinds in self.subscribers.items() for kind in kinds)


@pytest.fixture
def none(monkeypatch: pytest.MonkeyPatch) -> Declared:
    """Nothing is declared, and what is from now on. Modules that are imported meanwhile declare nothing by that."""
    for name in TABLES:
        importlib.import_module(f"chalicelib.{name}")
    declared = Declared()
    monkeypatch.setattr(declarations, "_kinds", declared.kinds)
    monkeypatch.setattr(declarations, "_subscribers", declared.subscribers)
    monkeypatch.setattr(declarations, "_daily", declared.daily)
    return declared


def table(name: str, declared: Declared) -> Declared:
    """What that table declares, on top of what is declared."""
    found = runpy.run_path(str(HOUSE / f"{name.replace('.', '/')}.py")).values()
    declared.events += [one for one in found if isinstance(one, Event)]
    return declared


def wing(name: str) -> str:
    return name.split(".")[-2]


def test_app_names_the_wing_of_every_table() -> None:
    assert sorted(wings.modules(WINGS, "jobs")) == [f"chalicelib.{name}" for name in TABLES]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_imports_what_declares_and_nothing_else(name: str) -> None:
    tree = ast.parse((HOUSE / f"{name.replace('.', '/')}.py").read_text())
    imports = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    assert imports <= {"__future__", "datetime", "chalicelib.platform.jobs.declarations"}


@pytest.mark.parametrize("name", TABLES)
def test_every_handler_is_there_and_takes_a_job(name: str, none: Declared) -> None:
    for kind in table(name, none).kinds.values():
        assert kind.handler.startswith(f"chalicelib.{name.rpartition('.')[0]}.") or kind.handler in ELSEWHERE, kind
        handler = load(kind.handler)
        assert callable(handler), kind
        (parameter,) = inspect.signature(handler).parameters
        hints = get_type_hints(handler, vars(importlib.import_module(kind.handler.partition(":")[0])))
        assert (hints[parameter], hints["return"]) == (Job, type(None)), kind


@pytest.mark.parametrize("name", TABLES)
def test_every_name_is_of_its_form(name: str, none: Declared) -> None:
    declared = table(name, none)
    own = re.compile(rf"{wing(name)}\.[a-z]+(_[a-z]+)*")
    told, heard = {one.name for one in declared.events}, {kind: each for each, kind in declared.heard()}
    for kind in declared.kinds.values():
        if kind in heard:
            assert kind.name.startswith(f"{heard[kind]}/")
            assert own.fullmatch(kind.name.removeprefix(f"{heard[kind]}/")), kind
        elif "/" in kind.name:
            assert kind.handler == NOTHING, "a subscriber that is gone"
        elif kind.name not in told:
            assert own.fullmatch(kind.name), kind
    for event_name in told:
        noun, _, participle = event_name.partition(".")
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", noun), event_name
        assert re.fullmatch(rf"[a-z]+ed|{'|'.join(PARTICIPLES)}", participle), event_name


def test_every_event_that_is_heard_is_told(none: Declared) -> None:
    for name in TABLES:
        table(name, none)
    assert {name for name, _ in none.heard()} <= {one.name for one in none.events}


def test_two_handlers_of_one_kind_are_refused(none: Declared) -> None:
    handles("orders.complete", NOTHING)
    for again in (
        lambda: handles("orders.complete", NOTHING, OUTSIDE),
        lambda: daily("orders.complete", NOTHING, time(10)),
        lambda: event("orders.complete"),
    ):
        with pytest.raises(ValueError, match=r"orders\.complete has two handlers"):
            again()
    assert (list(none.kinds), none.daily) == (["orders.complete"], {})


def test_two_subscribers_of_one_event_with_one_name_are_refused(none: Declared) -> None:
    subscribe("order.completed", "coupons.after_purchase", NOTHING)
    for again in (
        lambda: subscribe("order.completed", "coupons.after_purchase", NOTHING, OUTSIDE),
        lambda: handles("order.completed/coupons.after_purchase", NOTHING),
    ):
        with pytest.raises(ValueError, match=r"order\.completed/coupons\.after_purchase has two handlers"):
            again()
    subscribe("order.completed", "members.count_purchase", NOTHING)
    subscribe("order.paid", "coupons.after_purchase", NOTHING)
    assert [len(kinds) for kinds in none.subscribers.values()] == [2, 1]


def test_an_event_told_twice_is_refused(none: Declared) -> None:
    assert event("order.completed").kind.lane is INSIDE
    with pytest.raises(ValueError, match=r"order\.completed has two handlers"):
        event("order.completed")
