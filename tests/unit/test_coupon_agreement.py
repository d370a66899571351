"""What gives goods for nothing is let out by two operators above the sum: what it is worth, and who has agreed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.rules import Product, Sku
from chalicelib.commerce.coupons.agreement.rules import (
    agree,
    bounded,
    check_agreed,
    free_fen,
    is_agreed,
    kept_agreed,
    waits,
)
from chalicelib.commerce.coupons.rules import Approval, Scope, Template, Terms, Validity
from chalicelib.core.errors import MallError
from chalicelib.core.money import FEN_MAX

NOW = datetime(2026, 11, 29, tzinfo=UTC)
FOR_NOTHING = Terms(kind="exchange", amount_fen=0, scope=Scope(products=["p"]))


def product(*prices: int) -> Product:
    skus = [Sku(sku_id=f"p-{fen}", sku_code=f"{fen}", specs={}, price_fen=fen) for fen in prices]
    return Product(product_id="p", product_code="p", name="碗", skus=skus, created_at=NOW, updated_at=NOW)


def template(*agreed: Approval, **more: Any) -> Template:
    made = Template(
        template_id="t", name="换购", state="draft", terms=FOR_NOTHING, total=10, limit_per_member=1,
        valid=Validity(days=1), how=["grant"], shards=1, created_at=NOW, agreed=list(agreed),
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def said(by: str, worth_fen: int, alone: bool = False) -> Approval:
    return Approval(by=by, at=NOW, worth_fen=worth_fen, alone=alone)


def exchange(amount_fen: int = 0, **scope: list[str]) -> Terms:
    return Terms(kind="exchange", amount_fen=amount_fen, scope=Scope(**{"products": ["p"], **scope}))


@pytest.mark.parametrize(
    ("terms", "fen"),
    [
        (exchange(), 900),
        (exchange(300), 600),
        (exchange(1000), 0),
        (exchange(categories=["c"]), FEN_MAX // 10),
        (Terms(kind="amount_off", amount_fen=500), 500),
        (Terms(kind="amount_off", amount_fen=500, threshold_fen=500), 500),
        (Terms(kind="amount_off", amount_fen=99899, threshold_fen=99900), 99899),
        (Terms(kind="amount_off", amount_fen=500, threshold_fen=999), 500),
        (Terms(kind="amount_off", amount_fen=500, threshold_fen=1000), 0),
        (Terms(kind="percent_off", percent_off=49), 0),
        (Terms(kind="percent_off", percent_off=50, ceiling_fen=700), 700),
        (Terms(kind="percent_off", percent_off=90, scope=Scope(products=["p"])), 900),
        (Terms(kind="percent_off", percent_off=90), FEN_MAX // 10),
        (Terms(kind="percent_off", percent_off=90, scope=Scope(categories=["c"])), FEN_MAX // 10),
        (Terms(kind="free_shipping"), 0),
    ],
)
def test_what_a_coupon_gives_for_nothing(terms: Terms, fen: int) -> None:
    assert free_fen(terms, [product(100, 900), product(200)]) == fen
    assert free_fen(exchange(), []) == 0


def test_up_to_the_sum_one_is_enough_above_it_two_are() -> None:
    alone = agree(template(), 500, "ann", NOW, 500)
    assert alone.agreed == [said("ann", 500, alone=True)]
    first = agree(template(), 500, "ann", NOW, 499)
    assert (first.agreed, waits(first), is_agreed(first, 500)) == ([said("ann", 500)], True, False)
    with pytest.raises(MallError, match="second_operator"):
        agree(first, 500, "ann", NOW, 499)
    both = agree(first, 500, "bob", NOW, 499)
    assert (both.agreed, waits(both)) == ([said("ann", 500), said("bob", 500)], False)
    assert (is_agreed(both, 500), is_agreed(both, 501)) == (True, False)
    check_agreed(both, 500)
    with pytest.raises(MallError, match="second_operator"):
        check_agreed(both, 501)


def test_a_first_decision_holds_only_for_what_it_was_about() -> None:
    first = agree(template(), 500, "ann", NOW, 0)
    dearer = agree(first, 501, "bob", NOW, 0)
    assert (dearer.agreed, waits(dearer)) == ([said("bob", 501)], True)
    assert kept_agreed(first, template(total=10)).agreed == first.agreed == kept_agreed(first, template(total=9)).agreed
    assert kept_agreed(first, template(total=11)).agreed == []
    assert kept_agreed(first, template(terms=exchange(5))).agreed == []


@pytest.mark.parametrize(
    ("agreed", "total", "most"),
    [
        ([], 10, None),
        ([said("ann", 500)], 10, None),
        ([said("ann", 500, alone=True)], 10, 50),
        ([said("ann", 600), said("bob", 500)], 10, 50),
        ([said("ann", 500, alone=True)], 5, 100),
        ([said("ann", 0, alone=True)], 10, 0),
    ],
)
def test_a_coupon_of_an_exchange_takes_no_more_off_than_was_agreed_on(
    agreed: list[Approval], total: int, most: int | None
) -> None:
    assert bounded(template(*agreed, total=total)).ceiling_fen == most
    percent = Terms(kind="percent_off", percent_off=60)
    assert bounded(template(*agreed, terms=percent)) == percent


def test_what_gives_nothing_for_nothing_needs_nobody() -> None:
    assert is_agreed(template(), 0)
    assert not waits(template())


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.integers(1, 900)), max_size=12), st.integers(0, 2000))
def test_nobody_lets_out_more_than_the_sum_alone(deeds: list[tuple[str, int]], above_fen: int) -> None:
    spent = {"ann": 0, "bob": 0}
    found = template()
    for operator, worth in deeds:
        try:
            found = agree(found, worth, operator, NOW, above_fen - spent[operator])
        except MallError:
            continue
        if is_agreed(found, worth):
            who = {one.by for one in found.agreed}
            if len(who) == 1:
                spent[operator] += worth
            found = template()
    assert max(spent.values()) <= above_fen
