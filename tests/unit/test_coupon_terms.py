"""What an operator may ask of a coupon template, what does not go together in it, and what its coupons are worth."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons.inputs import TemplateChangeInput
from chalicelib.commerce.coupons.rules import Scope, Terms
from chalicelib.commerce.coupons.templates.rules import check_template, terms_of
from chalicelib.core.errors import MallError
from local.client import coupon_template as body

Fault = tuple[str, str, dict[str, Any]]
OFF: dict[str, Any] = {"kind": "percent_off", "amount_fen": None}
FREIGHT: dict[str, Any] = {"kind": "free_shipping", "amount_fen": None}
PIECE: dict[str, Any] = {"kind": "exchange", "scope": {"products": ["p1"]}}


def faults(**more: Any) -> list[Fault]:
    """What is refused: the field, the reason's code, and what it is told with."""
    try:
        check_template(msgspec.convert(body(**more), TemplateChangeInput))
    except MallError as fault:
        assert fault.code == "invalid"
        return [(error.field, error.reason.code, error.data()) for error in fault.errors]
    return []


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"amount_fen": 1},
        OFF | {"percent_off": 1},
        OFF | {"percent_off": 99, "ceiling_fen": 1},
        FREIGHT,
        FREIGHT | {"ceiling_fen": 1},
        FREIGHT | {"ceiling_fen": 1000},
        PIECE | {"amount_fen": 0},
        PIECE | {"amount_fen": 1, "stacking": "extra"},
        {"valid": {"until": "2027-01-01T00:00:00Z"}},
        {"valid": {"until": "2000-01-01T00:00:00Z"}},
        {"valid": {"from": "2000-01-01T00:00:00Z", "until": "2999-12-31T23:59:59Z"}},
        {"valid": {"from": "2026-12-01T00:00:00Z", "until": "2027-01-01T00:00:00+08:00"}},
        {"valid": {"from": "2026-12-01T00:00:00Z", "until": "2026-12-01T00:00:00.000001Z"}},
        {"how": ["claim", "share"], "share_limit": 1},
        {"how": ["share"], "share_limit": 3, "limit_per_member": 3},
        {"how": ["claim", "code", "grant", "purchase"]},
        {"stacking": "extra"},
    ],
)
def test_what_goes_together(more: dict[str, Any]) -> None:
    assert faults(**more) == []


