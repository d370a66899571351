"""A range of a rule that no number can be in is refused at its place."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.errors import MallError
from chalicelib.growth.segments.language.rules import Purchases, parsed


def rule(value: Any) -> dict[str, Any]:
    return {"not": {"any": [{"purchases": "sum_fen", "op": "between", "value": value}]}}


def test_a_range_from_more_to_less_is_refused() -> None:
    with pytest.raises(MallError) as refused:
        parsed(rule([500, 499]))
    assert (refused.value.code, [(one.field, one.reason.code) for one in refused.value.errors]) == (
        "malformed", [("rule.not.any[0].value", "between_order")],
    )  # fmt: skip


def test_a_range_may_be_one_number() -> None:
    leaf = parsed(rule([500, 500])).negated.any[0]  # type: ignore[union-attr]
    assert isinstance(leaf, Purchases) and leaf.value == [500, 500]
