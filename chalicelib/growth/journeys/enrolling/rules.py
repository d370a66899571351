"""Members whom an operator lets come in: who, and what became of them so far. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.growth.journeys.entering.rules import Outcome

#: Into how many parts a long audience is divided, which go on side by side; and from how many members on it is long.
PARTS_MAX = 16
LONG = 1000


class Enrolment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Named members, or those of an audience in so many `parts`, who are to come in; `digest` is of what was asked."""

    enrolment_id: str
    journey_id: str
    digest: str
    by: str
    at: datetime
    audience_id: str = ""
    parts: int = 0


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far it is with some members of an audience: the next stands at `position`, the last before `end`; and what
    became of those before, by outcome."""

    position: int
    end: int
    outcomes: dict[str, int] = {}

    @property
    def is_done(self) -> bool:
        """Whether all of its members have been seen to."""
        return self.position >= self.end


def parts_of(count: int) -> list[Part]:
    """Divide so many members."""
    parts = PARTS_MAX if count > LONG else 1
    return [Part(position=count * at // parts, end=count * (at + 1) // parts) for at in range(parts)]


def one_more(part: Part, seen: int, outcomes: Iterable[Outcome]) -> Part:
    """Say how far a part is after so many more members, of whom this became."""
    counted = Counter(part.outcomes)
    counted.update(outcomes)
    return Part(position=part.position + seen, end=part.end, outcomes=dict(counted))


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """How many have come in, and how many have not, by reason; `running` while there are more to be seen to. Who is
    only looked at is among the latter, as `control`."""

    enrolment_id: str
    state: Literal["running", "done"]
    entered: int
    refused: dict[str, int]


def enrolled(enrolment_id: str, parts: Iterable[Part]) -> Enrolled:
    """Sum up what became of all."""
    parts = list(parts)
    whole: Counter[str] = Counter()
    for part in parts:
        whole.update(part.outcomes)
    entered = whole.pop("entered", 0)
    state: Literal["running", "done"] = "done" if all(part.is_done for part in parts) else "running"
    return Enrolled(enrolment_id=enrolment_id, state=state, entered=entered, refused=dict(sorted(whole.items())))