YEARS = {"low": 2000, "high": 2999}
DATES_OR_DAYS: Fault = ("valid", "dates_or_days", {})
UNTIL_AFTER_FROM: Fault = ("valid.until", "coupon_until_after_from", {})


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"amount_fen": None}, [("amount_fen", "needed_for_coupon_kind", {"kind": "amount_off"})]),
        ({"amount_fen": 0}, [("amount_fen", "at_least", {"limit": 1})]),
        ({"percent_off": 10}, [("percent_off", "not_of_coupon_kind", {"kind": "amount_off"})]),
        ({"ceiling_fen": 10}, [("ceiling_fen", "not_of_coupon_kind", {"kind": "amount_off"})]),
        ({"kind": "percent_off", "percent_off": 10}, [("amount_fen", "not_of_coupon_kind", {"kind": "percent_off"})]),
        (OFF, [("percent_off", "needed_for_coupon_kind", {"kind": "percent_off"})]),
        (OFF | {"percent_off": 0}, [("percent_off", "between", {"low": 1, "high": 99})]),
        (OFF | {"percent_off": 100}, [("percent_off", "between", {"low": 1, "high": 99})]),
        (OFF | {"percent_off": 9, "ceiling_fen": 0}, [("ceiling_fen", "at_least", {"limit": 1})]),
        ({"kind": "free_shipping"}, [("amount_fen", "not_of_coupon_kind", {"kind": "free_shipping"})]),
        (FREIGHT | {"ceiling_fen": 0}, [("ceiling_fen", "at_least", {"limit": 1})]),
        (FREIGHT | {"stacking": "extra"}, [("stacking", "freight_goes_with_all", {})]),
        ({"kind": "exchange"}, [("scope.products", "products_to_exchange", {})]),
        (PIECE | {"amount_fen": None}, [("amount_fen", "needed_for_coupon_kind", {"kind": "exchange"})]),
        (PIECE | {"ceiling_fen": 1}, [("ceiling_fen", "not_of_coupon_kind", {"kind": "exchange"})]),
        ({"valid": {}}, [DATES_OR_DAYS]),
        ({"valid": {"days": 1, "until": "2027-01-01T00:00:00Z"}}, [DATES_OR_DAYS]),
        ({"valid": {"days": 1, "from": "2027-01-01T00:00:00Z"}}, [DATES_OR_DAYS]),
        ({"valid": {"from": "2027-01-01T00:00:00Z"}}, [("valid.until", "coupon_until_needed", {})]),
        ({"valid": {"from": "2027-01-01T08:00:00+08:00", "until": "2027-01-01T00:00:00Z"}}, [UNTIL_AFTER_FROM]),
        ({"valid": {"from": "2027-01-02T00:00:00Z", "until": "2027-01-01T00:00:00Z"}}, [UNTIL_AFTER_FROM]),
        ({"valid": {"until": "1999-12-31T23:59:59Z"}}, [("valid.until", "year_between", YEARS)]),
        ({"valid": {"until": "3000-01-01T00:00:00Z"}}, [("valid.until", "year_between", YEARS)]),
        ({"valid": {"until": "0001-01-01T00:00:00+08:00"}}, [("valid.until", "year_between", YEARS)]),
        ({"valid": {"until": "9999-12-31T23:59:59-08:00"}}, [("valid.until", "year_between", YEARS)]),
        (
            {"valid": {"from": "1999-12-31T00:00:00Z", "until": "3000-01-01T00:00:00Z"}},
            [("valid.from", "year_between", YEARS), ("valid.until", "year_between", YEARS)],
        ),
        ({"how": ["claim", "claim"]}, [("how", "named_twice", {})]),
        ({"how": ["claim", "share"]}, [("share_limit", "share_limit_needed", {})]),
        ({"share_limit": 1}, [("share_limit", "coupon_not_shared", {})]),
        ({"how": ["share"], "share_limit": 2}, [("share_limit", "at_most", {"limit": 1})]),
        (
            {"amount_fen": None, "ceiling_fen": 1, "valid": {}, "how": ["code", "code"], "share_limit": 1},
            [
                ("amount_fen", "needed_for_coupon_kind", {"kind": "amount_off"}),
                ("ceiling_fen", "not_of_coupon_kind", {"kind": "amount_off"}),
                DATES_OR_DAYS, ("how", "named_twice", {}), ("share_limit", "coupon_not_shared", {}),
            ],
        ),
    ],
)  # fmt: skip
def test_what_does_not_is_named_with_its_reason(more: dict[str, Any], told: list[Fault]) -> None:
    assert faults(**more) == told


def test_a_coupon_is_worth_what_its_template_said() -> None:
    """Every word of it, and nought for what was not said."""
    scope = {"categories": ["tea"], "excluded_products": ["p1"]}
    asked = body(
        kind="percent_off", amount_fen=None, percent_off=15, ceiling_fen=900, threshold_fen=7, scope=scope,
        stacking="extra", returns=False,
    )  # fmt: skip
    assert terms_of(msgspec.convert(asked, TemplateChangeInput)) == Terms(
        kind="percent_off", amount_fen=0, percent_off=15, ceiling_fen=900, threshold_fen=7, stacking="extra",
        returns=False, scope=Scope(categories=["tea"], excluded_products=["p1"]),
    )  # fmt: skip
    plain = terms_of(msgspec.convert(body(amount_fen=500), TemplateChangeInput))
    assert (plain.kind, plain.amount_fen, plain.percent_off, plain.ceiling_fen) == ("amount_off", 500, 0, None)
    assert (plain.stacking, plain.returns, plain.scope) == ("main", True, Scope())
