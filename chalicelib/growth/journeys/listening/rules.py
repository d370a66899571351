"""What journeys listen to. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

ENTERED, LEFT = "segment_entered", "segment_left"
#: That the member does not want to be chosen by what they do any more: every run that is by that ends.
PERSONALISED_OFF = "personalised_off"
#: Before the causes of what a client has told: the rest it may make up, but none of the mall's own.
_TOLD = "told|"


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


def told_as(event_id: str) -> str:
    """Name the cause of an event to which a client gave this id."""
    return _TOLD + event_id


def is_told(cause: str) -> bool:
    """Say whether it is a client's word that something happened."""
    return cause.startswith(_TOLD)


def latest(heard: list[Heard], limit: int) -> list[Heard]:
    """Leave out all but the latest, so many of what clients tell and as many of what the mall knows itself: who tells
    much makes nobody forget what is known."""
    told = [one for one in heard if is_told(one.cause)][-limit:]
    known = [one for one in heard if not is_told(one.cause)][-limit:]
    return [one for one in heard if one in (told if is_told(one.cause) else known)]


def latest_causes(causes: list[str], limit: int) -> list[str]:
    """Leave out all but the latest causes, as `latest` does."""
    kept = {*[one for one in causes if is_told(one)][-limit:], *[one for one in causes if not is_told(one)][-limit:]}
    return [one for one in causes if one in kept]
