"""Shoppers who live through the ladder, and what becomes of each: what they get is reckoned from what they do and from
the ladder's table, and read from nothing of the mall's.

Times are seconds since the first morning. Who joins in the evening is told in the quiet hours, and so the next morning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from local.client import Shopper

DAY = 86_400
WEEK = 7 * DAY
#: Of the first morning, which is 10:00 in Shanghai.
EVENING = int(11.5 * 3600)
#: What is given to who does not buy, after so many days each; and how long it is waited for them then.
DOWN = ((30, "down_15"), (7, "down_57"), (7, "down_72"))
LAST_DAYS = 30
#: What is given after one purchase, after another and after a third, each within so many days.
UP = ("up_57", "up_42", "up_5")
UP_DAYS = 30
#: Percent off by the name of the rung.
RUNGS = {name: int(name.partition("_")[2]) for name in ("down_15", "down_57", "down_72", *UP)}


@dataclass(frozen=True)
class Kind:
    """What a shopper of a kind does: on which days since they joined they buy, and on which they take that back, say no
    to offers, reply to an SMS, leave, or become one with another; and what they have said at first."""

    buys: tuple[int, ...] = ()
    refunds: int | None = None
    refuses: int | None = None
    replies: int | None = None
    leaves: int | None = None
    merges: int | None = None
    uses_coupon: bool = False
    agrees: bool = True
    offers: bool = True
    has_phone: bool = True
    #: Whether those of it are also among those to whom an operator writes by hand.
    is_written_to: bool = True


MERGED_ON = 32
WRITTEN_ON = 29
KINDS = {
    "another becomes them": Kind(is_written_to=False),
    "becomes another": Kind((10,), merges=MERGED_ON, has_phone=False, agrees=False, is_written_to=False),
    "never buys": Kind(),
    "buys at once": Kind((0,)),
    "after the 15": Kind((31,)),
    "after the 57": Kind((38,)),
    "after the 72, and on each rung up": Kind((45, 53, 61)),
    "on each rung up": Kind((1, 9, 18)),
    "on each rung up, in three days": Kind((1, 2, 3)),
    "with the coupon of 57": Kind((38,), uses_coupon=True),
    "takes it back": Kind((1,), refunds=2),
    "wants no offers": Kind(offers=False),
    "wants none any more": Kind(refuses=30, is_written_to=False),
    "replies R": Kind(replies=31, is_written_to=False),
    "has not agreed to SMS": Kind(agrees=False),
    "has no phone": Kind(has_phone=False),
    "leaves": Kind(leaves=31, is_written_to=False),
}


@dataclass
class Person:
    """A shopper of a kind, when they joined, and whether they are only looked at."""

    number: int
    name: str
    kind: Kind
    joined: int
    shopper: Shopper
    control: bool = False
    run_id: str = ""
    orders: list[str] = field(default_factory=list)
    paid_fen: int = 0
    #: Until when their run goes on: they leave, or become another.
    ends: int | None = None

    def day(self, days: int) -> int:
        """The instant at which they do what they do on that day."""
        return self.joined + days * DAY

    @property
    def is_written_to(self) -> bool:
        """Whether an operator writes to them by hand."""
        return self.kind.is_written_to and self.number % 3 == 0

    def rungs(self) -> list[tuple[int, str]]:
        """What the ladder gives them, and when."""
        if self.control:
            return []
        given, at, buys = [], self.joined, [self.day(one) for one in self.kind.buys]
        for days, rung in DOWN:
            if buys and buys[0] <= at + days * DAY:
                break
            at += days * DAY
            given.append((at, rung))
        for before, rung in enumerate(UP):
            if before < len(buys) and (before == 0 or buys[before] <= buys[before - 1] + UP_DAYS * DAY):
                given.append((buys[before], rung))
            else:
                break
        return [one for one in given if self.ends is None or one[0] < self.ends]

    def ended(self) -> str:
        """Why their run has ended in the end; who leaves or becomes another does while it goes on."""
        if self.ends is not None:
            return "gone" if self.kind.leaves is not None else "merged"
        if self.control:
            return "control"
        names = [rung for _, rung in self.rungs()]
        return "never_bought" if not self.kind.buys else "kept" if UP[-1] in names else "stopped_buying"

    def told(self) -> list[str]:
        """What they are told by SMS, in that order, each by its rung; "by hand" is what an operator writes to them."""
        return [what for what, outcome in self.words() if outcome == "sent"]

    def words(self) -> list[tuple[str, str]]:
        """What becomes of all that they were to be told."""
        wanted = [(morning(at), rung) for at, rung in self.rungs()]
        if self.is_written_to:
            wanted.append((WRITTEN_ON * DAY, "by hand"))
        kind, last = self.kind, None
        until = min((self.day(one) for one in (kind.refuses, kind.replies) if one is not None), default=None)
        outcomes: list[tuple[str, str]] = []
        for at, what in sorted(wanted):
            if not (kind.agrees and kind.offers) or (until is not None and at > until):
                outcome = "opted_out"
            elif not kind.has_phone:
                outcome = "unreachable"
            elif last is not None and at < last + WEEK:
                outcome = "capped"
            else:
                outcome, last = "sent", at
            outcomes.append((what, outcome))
        return outcomes


def morning(at: int) -> int:
    """When an SMS that sells goes out which is asked for then."""
    return at - EVENING + DAY if at % DAY >= EVENING else at


def instants(people: Iterable[Person], last: int) -> list[int]:
    """All instants at which something happens to these, the mornings after evenings among them, and the last."""
    found = {0, WRITTEN_ON * DAY, last}
    for one in people:
        kind = one.kind
        days = (*kind.buys, kind.refunds, kind.refuses, kind.replies, kind.leaves, kind.merges)
        found |= {one.day(day) for day in days if day is not None} | {one.joined}
        down = [one.joined + sum(days for days, _ in DOWN[:n]) * DAY for n in range(1, 4)]
        found |= {*down, down[-1] + LAST_DAYS * DAY}
    return sorted(found | {morning(one) for one in found})
