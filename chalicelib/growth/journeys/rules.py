"""What a journey is: its state and its versions. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.growth.journeys.language.rules import Definition

#: `ending`: nobody comes in any more, and those who are in it go on.
State = Literal["draft", "live", "paused", "ending", "ended"]


class Journey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A journey: what it is called, its state, the version that holds (0: none yet), and what is being written.
    `stopped`: it was ended at once, and none of its messages goes out any more that has not."""

    journey_id: str
    name: str
    state: State = "draft"
    version: int = 0
    draft: Definition | None = None
    built_in: str = ""
    stopped: bool = False
    made_at: datetime
    changed_at: datetime


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a journey: it never changes."""

    journey_id: str
    version: int
    definition: Definition
    published_at: datetime
    published_by: str
