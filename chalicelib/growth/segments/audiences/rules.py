"""What a frozen list of members is. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

#: How many members an item of a list has.
LISTED_PER_ITEM = 500


class Audience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A list of members as they were found when it was made: those of a segment, those of a rule, or named ones.

    While it is being made, `position` says how far it is. `proven`: what clients report alone leads nobody into it;
    `behavioural`: it asks for what members did or bought, so that who does not want that is passed over.
    """

    audience_id: str
    digest: str
    by: str
    made_at: datetime
    state: Literal["making", "made"] = "making"
    segment_id: str = ""
    rule: Any = None
    proven: bool = True
    behavioural: bool = False
    count: int = 0
    shard: int = 0
    position: str = ""


class Listed(msgspec.Struct, frozen=True):
    """Some members of a list, in its order."""

    members: list[str]
