"""How far everybody has been looked at for a generation of the book. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One shard of the roster: up to which place of it members have been looked at for this generation, and how
    many."""

    generation: int
    shard: int
    position: str = ""
    seen: int = 0
    state: Literal["running", "done"] = "running"
