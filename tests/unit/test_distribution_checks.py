"""The audit of distribution: books that agree have no difference, and each that is planted is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.orders.rules import Order
from chalicelib.growth.distribution.checks import BindingRecord, Records, audit
from chalicelib.growth.distribution.rules import (
    Binding,
    DistributionRules,
    Distributor,
    DistributorRecord,
    MonthlySales,
    SalesTotals,
    Tier,
    reduced,
)
from chalicelib.ledger import rules as entries
from chalicelib.ledger.rules import Entry
from tests.support.commissions import NOW, paid_order, pays, refunded, released

RULES = DistributionRules(enabled=True, levels=2, rates_bp=[1000, 500], leaderboard=True)
replace = msgspec.structs.replace


class Books(msgspec.Struct):
    """What agrees: "buyer", whom "seller" brought, whom "above" brought, and an order with a piece given back."""

    order: Order
    entries: list[Entry]
    records: Records

    def differences(self) -> list[str]:
        return [f"{one.about}: {one.what}" for one in audit([self.order], self.entries, self.records)]


def binding(member: str, inviter: str, *, days: int = 0, bound_days_ago: int = 1) -> Binding:
    bound = NOW - timedelta(days=bound_days_ago)
    return Binding(
        member_id=member, inviter=inviter, token="t", bound_at=bound,
        until=bound + timedelta(days=days) if days else None,
    )  # fmt: skip


def agreeing() -> Books:
    order = paid_order((2, 2000), (1, 500))
    first, second = pays(order, RULES)
    first = replace(first, own_customer=True, on_board=True)
    after = replace(refunded(order, "r", (0, 1)), received_at=NOW)
    ours, theirs = (reduced(one, (first, second), after) for one in (first, second))
    about = "o1", 1, "seller", NOW
    posted = [
        entries.earned(*about, first.amount_fen),
        entries.reversed_to(*about, first.amount_fen - ours.amount_fen, ours.amount_fen, "pending"),
        entries.released(*about, ours.amount_fen),
        entries.earned("o1", 2, "above", NOW, second.amount_fen),
        entries.reversed_to("o1", 2, "above", NOW, second.amount_fen - theirs.amount_fen, theirs.amount_fen, "pending"),
        entries.rewarded("seller", "gold", NOW, 77),  # of no order
    ]
    people = [
        (Distributor(member_id=who, state="active", invite_code=who, applied_at=NOW, rewarded=rewarded), totals)
        for who, totals, rewarded in (("seller", SalesTotals(1500, 1, 1), ["gold"]), ("above", SalesTotals(), []))
    ]
    gold = Tier(tier_id="gold", name="金牌", reward_fen=77)
    records = Records(
        commissions=[released(ours), theirs],
        bindings=[BindingRecord(binding("buyer", "seller"), 1, 1500), BindingRecord(binding("seller", "above"), 0, 0)],
        distributors=[DistributorRecord(*one) for one in people],
        customers=[("seller", "buyer")],
        sales=[MonthlySales("seller", "2026-11", 1500)],
        rules={1: RULES, 2: replace(RULES, tiers=[gold])},
    )
    return Books(after, posted, records)


def change(books: Books, number: int, **changes: Any) -> None:
    books.records.commissions[number] = replace(books.records.commissions[number], **changes)


def change_line(books: Books, number: int, **changes: Any) -> None:
    lines = list(books.records.commissions[0].lines)
    lines[number] = replace(lines[number], **changes)
    change(books, 0, lines=lines)


def first_distributor(books: Books, totals: SalesTotals) -> None:
    books.records.distributors[0] = DistributorRecord(books.records.distributors[0].distributor, totals)


def rules_by(books: Books, version: int, rules: DistributionRules | None) -> None:
    books.records = replace(books.records, rules={**books.records.rules, version: rules})


def with_order(books: Books, **changes: Any) -> None:
    books.order = replace(books.order, **changes)


PLANTED: dict[str, Callable[[Books], Any]] = {
    "o1: pays stranger on level 1, who is not in its chain": lambda b: change(b, 0, member_id="stranger"),
    "o1: pays above on level 2, who is not in its chain": lambda b: with_order(b, chain=["seller"]),
    "o1: has somebody twice in its chain": lambda b: with_order(b, chain=["seller", "buyer"]),
    "o1: pays 375 fen of commissions, at most 300 are allowed": lambda b: change(b, 0, cap_fen=300),
    "o1: pays 375 fen, level 1 says 376": lambda b: change(b, 0, order_earned_fen=376),
    "s0: 100 fen are left, by the rule 67": lambda b: change(b, 0, cap_fen=150),
    "seller on level 1: pending 0 available 150, the entries say pending 250 available 0": lambda b: (
        b.entries.__delitem__(slice(1, 3))
    ),
    "above on level 2: pending 75 available 0, the entries say pending 0 available 0": lambda b: b.entries.__delitem__(
        slice(3, 5)
    ),
    "o1: above on level 2: pending 0 available 0, the entries say pending 75": lambda b: b.records.commissions.pop(),
    "nowhere: pays commissions, and is no order": lambda b: b.entries.append(
        entries.earned("nowhere", 1, "seller", NOW, 5)
    ),
    "o1 level 1: the buyer is buyer, not other": lambda b: change(b, 0, buyer_id="other"),
    "o1 level 1: its lines are not those of the order": lambda b: change(b, 0, lines=[]),
    "s1: of 600 fen paid, the order says 500": lambda b: change_line(b, 1, paid_fen=600),
    "s0: on 2000 fen, of the order 1000 are left": lambda b: change_line(b, 0, base_fen=2000),
    "s0: 210 fen are not 1000 basis points": lambda b: change_line(b, 0, earned_fen=210),
    "s0: 200 fen are not 900 basis points": lambda b: change_line(b, 0, rate_bp=900),
    "s0: 99 fen are left, by the rule 100": lambda b: change_line(b, 0, amount_fen=99),
    "o1 level 1: is reversed, and 1500 fen were not given back": lambda b: change(b, 0, state="reversed"),
    "o1 level 1: is available before the order was received": lambda b: with_order(b, received_at=None),
    "brought themselves, in a ring of 3": lambda b: b.records.bindings.append(
        BindingRecord(binding("above", "buyer"), 0, 0)
    ),
    "lone: brought themselves, in a ring of 1": lambda b: b.records.bindings.append(
        BindingRecord(binding("lone", "lone"), 0, 0)
    ),
    "buyer: is counted 2 orders of 1500 fen, the commissions say 1 of 1500": lambda b: b.records.bindings.__setitem__(
        0, BindingRecord(binding("buyer", "seller"), 2, 1500)
    ),
    "buyer: is counted 1 orders of 1500 fen, the commissions say 0 of 0": lambda b: b.records.bindings.__setitem__(
        0, BindingRecord(binding("buyer", "seller", bound_days_ago=-1), 1, 1500)
    ),
    "o1 level 1: was made by version 3 of the settings, which is not kept": lambda b: change(b, 0, rules_version=3),
    "o1 level 2: version 1 pays no such level, or nobody there": lambda b: rules_by(b, 1, replace(RULES, levels=1)),
    "o1 level 1: version 1 pays no such level, or nobody there": lambda b: rules_by(
        b, 1, replace(RULES, stopped_regions=["310000"])
    ),
    "o1 level 2: its days or its cap are not those of version 1": lambda b: change(b, 1, freeze_days=8),
    "s0: 1000 basis points of the default are not of version 1": lambda b: rules_by(
        b, 1, replace(RULES, rates_bp=[9, 9])
    ),
    "s0: 1000 basis points of the tier are not of version 1": lambda b: change_line(b, 0, source="tier"),
    "seller: has sold 1 fen, the commissions say 1500": lambda b: first_distributor(b, SalesTotals(1, 1, 1)),
    "seller: has 2 orders, the commissions say 1": lambda b: first_distributor(b, SalesTotals(1500, 2, 1)),
    "seller: has 2 customers, and 1 are named": lambda b: first_distributor(b, SalesTotals(1500, 1, 2)),
    "seller: buyer bought and kept, and is no customer": lambda b: b.records.customers.clear(),
    "above: buyer is a customer, and the commissions say nothing of it": lambda b: b.records.customers.append(
        ("above", "buyer")
    ),
    "seller 2026-11: sales of 0 fen, the commissions say 1500": lambda b: b.records.sales.clear(),
}


def test_books_that_agree_have_no_difference() -> None:
    assert agreeing().differences() == []
    assert audit([], [], Records()) == []


@pytest.mark.parametrize("difference", PLANTED)
def test_what_is_planted_is_named(difference: str) -> None:
    books = agreeing()
    PLANTED[difference](books)
    assert [one for one in books.differences() if difference in one], books.differences()


def test_a_tie_that_was_over_before_another_was_made_is_no_ring() -> None:
    books = agreeing()
    books.records.bindings.append(BindingRecord(binding("above", "buyer", days=2, bound_days_ago=9), 0, 0))
    assert books.differences() == []


def test_rules_that_were_changed_since_are_not_held_against_what_was_earned_before() -> None:
    books = agreeing()
    rules_by(books, 3, replace(RULES, order_cap_fen=1, freeze_days=1, rates_bp=[1, 1]))
    assert books.differences() == []


def test_a_buyer_who_turned_out_to_be_another_and_that_one_another_is_the_buyer() -> None:
    books = agreeing()
    change(books, 0, buyer_id="former")
    assert [one for one in books.differences() if "the buyer is" in one]
    books.records = replace(books.records, moved={"former": "between", "between": "buyer"})
    assert [one for one in books.differences() if "the buyer is" in one] == []
