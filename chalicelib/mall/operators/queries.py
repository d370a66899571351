"""Reads of operators: one, and all of them."""

from __future__ import annotations

from chalicelib.mall.operators.rules import Operator
from chalicelib.mall.operators.tables import OPERATOR, Operators, operator_key
from chalicelib.platform.store import read


def find(name: str) -> Operator | None:
    """Find the operator of that name as it is now, or None."""
    item = read.get(Operators, *operator_key(name))
    return None if item is None else item.operator


def operators() -> list[Operator]:
    """Read all operators, by name."""
    return [item.operator for item in read.query_all(Operators, OPERATOR, consistent=True)]
