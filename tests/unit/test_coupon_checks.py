"""The audit of coupons: what is counted agrees with what members have, and each difference is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons.checks import Received, Shard, Use, audit
from chalicelib.commerce.coupons.rules import Coupon, Figures, Held, Template, Terms, Validity

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
TERMS = Terms(kind="amount_off", amount_fen=500)


def template(template_id: str, total: int, shards: int) -> Template:
    return Template(
        template_id=template_id, name="券", state="published", terms=TERMS, total=total, limit_per_member=2,
        valid=Validity(days=7), how=["claim"], shards=shards, created_at=NOW,
    )  # fmt: skip


def coupon(coupon_id: str, member_id: str, state: Any = "unused", template_id: str = "t1") -> Held:
    kept = Coupon(
        coupon_id=coupon_id, template_id=template_id, member_id=member_id, name="券", terms=TERMS, valid_from=NOW,
        valid_until=NOW + timedelta(days=7), received_at=NOW, how="claim",
    )  # fmt: skip
    return Held(coupon=kept, state=state, order_id="" if state == "unused" else f"o-{coupon_id}")


def stock(number: int, left: int, issued: int, template_id: str = "t1") -> Shard:
    figures = Figures(left=left, issued=issued)
    return Shard(template_id=template_id, number=number, kind="stock", figures=figures)


def used(number: int, count: int, off_fen: int, paid_fen: int) -> Shard:
    figures = Figures(used=count, off_fen=off_fen, paid_fen=paid_fen)
    return Shard(template_id="t1", number=number, kind="used", figures=figures)


def books() -> dict[str, Any]:
    """Two templates. Of the first, whose stock lies in two shards, one member has two coupons and another one; two of
    the three are used. Of the other nobody has any."""
    return {
        "templates": [template("t1", 10, 2), template("t2", 4, 1)],
        "shards": [
            stock(0, 4, 2), stock(1, 3, 1), stock(0, 4, 0, "t2"), used(0, 3, 900, 5000), used(1, -1, -100, -1000)
        ],
        "received": [Received("m1", "t1", 2), Received("m2", "t1", 1)],
        "coupons": [coupon("c1", "m1", "used"), coupon("c2", "m1"), coupon("c3", "m2", "used")],
        "uses": {"c1": Use(500, 2500), "c3": Use(300, 1500)},
    }  # fmt: skip


def differences(told: dict[str, Any]) -> list[str]:
    return [f"{one.about}: {one.what}" for one in audit(**told)]


def test_what_was_counted_shard_by_shard_agrees() -> None:
    assert differences(books()) == []
    locked = books()
    locked["coupons"][1] = coupon("c2", "m1", "locked")
    assert differences(locked) == []


PLANTED: dict[str, tuple[str, int, Any, list[str]]] = {
    "a piece was lost": ("shards", 0, stock(0, 3, 2), ["t1: 6 left + 3 issued is not 10 in all"]),
    "a piece came from nowhere": ("shards", 0, stock(0, 5, 2), ["t1: 8 left + 3 issued is not 10 in all"]),
    "more were issued than are with members": ("shards", 1, stock(1, 2, 2), ["t1: 4 issued, members have 3"]),
    "a shard gave what it had not": (
        "shards", 0, stock(0, -1, 7),
        ["t1: stock shard 0 says -1 left, 7 issued", "t1: 8 issued, members have 3"],
    ),
    "pieces lie where nobody looks": ("shards", 1, stock(2, 3, 1), ["t1: stock shard 2 is none of its 2"]),
    "uses are counted where nobody looks": (
        "shards", 4, used(7, -1, -100, -1000), ["t1: used shard 7 is none of its 2"]
    ),
    "a use was not counted": ("shards", 3, used(0, 2, 900, 5000), ["t1: used: counted 1, coupons and orders say 2"]),
    "what one took off was counted twice": (
        "shards", 3, used(0, 3, 1400, 5000), ["t1: fen taken off: counted 1300, coupons and orders say 800"]
    ),
    "what was paid was counted wrong": (
        "shards", 3, used(0, 3, 900, 5001), ["t1: fen paid with them: counted 4001, coupons and orders say 4000"]
    ),
    "a member has more than was counted for them": (
        "received", 0, Received("m1", "t1", 1), ["t1: m1 is said to have got 1, and has 2"]
    ),
    "a coupon is not with who got it": (
        "coupons", 1, coupon("c2", "m2"),
        ["t1: m1 is said to have got 2, and has 1", "t1: m2 is said to have got 1, and has 2"],
    ),
    "a coupon is used and nobody counted it": (
        "coupons", 1, coupon("c2", "m1", "used"), ["t1: used: counted 2, coupons and orders say 3"]
    ),
    "a counter of no template": ("shards", 2, stock(0, 4, 0, "t9"),
                                 ["t9: counters or coupons of no template", "t2: 0 left + 0 issued is not 4 in all"]),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_difference_is_named_and_no_other(planted: str) -> None:
    part, position, wrong, expected = PLANTED[planted]
    told = books()
    told[part][position] = wrong
    assert differences(told) == expected


def test_a_coupon_that_is_gone_is_missed() -> None:
    told = books()
    del told["coupons"][1]
    assert differences(told) == ["t1: 3 issued, members have 2", "t1: m1 is said to have got 2, and has 1"]


def test_a_coupon_that_nobody_issued_is_named() -> None:
    told = books()
    told["coupons"].append(coupon("c4", "m3"))
    assert differences(told) == ["t1: 3 issued, members have 4", "t1: m3 is said to have got 0, and has 1"]


def test_a_coupon_of_no_template_is_named() -> None:
    told = books()
    told["coupons"].append(coupon("c4", "m3", template_id="t9"))
    told["received"].append(Received("m3", "t9", 1))
    assert differences(told) == ["t9: counters or coupons of no template"]


def test_a_total_that_was_changed_without_its_stock_is_named() -> None:
    told = books()
    told["templates"][1] = msgspec.structs.replace(told["templates"][1], total=5)
    assert differences(told) == ["t2: 4 left + 0 issued is not 5 in all"]
