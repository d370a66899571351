"""Holding WeChat's bills of a day against our journal. Amounts are fen. Pure.

What is compared are payments by order, refunds by refund, transfers by withdrawal: each by its number, never by its
time, so that what one side has before midnight and the other after it is no difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Literal

import msgspec

from chalicelib.core import ids
from chalicelib.ledger.rules import Entry, wechat_fen

Subject = Literal["payment", "refund", "transfer"]
#: missing_here: WeChat moved money that we know nothing of. missing_there: we booked what no bill has. amount: both
#: have it, with other sums. state: one side says that the money moved, the other knows of it and says that it did not.
#: unread: the day is too long for a worker, and nothing of it was compared.
DifferenceKind = Literal["missing_here", "missing_there", "amount", "state", "unread"]
DifferenceState = Literal["open", "closed"]
TheirState = Literal["done", "pending", "failed"]

#: A payment, a refund or a transfer: what it is, and our number of it.
Key = tuple[Subject, str]

#: How long a day is read for, in seconds, of what a worker lives at most (jobs.LEASE_SECONDS). A run that began too
#: late for it is ended by Lambda, and the next try, a lease later, begins elsewhere in a worker's minute.
SECONDS_MAX = 50.0
#: The name and the reason with which a difference is closed that a later run no longer finds.
SYSTEM = "system"
RESOLVED = "resolved"
#: WeChat's word for what has moved.
_DONE = "SUCCESS"
#: A refund in one of these states may rightly be on its way at WeChat.
_PUSHED = frozenset({"approved", "processing", "succeeded", "failed"})


class Ours(msgspec.Struct, frozen=True, gc=False):
    """Money that our journal says has moved at WeChat."""

    key: Key
    amount_fen: int
    at: datetime


class Theirs(msgspec.Struct, frozen=True, gc=False):
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
        """Whether both say the same, whenever they were found and whatever became of them."""
        return msgspec.structs.replace(self, found_at=other.found_at) == msgspec.structs.replace(
            other, state=self.state, closed_at=self.closed_at, closed_by=self.closed_by, reason=self.reason
        )


def ours_of(entry: Entry) -> Ours | None:
    """Find what the entry has moved at WeChat; None when it moved nothing there."""
    fen = wechat_fen(entry)
    if fen > 0:
        return Ours(("payment", entry.about), fen, entry.at)
    if fen == 0:
        return None
    is_refund = entry.cause.startswith("refunded:")
    key: Key = ("refund", entry.cause.partition(":")[2]) if is_refund else ("transfer", entry.about)
    return Ours(key, -fen, entry.at)


def sums(moves: Iterable[Ours | Theirs]) -> DaySums:
    """Sum how many payments, refunds and transfers have moved money, and how much, in fen."""
    counts: Counter[Subject] = Counter()
    fen: Counter[Subject] = Counter()
    for one in moves:
        if isinstance(one, Ours) or one.state != "failed":
            counts[one.key[0]] += 1
            fen[one.key[0]] += one.amount_fen
    return DaySums(
        payments=counts["payment"], payments_fen=fen["payment"], refunds=counts["refund"], refunds_fen=fen["refund"],
        transfers=counts["transfer"], transfers_fen=fen["transfer"],
    )  # fmt: skip


class BillLines:
    """What the bills of a day say, each thing by its key.

    There may be hundreds of thousands of them: those that have simply moved, nearly all, are held as a number and fen.
    """

    def __init__(self, lines: Iterable[Theirs]) -> None:
        self._moved: dict[Subject, dict[str, int]] = {"payment": {}, "refund": {}, "transfer": {}}
        self._others: dict[Key, list[Theirs]] = {}
        for line in lines:
            self._take(line)
        #: Of all that the bills say.
        self.sums = sums(self._each())

    def _take(self, line: Theirs) -> None:
        subject, number = line.key
        moved = self._moved[subject]
        if number in moved:
            self._others[line.key] = [_moved(line.key, moved.pop(number)), line]
        elif line.key in self._others:
            self._others[line.key].append(line)
        elif (line.state, line.word, line.number) == ("done", _DONE, number):
            moved[number] = line.amount_fen
        else:
            self._others[line.key] = [line]

    def agree(self, ours: Iterable[Ours]) -> tuple[DaySums, dict[Key, Ours]]:
        """Sum ours, and find those of them that the bills do not say alike. What both say alike is forgotten."""
        differ: dict[Key, Ours] = {}

        def each() -> Iterator[Ours]:
            for one in ours:
                subject, number = one.key
                if self._moved[subject].get(number) == one.amount_fen:
                    del self._moved[subject][number]
                else:
                    differ[one.key] = one
                yield one

        return sums(each()), differ

    def unmatched(self) -> dict[Key, Theirs]:
        """List what `agree` has not forgotten; several lines of one number are one thing."""
        return {one.key: one for one in self._each()}

    def _each(self) -> Iterator[Theirs]:
        for subject, moved in self._moved.items():
            for number, fen in moved.items():
                yield _moved((subject, number), fen)
        yield from map(_together, self._others.values())


def _moved(key: Key, fen: int) -> Theirs:
    return Theirs(key, key[1], fen, "done", _DONE)


def _together(lines: list[Theirs]) -> Theirs:
    """Join several lines of one number: those that have moved money, else those that may, else the last."""
    for state in ("done", "pending"):
        some = [line for line in lines if line.state == state]
        if some:
            return msgspec.structs.replace(some[-1], amount_fen=sum(line.amount_fen for line in some))
    return lines[-1]


def match(
    day: date,
    now: datetime,
    theirs: Iterable[Theirs],
    ours: Mapping[Key, Ours],
    known: Mapping[Key, Known],
    unseen: Iterable[Key],
) -> list[BillDifference]:
    """Find the differences of a day.

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


def unread(day: date, now: datetime) -> BillDifference:
    """Make the difference of a day of which nothing was compared."""
    return _difference(day, now, "unread", ("payment", ""), None, None, "")


def day_of(difference_id: str) -> str:
    """Read the day within a difference's id."""
    return difference_id[:10]


def settle(
    before: Mapping[str, BillDifference], found: Iterable[BillDifference], now: datetime
) -> list[BillDifference]:
    """Find the differences of a day that change by a run that found these; `before` are those stored, by their ids.

    What an operator has closed stays closed. What is no longer found is closed by itself, and open again if it comes
    back.
    """
    changed: list[BillDifference] = []
    missing = {one.difference_id for one in before.values() if one.state == "open"}
    for one in found:
        if one.kind == "unread":
            missing.clear()  # they may still be there
        known = before.get(one.difference_id)
        missing.discard(one.difference_id)
        if known is None or known.closed_by == SYSTEM:
            changed.append(one)
        elif known.state == "open" and not known.same_as(one):
            changed.append(msgspec.structs.replace(one, found_at=known.found_at))
    return changed + [closed(before[number], SYSTEM, RESOLVED, now) for number in sorted(missing)]


def closed(difference: BillDifference, by: str, reason: str, now: datetime) -> BillDifference:
    """Close the difference."""
    return msgspec.structs.replace(difference, state="closed", closed_at=now, closed_by=by, reason=reason)
