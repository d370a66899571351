"""An audit that borrows the formulas of what it audits is fooled by them. So a checks module takes from the rules the
shapes of documents, and nothing that computes."""

from __future__ import annotations

import ast
import importlib
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.unit.test_layers import MODULES, Module, imported

ROOT = Path(__file__).resolve().parent.parent.parent
CHECKS = {name: module for name, module in MODULES.items() if module.room == "checks"}
#: What every module may ask of the ground: the day of an instant, and what a difference is.
GROUND = ("core.clock", "core.difference.Difference")


def borrowed(module: Module) -> Iterator[str]:
    """What a checks module imports of the mall that is neither the shape of a document nor another module's check."""
    for name in imported(ast.parse(module.text)):
        below = name.removeprefix("chalicelib.")
        if below == name or below in GROUND or ".checks." in f"{below}.":
            continue
        owner, _, wanted = name.rpartition(".")
        if not (ROOT / (owner.replace(".", "/") + ".py")).exists():
            yield f"{module.name} imports the module {name}"
        elif not is_shape(getattr(importlib.import_module(owner), wanted)):
            yield f"{module.name} imports {wanted} of {owner}"


def is_shape(value: object) -> bool:
    """Whether it says what a document looks like: a struct, or a type made of others."""
    if isinstance(value, type):
        return issubclass(value, msgspec.Struct)
    return isinstance(value, types.UnionType) or typing.get_origin(value) is not None


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_computes_by_itself(name: str) -> None:
    assert list(borrowed(CHECKS[name])) == []


def test_every_wing_that_keeps_books_has_checks() -> None:
    wings = {name.removesuffix(".checks") for name in CHECKS}
    assert wings >= {
        "ledger", "commerce.coupons", "commerce.pricing", "commerce.orders", "growth.groupbuy", "growth.distribution",
        "growth.payouts", "growth.segments",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "from chalicelib.growth.distribution.rules import rate",
        "from chalicelib.commerce.orders.accounting.rules import given_back",
        "from chalicelib.growth.groupbuy.lottery import rules as draw",
        "from chalicelib.commerce.orders.rules import TRANSITIONS",
        "import chalicelib.core.money",
        "from chalicelib.core.money import split_fen",
    ],
)
def test_what_computes_is_found(line: str) -> None:
    assert list(borrowed(Module("growth.distribution.checks", line)))


def test_what_documents_look_like_is_let_through() -> None:
    text = """
        from chalicelib.commerce.orders.rules import Order, SeatState
        from chalicelib.commerce.pricing.promotions.rules import Promotion
        from chalicelib.core import clock
        from chalicelib.core.difference import Difference
        from chalicelib.ledger.checks import stands
    """
    assert list(borrowed(Module("growth.distribution.checks", "\n".join(map(str.strip, text.splitlines()))))) == []
