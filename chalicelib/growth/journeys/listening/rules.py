"""What journeys listen to. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

ENTERED, LEFT = "segment_entered", "segment_left"
#: That the member does not want to be chosen by what they do any more: every run that is by that ends.
PERSONALISED_OFF = "personalised_off"


class Listens(msgspec.Struct, frozen=True, omit_defaults=True):
    """What matters to somebody's run: events of these names, and coming into these segments or leaving them."""

    events: list[str] = []
    segments: list[str] = []


class Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """That a member did something: `cause` names this very happening, however often it is told. Of coming into a
    segment and leaving it the event is `segment_entered` or `segment_left`, and `segment` says which.

    `paid_fen`: what was paid by it, or (below 0) given back; `paid_at`: when that was paid which is given back.
    """

    cause: str
    event: str
    at: datetime
    props: dict[str, str | int | bool] = {}
    segment: str = ""
    paid_fen: int = 0
    paid_at: datetime | None = None
