"""The journal's entries: which accounts each moves, what it does to a member's, and what all of them come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.ledger import rules as ledger
from chalicelib.ledger.checks import audit_balances
from chalicelib.ledger.rules import Balance, BalanceChange, Entry, Posting, Sale, Turnover

AT = datetime(2026, 11, 22, 4, tzinfo=UTC)
WHOLE = Sale(goods_fen=1000, freight_fen=200, coupons_fen=30, promotions_fen=4)
PART = Sale(goods_fen=400, freight_fen=50, coupons_fen=10, promotions_fen=1)

FEN = st.integers(0, 9_999)
SALES = st.builds(Sale, goods_fen=FEN, freight_fen=FEN, coupons_fen=FEN, promotions_fen=FEN)


# What is sold


@given(SALES, SALES)
def test_a_part_and_what_remains_without_it_make_the_whole(whole: Sale, part: Sale) -> None:
    rest = whole.less(part)
    sums = [of_part + of_rest for of_part, of_rest in zip(*map(msgspec.structs.astuple, (part, rest)), strict=True)]
    assert tuple(sums) == msgspec.structs.astuple(whole)
    assert rest.paid_fen == whole.paid_fen - part.paid_fen


def test_what_was_paid_is_goods_and_freight_less_what_came_off() -> None:
    assert (WHOLE.paid_fen, PART.paid_fen, Sale().paid_fen) == (1166, 439, 0)


# What an entry moves

#: What happened, the cause and the subject under which the journal has it, and what it puts into which account.
OF_ORDERS: list[tuple[Entry, str, dict[str, int]]] = [
    (ledger.paid("o", AT, WHOLE), "paid",
     {"wechat": 1166, "sales:goods": -1000, "sales:freight": -200, "discounts:coupons": 30,
      "discounts:promotions": 4}),
    (ledger.paid("o", AT, Sale(goods_fen=7)), "paid", {"wechat": 7, "sales:goods": -7}),
    (ledger.paid_late("o", AT, 500), "paid-late", {"wechat": 500, "payments:surplus": -500}),
    (ledger.refund_granted("r", "o", AT, PART), "granted:r",
     {"sales:goods": 400, "sales:freight": 50, "discounts:coupons": -10, "discounts:promotions": -1,
      "refunds:owed": -439}),
    (ledger.reckoned_anew("o", AT, Sale(goods_fen=34, coupons_fen=30, promotions_fen=4)), "reckoned",
     {"sales:goods": 34, "discounts:coupons": -30, "discounts:promotions": -4}),
    (ledger.surplus_owed("r", "o", AT, 500), "granted:r", {"payments:surplus": 500, "refunds:owed": -500}),
    (ledger.refund_paid("r", "o", AT, 439), "refunded:r", {"refunds:owed": 439, "wechat": -439}),
]  # fmt: skip


@pytest.mark.parametrize(("made", "cause", "moved"), OF_ORDERS)
def test_what_happens_to_an_order_moves_the_mall_s_accounts_alone(
    made: Entry, cause: str, moved: dict[str, int]
) -> None:
    assert (made.cause, made.about, made.at, made.note) == (cause, "o", AT, "")
    assert ledger.balances([made]) == moved
    assert len(made.postings) == len(moved)
    assert ledger.wechat_fen(made) == moved.get("wechat", 0)
    assert ledger.change_of(made) is None


#: What happened to member m, the cause, what it puts into which of the mall's accounts, how it changes the member's
#: (pending, available, withdrawing, withdrawn), and what came and went.
OF_MEMBERS: list[tuple[Entry, str, dict[str, int], tuple[int, int, int, int], Turnover]] = [
    (ledger.earned("o", 2, "m", AT, 50), "commission:2", {"commissions": 50}, (50, 0, 0, 0), Turnover(earned=50)),
    (ledger.reversed_to("o", 1, "m", AT, 20, 30, "pending"), "commission:1:left:30:1", {"commissions": -20},
     (-20, 0, 0, 0), Turnover(reversed=20)),
    (ledger.reversed_to("o", 1, "m", AT, 20, 30, "available", 4), "commission:1:left:30:4", {"commissions": -20},
     (0, -20, 0, 0), Turnover(reversed=20)),
    (ledger.reversed_to("o", 1, "m", AT, -5, 55, "pending"), "commission:1:left:55:1", {"commissions": 5},
     (5, 0, 0, 0), Turnover(earned=5)),
    (ledger.released("o", 1, "m", AT, 30), "commission:1:released", {}, (-30, 30, 0, 0), Turnover()),
    (ledger.rewarded("m", "gold", AT, 77), "reward:gold", {"rewards": 77}, (0, 77, 0, 0), Turnover(rewarded=77)),
    (ledger.withdrawal_begun("w", "m", AT, 90), "begun", {}, (0, -90, 90, 0), Turnover()),
    (ledger.withdrawal_paid("w", "m", AT, 90, 18, 2), "paid",
     {"payouts": 90, "wechat": -70, "tax:payable": -18, "fees": -2}, (0, 0, -90, 90), Turnover(withdrawn=90)),
    (ledger.withdrawal_failed("w", "m", AT, 90), "failed", {}, (0, 90, -90, 0), Turnover()),
    (ledger.withdrawal_failed("w", "m", AT, 90, 16), "failed", {"payouts": -16, "tax:payable": 16},
     (0, 106, -90, -16), Turnover(tax_returned=16)),
    (ledger.withdrawal_failed("w", "m", AT, 90, -16), "failed", {"payouts": 16, "tax:payable": -16},
     (0, 74, -90, 16), Turnover(tax_returned=-16)),
    (ledger.waived("m", AT, 40), "waived", {"balances:waived": -40}, (0, -40, 0, 0), Turnover(written_off=40)),
    (ledger.written_off("m", "3", AT, 40), "written-off:3", {"balances:written-off": -40}, (0, -40, 0, 0),
     Turnover(written_off=40)),
    (ledger.written_off("m", "4", AT, -40), "written-off:4", {"balances:written-off": 40}, (0, 40, 0, 0),
     Turnover(written_off=-40)),
    (ledger.charged("m", AT, 40), "charged", {"balances:written-off": -40}, (0, -40, 0, 0), Turnover(written_off=40)),
]  # fmt: skip
KINDS = ("pending", "available", "withdrawing", "withdrawn")


@pytest.mark.parametrize(
    ("made", "cause", "moved", "change", "turnover"), OF_MEMBERS, ids=lambda value: str(value)[:25]
)
def test_what_happens_to_a_member_changes_what_the_mall_owes_them_and_tells_why(
    made: Entry, cause: str, moved: dict[str, int], change: tuple[int, int, int, int], turnover: Turnover
) -> None:
    owed_to_them = {f"member:m:{kind}": -fen for kind, fen in zip(KINDS, change, strict=True) if fen}
    about = {"commission": "o", "reward": "m", "waived": "m", "written-off": "m", "charged": "m"}.get(
        cause.partition(":")[0], "w"
    )
    assert (made.cause, made.about, made.at, made.note) == (cause, about, AT, "")
    assert ledger.balances([made]) == moved | owed_to_them
    assert ledger.wechat_fen(made) == moved.get("wechat", 0)
    changed = Balance(**dict(zip(KINDS, change, strict=True)))
    assert ledger.change_of(made) == BalanceChange("m", changed, turnover)
    assert turnover.net == changed.owed == sum(change[:3])


def test_a_note_is_kept_with_what_is_written_off() -> None:
    assert ledger.written_off("m", "1", AT, 5, "left for good").note == "left for good"


def test_what_leaves_in_two_legs_of_one_account_is_one_change() -> None:
    legs = ("member:m:available", 30), ("member:m:available", 12), (ledger.WAIVED, -42)
    made = ledger.entry("c", "m", AT, *legs)
    assert ledger.change_of(made) == BalanceChange("m", Balance(available=-42), Turnover(written_off=42))
    assert ledger.balances([made, made]) == {"member:m:available": 84, ledger.WAIVED: -84}


@pytest.mark.parametrize(
    "legs", [(), (("wechat", 0),), (("wechat", 5), ("sales:goods", -4)), (("wechat", -1), ("sales:goods", 0))]
)
def test_an_entry_of_nothing_or_that_does_not_sum_to_zero_is_refused(legs: tuple[tuple[str, int], ...]) -> None:
    with pytest.raises(ValueError, match="entry c of o does not sum to zero"):
        ledger.entry("c", "o", AT, *legs)


def test_an_entry_that_sums_to_zero_is_itself_without_legs_of_nothing() -> None:
    made = ledger.entry("c", "o", AT, ("wechat", 5), ("fees", 0), ("sales:goods", -5), note="n")
    assert made == Entry("c", "o", AT, (Posting("wechat", 5), Posting("sales:goods", -5)), "n")
    assert ledger.check(made) is made


def test_an_entry_of_two_members_is_no_change_of_one() -> None:
    made = ledger.entry("c", "o", AT, ("member:a:available", 5), ("member:b:available", -5))
    with pytest.raises(ValueError, match="entry c of o concerns two members"):
        ledger.change_of(made)


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 9), st.integers(0, 9), st.integers(1, 3))
def test_what_a_member_has_moves_to_who_they_turned_out_to_be_but_not_what_is_on_its_way(
    pending: int, available: int, withdrawing: int, withdrawn: int, number: int
) -> None:
    found = Balance(pending=pending, available=available, withdrawing=withdrawing, withdrawn=withdrawn)
    made = ledger.transferred("a", "b", number, AT, found)
    if not (pending or available or withdrawn):
        assert made is None
        return
    assert made is not None
    assert (made.about, made.cause) == ("a", "merge:a" if number == 1 else f"merge:a:{number}")
    given_, got = ledger.changes_of(made)
    assert (given_.member_id, got.member_id) == ("a", "b")
    assert got.change == Balance(pending=pending, available=available, withdrawn=withdrawn)
    assert ledger.change_of(made) == got
    assert got.turnover == Turnover(transferred=pending + available)
    assert given_.turnover == Turnover(transferred=-pending - available)
    assert got.turnover.net == got.change.owed
    kept = {"a": Balance(withdrawing=withdrawing), "b": got.change}
    legs = [(f"member:a:{kind}", -getattr(found, kind)) for kind in KINDS]
    before = ledger.entry("begun", "w", AT, *legs, ("x", -sum(fen for _, fen in legs)))
    months = {
        one.member_id: [ledger.Month("2026-11", one.turnover, {})] for one in (given_, got) if one.turnover.transferred
    }
    told = audit_balances([before, made], kept, months)
    assert [one for one in told if one.what.startswith("has ")] == []
    for other in (("member:b:withdrawing", 1), ("member:c:pending", 1)):
        moved = [(one.account, one.amount_fen) for one in made.postings]
        wrong = ledger.entry(made.cause, "a", AT, *moved, other, ("x", -1))
        assert any("concerns" in one.what for one in audit_balances([wrong], kept, months))


# What all of it comes to

#: What may happen to a member, with an amount in fen: whatever the order, the books must agree.
DEEDS: dict[str, Callable[[int], Entry]] = {
    "earned": lambda fen: ledger.earned("o", 1, "m", AT, fen),
    "taken back": lambda fen: ledger.reversed_to("o", 1, "m", AT, fen, 0, "available"),
    "given more": lambda fen: ledger.reversed_to("o", 1, "m", AT, -fen, 0, "pending"),
    "released": lambda fen: ledger.released("o", 1, "m", AT, fen),
    "rewarded": lambda fen: ledger.rewarded("m", "gold", AT, fen),
    "begun": lambda fen: ledger.withdrawal_begun("w", "m", AT, fen),
    "paid": lambda fen: ledger.withdrawal_paid("w", "m", AT, fen, fen // 5, fen // 100),
    "failed": lambda fen: ledger.withdrawal_failed("w", "m", AT, fen, fen // 3),
    "failed, and more is due": lambda fen: ledger.withdrawal_failed("w", "m", AT, fen, -(fen // 3)),
    "waived": lambda fen: ledger.waived("m", AT, fen),
    "written off": lambda fen: ledger.written_off("m", "1", AT, fen),
    "a debt written off": lambda fen: ledger.written_off("m", "1", AT, -fen),
    "charged again": lambda fen: ledger.charged("m", AT, fen),
}


@given(st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), st.integers(1, 9_999)), max_size=20))
def test_whatever_happens_what_the_mall_owes_is_what_came_less_what_went(deeds: list[tuple[str, int]]) -> None:
    entries = [DEEDS[deed](fen) for deed, fen in deeds]
    accounts = ledger.balances(entries)
    assert sum(accounts.values()) == 0
    total, came = Turnover(), Counter[str]()
    for (deed, fen), made in zip(deeds, entries, strict=True):
        effect = ledger.change_of(made)
        assert effect is not None
        total = total.plus(effect.turnover)
        came[deed] += fen
        came["returned"] += {"failed": fen // 3, "failed, and more is due": -(fen // 3)}.get(deed, 0)
    assert total == Turnover(
        earned=came["earned"] + came["given more"], reversed=came["taken back"], rewarded=came["rewarded"],
        withdrawn=came["paid"], tax_returned=came["returned"],
        written_off=came["waived"] + came["written off"] + came["charged again"]
        - came["a debt written off"],
    )  # fmt: skip
    assert total.net == -sum(accounts.get(f"member:m:{kind}", 0) for kind in KINDS[:3])


@pytest.mark.parametrize(
    ("at", "month"),
    [
        (datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC), "2026-11"),
        (datetime(2026, 11, 30, 16, tzinfo=UTC), "2026-12"),
        (datetime(2026, 12, 31, 16, tzinfo=UTC), "2027-01"),
    ],
)
def test_a_month_begins_at_midnight_in_shanghai(at: datetime, month: str) -> None:
    assert ledger.month(at) == month
