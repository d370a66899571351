"""Two accounts of a day: what differs is found, all of it and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.gateways.wechat.bills import FlowRow, TradeRow
from chalicelib.insight.reconciliation.rules import (
    BillDifference,
    BillLines,
    DaySums,
    Key,
    Known,
    Ours,
    Subject,
    Theirs,
    closed,
    match,
    ours_of,
    settle,
    sums,
    unread,
)
from chalicelib.insight.reconciliation.statements import queries as statements
from chalicelib.ledger import rules as entries
from chalicelib.ledger.rules import Sale

DAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 22, 2, 5, tzinfo=UTC)
AT = datetime(2026, 11, 21, 4, tzinfo=UTC)
SUBJECTS: tuple[Subject, ...] = ("payment", "refund", "transfer")

#: How a thing stands here and at WeChat, and the one difference that there is then: as people would say it.
CASES = {
    ("booked 100", "done 100"): None,
    ("booked 100", "pending 100"): None,
    ("booked 100", "done 99"): "amount",
    ("booked 100", "pending 101"): "amount",
    ("booked 100", "failed 100"): "state",
    ("booked 100", "nothing"): "missing_there",
    ("begun", "done 100"): "state",
    ("begun", "failed 100"): None,
    ("approved", "pending 100"): None,
    ("requested", "pending 100"): "state",
    ("begun", "nothing"): None,
    ("nothing", "done 100"): "missing_here",
    ("nothing", "pending 100"): "missing_here",
    ("nothing", "failed 100"): None,
    ("nothing", "nothing"): None,
    ("paid under a new number", "failed 100"): None,
}


@given(st.lists(st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(sorted(CASES))), max_size=12), st.randoms())
def test_every_difference_is_found_and_nothing_else(things: list[tuple[Subject, tuple[str, str]]], order: Any) -> None:
    ours: dict[Key, Ours] = {}
    known: dict[Key, Known] = {}
    theirs: list[Theirs] = []
    unseen: list[Key] = []
    expected = set()
    for number, (subject, (here, there)) in enumerate(things):
        key: Key = (subject, f"N{number}")
        if here.startswith(("booked", "paid")):
            ours[key] = Ours(key, 100, AT)
            known[key] = Known("succeeded", "another" if "new number" in here else key[1])
            if there == "nothing":
                unseen.append(key)
        elif here != "nothing":
            known[key] = Known(here, key[1])
        if there != "nothing":
            state, fen = there.split()
            word = "SUCCESS" if state == "done" else state.upper()
            theirs.append(Theirs(key, key[1], int(fen), state, word))  # type: ignore[arg-type]
        if (kind := CASES[here, there]) is not None:
            expected.add((kind, *key))
    order.shuffle(theirs)
    told = BillLines(theirs)
    ours_sums, booked = told.agree(ours.values())
    assert (told.sums, ours_sums) == (sums(theirs), sums(ours.values()))
    left = told.unmatched()
    found = match(DAY, NOW, theirs, ours, known, unseen)
    assert match(DAY, NOW, left.values(), booked, known, unseen) == found
    assert {(one.kind, one.subject, one.number) for one in found} == expected
    assert len(found) == len({one.difference_id for one in found}) == len(expected)
    assert all(one.difference_id.startswith("2026-11-21-") for one in found)
    again = match(DAY, NOW + timedelta(days=1), reversed(theirs), ours, known, unseen)
    assert [one.difference_id for one in again] == [one.difference_id for one in found]


def test_a_difference_tells_what_both_sides_say() -> None:
    key: Key = ("refund", "o1-r1")
    their = Theirs(key, "o1-r1", 90, "done", "SUCCESS")
    (found,) = match(DAY, NOW, [their], {key: Ours(key, 100, AT)}, {}, [])
    told = (found.kind, found.subject, found.number, found.ours_fen, found.theirs_fen)
    assert told == ("amount", "refund", "o1-r1", 100, 90)
    assert (found.ours_state, found.theirs_state, found.state) == ("paid", "SUCCESS", "open")


@pytest.mark.parametrize(
    ("entry", "key", "fen"),
    [
        (entries.paid("o1", AT, Sale(goods_fen=900, freight_fen=100)), ("payment", "o1"), 1000),
        (entries.paid_late("o1", AT, 1000), ("payment", "o1"), 1000),
        (entries.refund_paid("o1-r1", "o1", AT, 400), ("refund", "o1-r1"), 400),
        (entries.withdrawal_paid("w1", "m1", AT, 1000, 30, 2), ("transfer", "w1"), 968),
    ],
)
def test_what_an_entry_moved_at_wechat(entry: Any, key: Key, fen: int) -> None:
    assert ours_of(entry) == Ours(key, fen, AT)


@pytest.mark.parametrize(
    "entry",
    [
        entries.paid("o1", AT, Sale(goods_fen=900, coupons_fen=900)),
        entries.refund_granted("o1-r1", "o1", AT, Sale(goods_fen=400)),
        entries.withdrawal_begun("w1", "m1", AT, 1000),
        entries.earned("o1", 1, "m1", AT, 10),
    ],
)
def test_other_entries_moved_nothing_there(entry: Any) -> None:
    assert ours_of(entry) is None


def difference(number: str, fen: int = 1) -> BillDifference:
    key: Key = ("payment", number)
    (found,) = match(DAY, NOW, [Theirs(key, number, fen, "done", "SUCCESS")], {}, {}, [])
    return found


def by_id(*differences: BillDifference) -> dict[str, BillDifference]:
    return {one.difference_id: one for one in differences}


LATER = NOW + timedelta(days=1)


def test_the_same_again_changes_nothing() -> None:
    one = difference("A")
    assert settle(by_id(one), [msgspec.structs.replace(one, found_at=LATER)], LATER) == []


def test_what_a_later_run_no_longer_finds_is_closed_by_itself_and_opens_again_if_it_comes_back() -> None:
    one = difference("A")
    (gone,) = settle(by_id(one), [], LATER)
    assert (gone.state, gone.closed_by, gone.reason, gone.closed_at) == ("closed", "system", "resolved", LATER)
    assert settle(by_id(gone), [], LATER) == []
    assert settle(by_id(gone), [one], LATER) == [one]


def test_what_an_operator_has_closed_stays_closed() -> None:
    one = closed(difference("A"), "operator:may", "a transfer by hand", NOW)
    assert settle(by_id(one), [difference("A")], LATER) == []
    assert settle(by_id(one), [], LATER) == []


def test_a_run_that_could_not_compare_closes_nothing_but_is_closed_by_one_that_can() -> None:
    one, none = difference("A"), unread(DAY, NOW)
    assert (none.kind, none.ours_fen, none.theirs_fen) == ("unread", None, None)
    assert settle(by_id(one), [none], LATER) == [none]
    (gone,) = settle(by_id(one, none), [one], LATER)
    assert (gone.difference_id, gone.reason) == (none.difference_id, "resolved")


def test_an_open_difference_tells_what_was_found_last() -> None:
    one, other = difference("A"), difference("A", 2)
    (changed,) = settle(by_id(one), [msgspec.structs.replace(other, found_at=LATER)], LATER)
    assert (changed.theirs_fen, changed.found_at) == (2, NOW)


def trade(number: str, fen: int, state: str = "SUCCESS", refund: str = "") -> TradeRow:
    return TradeRow(out_trade_no=number, amount_fen=fen, state=state, out_refund_no=refund)


def test_one_number_in_several_lines_is_one_thing() -> None:
    told = BillLines(statements.of_trades([
        trade("o1", 100), trade("o1", 100),
        trade("o2", 100, "FAIL", "o2-r1"), trade("o2", 100, "SUCCESS", "o2-r1-1"),
        trade("o3", 100, "FAIL", "o3-r1"), trade("o3", 100, "PROCESSING", "o3-r1-1"),
        trade("o4", 100, "CHANGE", "o4-r1"), trade("o5", 100, "REVOKED"),
    ]))  # fmt: skip
    assert {key: (one.amount_fen, one.state) for key, one in told.unmatched().items()} == {
        ("payment", "o1"): (200, "done"),
        ("refund", "o2-r1"): (100, "done"),
        ("refund", "o3-r1"): (100, "pending"),
        ("refund", "o4-r1"): (100, "failed"),
        ("payment", "o5"): (100, "failed"),
    }


def flow(number: str, fen: int, kind: str = "转账", name: str = "商家转账") -> FlowRow:
    return FlowRow(number=number, name=name, kind=kind, amount_fen=fen)


def test_of_the_fund_flow_only_transfers_are_compared_and_one_that_came_back_has_failed() -> None:
    rows = [flow("w1", -300), flow("w2", -500), flow("w2", 500, "转账退回"), flow("o1", 100, "交易", "交易")]
    transfers, fees_fen = statements.of_flow([*rows, flow("o1", -6, "扣除交易手续费", "交易")])
    assert [(one.key, one.amount_fen, one.state) for one in transfers] == [
        (("transfer", "w1"), 300, "done"),
        (("transfer", "w2"), 500, "failed"),
    ]
    assert fees_fen == 6


def test_sums_leave_out_what_has_failed() -> None:
    told = BillLines(
        statements.of_trades([trade("o1", 100), trade("o2", 5, "REVOKED"), trade("o1", 40, refund="o1-r1")])
    )
    assert told.sums == DaySums(payments=1, payments_fen=100, refunds=1, refunds_fen=40)
