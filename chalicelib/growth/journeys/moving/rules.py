"""Walks through those who are in a journey: what is done with each, and how far a walk is. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

#: What is done with each: it goes on where it stood still; the same, and the journey ends with the last; it ends; it is
#: taken over into another version.
Kind = Literal["resume", "finish", "exit", "migrate"]
#: Walks of one track follow each other: a later one takes the place of an earlier one.
Track = Literal["state", "version"]
#: A pass follows one that met somebody after so long: what an index lists is a moment old.
PASS_SECONDS = 5.0


class Move(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A walk: what for, since when, and by whom; when versions are changed, from which into which, and how."""

    move_id: str
    journey_id: str
    kind: Kind
    by: str
    begun_at: datetime
    version: int = 0
    to: int = 0
    mapped: dict[str, str] = {}
    missing: Literal["exit", "nearest"] = "exit"

    @property
    def track(self) -> Track:
        """Name its track."""
        return "version" if self.kind == "migrate" else "state"


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a walk is in one shard: where the pass that is under way goes on ("": at the beginning), since when that
    is, and whether it has met anybody yet for whom there was something to do."""

    move_id: str
    shard: int
    since: datetime
    position: str = ""
    met: bool = False
    state: Literal["running", "done"] = "running"


def seconds_to_next_pass(met: bool, known_at: datetime, now: datetime) -> float:
    """Say how long to wait for the next pass, by whether the last met anybody: where it did not, until every process
    knows of the change."""
    return PASS_SECONDS if met else max(PASS_SECONDS, (known_at - now).total_seconds())


def moved_on(part: Part, position: str | None, met: bool, known_at: datetime, now: datetime) -> Part:
    """Say how far a part is after one more page (`position`: where the next begins; None: the pass is at its end). A
    pass that began when every process knew of the change (`known_at`) and met nobody is the last."""
    met = met or part.met
    if position is not None:
        return msgspec.structs.replace(part, position=position, met=met)
    if not met and part.since >= known_at:
        return msgspec.structs.replace(part, position="", met=False, state="done")
    return msgspec.structs.replace(part, position="", met=False, since=now)
