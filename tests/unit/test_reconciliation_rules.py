"""Two accounts of a day: what differs is found, all of it and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.gateways.wechat.bills import FlowRow, TradeRow
from chalicelib.insight.reconciliation.rules import (
    BillDifference,
    BillLines,
    DaySums,
    DifferenceKind,
    Key,
    Known,
    Ours,
    Subject,
    Theirs,
    TheirState,
    closed,
    day_of,
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


REFUND: Key = ("refund", "o1-r1")
OURS = Ours(REFUND, 100, AT)


@pytest.mark.parametrize(
    ("their", "ours", "about", "kind", "ours_state"),
    [
        (Theirs(REFUND, "o1-r1", 90, "done", "SUCCESS"), OURS, None, "amount", "paid"),
        (Theirs(REFUND, "o1-r1", 100, "failed", "CHANGE"), OURS, None, "state", "paid"),
        (Theirs(REFUND, "o1-r1", 100, "failed", "CHANGE"), OURS, Known("succeeded", "o1-r1"), "state", "paid"),
        (Theirs(REFUND, "o1-r1-1", 90, "done", "SUCCESS"), None, None, "missing_here", ""),
        (Theirs(REFUND, "o1-r1", 90, "done", "SUCCESS"), None, Known("failed", "o1-r1"), "state", "failed"),
        (Theirs(REFUND, "o1-r1", 90, "pending", "PROCESSING"), None, Known("rejected", "n"), "state", "rejected"),
        (None, OURS, None, "missing_there", "paid"),
    ],
)
def test_a_difference_tells_what_both_sides_say(
    their: Theirs | None, ours: Ours | None, about: Known | None, kind: DifferenceKind, ours_state: str
) -> None:
    known = {} if about is None else {REFUND: about}
    booked = {} if ours is None else {REFUND: ours}
    found = match(DAY, NOW, [] if their is None else [their], booked, known, [REFUND] if their is None else [])
    assert found == [
        BillDifference(
            difference_id=found[0].difference_id, day=DAY, kind=kind, subject="refund", number="o1-r1",
            ours_fen=None if ours is None else 100, theirs_fen=None if their is None else their.amount_fen,
            ours_state=ours_state, theirs_state="" if their is None else their.word, found_at=NOW,
        )
    ]  # fmt: skip
    assert (day_of(found[0].difference_id), len(found[0].difference_id)) == ("2026-11-21", len("2026-11-21-") + 16)


def test_differences_are_told_in_the_order_of_their_ids_each_with_one_of_its_own() -> None:
    told = [Theirs(("payment", f"o{number}"), "n", 1, "done", "SUCCESS") for number in range(9)]
    unseen: list[Key] = [("refund", "o1"), ("transfer", "o1")]
    found = match(DAY, NOW, told, {key: Ours(key, 5, AT) for key in unseen}, {}, unseen)
    ids = [one.difference_id for one in found]
    assert ids == sorted(set(ids)) and len(ids) == 11
    assert {one.number: one.theirs_fen for one in found if one.kind == "missing_here"} == {
        f"o{number}": 1 for number in range(9)
    }


@pytest.mark.parametrize(
    ("entry", "key", "fen"),
    [
        (entries.paid("o1", AT, Sale(goods_fen=900, freight_fen=100)), ("payment", "o1"), 1000),
        (entries.paid_late("o1", AT, 1000), ("payment", "o1"), 1000),
        (entries.refund_paid("o1-r1", "o1", AT, 400), ("refund", "o1-r1"), 400),
        (entries.withdrawal_paid("w1", "m1", AT, 1000, 30, 2), ("transfer", "w1"), 968),
        (entries.paid("o1", AT, Sale(goods_fen=1)), ("payment", "o1"), 1),
        (entries.refund_paid("o1-r1", "o1", AT, 1), ("refund", "o1-r1"), 1),
        (entries.withdrawal_paid("w1", "m1", AT, 3, 2, 0), ("transfer", "w1"), 1),
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
    assert (one.state, one.closed_at, one.closed_by, one.reason) == (
        "closed",
        NOW,
        "operator:may",
        "a transfer by hand",
    )
    assert settle(by_id(one), [difference("A")], LATER) == []
    assert settle(by_id(one), [difference("A", 2)], LATER) == []
    assert settle(by_id(one), [], LATER) == []


#: What became of a difference before a run, and how the run finds it: as it was, with another sum, or not at all.
BEFORE = ("open", "closed by an operator", "closed by a run", "unknown")
FOUND = ("as it was", "with another sum", "no more")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(BEFORE), st.sampled_from(FOUND)), max_size=9), st.booleans())
def test_a_run_changes_what_is_new_what_is_told_otherwise_and_what_is_gone(
    things: list[tuple[str, str]], is_too_long: bool
) -> None:
    before: dict[str, BillDifference] = {}
    found = [unread(DAY, LATER)] if is_too_long else []
    changed, gone = list(found), list[BillDifference]()
    for number, (was, is_found) in enumerate(things):
        one = difference(f"A{number}")
        later = msgspec.structs.replace(one, theirs_fen=1 + (is_found == "with another sum"), found_at=LATER)
        found += [later] if is_found != "no more" else []
        if was != "unknown":
            by = {"open": "", "closed by an operator": "operator:may", "closed by a run": "system"}[was]
            before[one.difference_id] = closed(one, by, "why", NOW) if by else one
        if is_found == "no more":
            gone += [closed(one, "system", "resolved", LATER)] if was == "open" and not is_too_long else []
        elif was in ("unknown", "closed by a run"):
            changed.append(later)
        elif was == "open" and is_found == "with another sum":
            changed.append(msgspec.structs.replace(later, found_at=NOW))
    assert settle(before, found, LATER) == changed + sorted(gone, key=lambda one: one.difference_id)


def test_a_run_that_could_not_compare_closes_nothing_but_is_closed_by_one_that_can() -> None:
    one, none = difference("A"), unread(DAY, NOW)
    assert none == BillDifference(
        difference_id=none.difference_id, day=DAY, kind="unread", subject="payment", number="", ours_fen=None,
        theirs_fen=None, ours_state="", theirs_state="", found_at=NOW,
    )  # fmt: skip
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


#: WeChat's words, and what they mean.
WORDS: dict[str, TheirState] = {
    "SUCCESS": "done", "REFUND": "done", "PROCESSING": "pending", "CHANGE": "failed", "REVOKED": "failed",
}  # fmt: skip
LINES = st.builds(
    lambda key, tried, fen, word: Theirs(key, f"{key[1]}{tried}", fen, WORDS[word], word),
    st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(["A", "B"])),
    st.sampled_from(["", "", "-1"]),
    st.integers(1, 3),
    st.sampled_from(["SUCCESS", *WORDS]),
)


def together(lines: list[Theirs]) -> Theirs:
    """The lines of one number as one: all that moved, else all that may yet, else the last."""
    done = [line for line in lines if line.state == "done"] or [line for line in lines if line.state == "pending"]
    return msgspec.structs.replace(done[-1], amount_fen=sum(line.amount_fen for line in done)) if done else lines[-1]


@settings(max_examples=50)
@given(st.lists(LINES, max_size=12), st.dictionaries(LINES.map(lambda line: line.key), st.integers(1, 3)))
def test_what_both_say_alike_in_one_plain_line_is_forgotten_and_nothing_else(
    lines: list[Theirs], booked: dict[Key, int]
) -> None:
    by_key: dict[Key, list[Theirs]] = {}
    for line in lines:
        by_key.setdefault(line.key, []).append(line)
    theirs = {key: together(some) for key, some in by_key.items()}
    ours = {key: Ours(key, fen, AT) for key, fen in booked.items()}
    told = BillLines(lines)
    assert (told.sums, told.unmatched()) == (sums(theirs.values()), theirs)
    alike = {key for key, fen in booked.items() if by_key.get(key) == [Theirs(key, key[1], fen, "done", "SUCCESS")]}
    assert told.agree(ours.values()) == (
        sums(ours.values()), {key: one for key, one in ours.items() if key not in alike},
    )  # fmt: skip
    assert told.unmatched() == {key: one for key, one in theirs.items() if key not in alike}


@settings(max_examples=50)
@given(st.lists(LINES, max_size=9))
def test_what_has_moved_or_may_is_counted_by_its_kind(lines: list[Theirs]) -> None:
    moving = [(line.key[0], line.amount_fen) for line in lines if line.state != "failed"]
    fen = {subject: [amount for kind, amount in moving if kind == subject] for subject in SUBJECTS}
    assert sums(lines) == sums([Ours((kind, "n"), amount, AT) for kind, amount in moving]) == DaySums(
        payments=len(fen["payment"]), payments_fen=sum(fen["payment"]), refunds=len(fen["refund"]),
        refunds_fen=sum(fen["refund"]), transfers=len(fen["transfer"]), transfers_fen=sum(fen["transfer"]),
    )  # fmt: skip


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
