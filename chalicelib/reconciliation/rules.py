"""Holding WeChat's bills of a day against our journal: pure. Amounts are fen.

What is compared are payments by order, refunds by refund, transfers by withdrawal: each by its number, never by its
time, so that what one side has before midnight and the other after it is no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Literal

import msgspec

from chalicelib.core import ids
from chalicelib.ledger.rules import Entry, wechat_fen

Subject = Literal["payment", "refund", "transfer"]
#: missing_here: WeChat moved money that we know nothing of. missing_there: we booked what no bill has. amount: both
#: have it, with other sums. state: one side says that the money moved, the other knows of it and says that it did not.
DifferenceKind = Literal["missing_here", "missing_there", "amount", "state"]
DifferenceState = Literal["open", "closed"]
TheirState = Literal["done", "pending", "failed"]

#: A payment, a refund or a transfer: what it is, and our number of it.
Key = tuple[Subject, str]

#: Who closes a difference that a later run no longer finds, and with what reason.
SYSTEM = "system"
RESOLVED = "resolved"
#: A refund in one of these states may rightly be on its way at WeChat.
_PUSHED = frozenset({"approved", "processing", "succeeded", "failed"})


class Ours(msgspec.Struct, frozen=True):
    """Money that our journal says has moved at WeChat."""

    key: Key
    amount_fen: int
    at: datetime


class Theirs(msgspec.Struct, frozen=True):
    """What a bill says of one number.

    `state`: whether the money has moved, has not yet, or never will. `number` and `word` are WeChat's for it and its
    state.
    """

    key: Key
    number: str
    amount_fen: int
    state: TheirState
    word: str


class Known(msgspec.Struct, frozen=True):
    """An order, a refund or a withdrawal as it is here; `number`: under which WeChat knows it now."""

    state: str
    number: str


class DaySums(msgspec.Struct, frozen=True, kw_only=True):
    """How many there were, and what they came to in fen."""

    payments: int = 0
    payments_fen: int = 0
    refunds: int = 0
    refunds_fen: int = 0
    transfers: int = 0
    transfers_fen: int = 0


class ComparedDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day as it was last compared: what the bills and the journal have of it.

    The two sums may differ without a difference, by what lies on both sides of midnight. `fees_fen` is what WeChat
    kept. `ran_at`: when it was first found so.
    """

    day: date
    ran_at: datetime
    theirs: DaySums
    ours: DaySums
    fees_fen: int
    differences: int


class BillDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A thing of which WeChat's bills and our books do not say the same, and what became of it.

    `number` is ours: the order's id, the refund's, the withdrawal's. `ours_fen` and `theirs_fen` are null on the side
    that has nothing. `closed_by` is an operator, or `system` when a later run found both alike.
    """

    difference_id: str
    day: date
    kind: DifferenceKind
    subject: Subject
    number: str
    ours_fen: int | None
    theirs_fen: int | None
    ours_state: str
    theirs_state: str
    found_at: datetime
    state: DifferenceState = "open"
    closed_at: datetime | None = None
    closed_by: str = ""
    reason: str = ""

    def same_as(self, other: BillDifference) -> bool:
        """Whether both tell the same, whenever it was found and whatever became of it."""
        return msgspec.structs.replace(self, found_at=other.found_at) == msgspec.structs.replace(
            other, state=self.state, closed_at=self.closed_at, closed_by=self.closed_by, reason=self.reason
        )


def ours_of(entry: Entry) -> Ours | None:
    """What the entry has moved at WeChat; None when it moved nothing there."""
    fen = wechat_fen(entry)
    if fen == 0:
        return None
    if entry.cause.startswith("refunded:"):
        return Ours(("refund", entry.cause.partition(":")[2]), -fen, entry.at)
    subject: Subject = "payment" if fen > 0 else "transfer"
    return Ours((subject, entry.about), abs(fen), entry.at)


def sums(told: Iterable[Ours | Theirs]) -> DaySums:
    """How many payments, refunds and transfers have moved money, and how much."""
    counted = dict.fromkeys(DaySums.__struct_fields__, 0)
    for one in told:
        if isinstance(one, Ours) or one.state != "failed":
            counted[f"{one.key[0]}s"] += 1
            counted[f"{one.key[0]}s_fen"] += one.amount_fen
    return DaySums(**counted)


def match(
    day: date,
    now: datetime,
    theirs: Iterable[Theirs],
    ours: Mapping[Key, Ours],
    known: Mapping[Key, Known],
    unseen: Iterable[Key],
) -> list[BillDifference]:
    """The differences of a day.

    `ours` are our entries of whatever day for what the bills have, and of this day; `known` is what we have of a number
    without an entry, or of one that WeChat says has failed; `unseen` are those of our day that no bill has.
    """
    found: list[BillDifference] = []
    for their in theirs:
        our, about = ours.get(their.key), known.get(their.key)
        kind = _differs(their, our, about)
        if kind is not None:
            state = "paid" if our else about.state if about else ""
            found.append(_difference(day, now, kind, their.key, our, their, state))
    found += [_difference(day, now, "missing_there", key, ours[key], None, "paid") for key in unseen]
    return sorted(found, key=lambda one: one.difference_id)


def _differs(their: Theirs, our: Ours | None, about: Known | None) -> DifferenceKind | None:
    if their.state == "failed":
        # That WeChat closed a refund is no matter once it was paid out under a new number.
        return "state" if our is not None and (about is None or about.number == their.number) else None
    if our is not None:
        return None if our.amount_fen == their.amount_fen else "amount"
    if about is None:
        return "missing_here"
    return None if their.state == "pending" and about.state in _PUSHED else "state"


def _difference(
    day: date, now: datetime, kind: DifferenceKind, key: Key, our: Ours | None, their: Theirs | None, state: str
) -> BillDifference:
    return BillDifference(
        difference_id=f"{day.isoformat()}-{ids.derived('', *key, kind, day.isoformat())[:16]}",
        day=day,
        kind=kind,
        subject=key[0],
        number=key[1],
        ours_fen=our.amount_fen if our else None,
        theirs_fen=their.amount_fen if their else None,
        ours_state=state,
        theirs_state=their.word if their else "",
        found_at=now,
    )


def day_of(difference_id: str) -> str:
    """The day within a difference's id."""
    return difference_id[:10]


def settle(
    before: Mapping[str, BillDifference], found: Iterable[BillDifference], now: datetime
) -> list[BillDifference]:
    """The differences of a day that change by a run that found these; `before` are those that stand, by their ids.

    What an operator has closed stays closed. What is no longer found is closed by itself, and open again if it comes
    back.
    """
    changed: list[BillDifference] = []
    missing = {one.difference_id for one in before.values() if one.state == "open"}
    for one in found:
        known = before.get(one.difference_id)
        missing.discard(one.difference_id)
        if known is None or (known.closed_by == SYSTEM and known.state == "closed"):
            changed.append(one)
        elif known.state == "open" and not known.same_as(one):
            changed.append(msgspec.structs.replace(one, found_at=known.found_at))
    return changed + [closed(before[number], SYSTEM, RESOLVED, now) for number in sorted(missing)]


def closed(difference: BillDifference, by: str, reason: str, now: datetime) -> BillDifference:
    """The difference after it was closed."""
    return msgspec.structs.replace(difference, state="closed", closed_at=now, closed_by=by, reason=reason)
