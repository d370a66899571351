"""What a step does with a member, as data. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.growth.journeys.steps.rules import Said, Work


class Tag(msgspec.Struct, frozen=True):
    """Give the member a tag, or take it away."""

    name: str
    given: bool


class Say(msgspec.Struct, frozen=True):
    """Send a message; `awaited`: the run waits for what becomes of it."""

    message_id: str
    said: Said
    expires_at: datetime
    awaited: bool


class Ask(msgspec.Struct, frozen=True):
    """Give the staff a task."""

    task_id: str
    work: Work
    due_at: datetime
    awaited: bool


class Enter(msgspec.Struct, frozen=True):
    """Let the member come into another journey."""

    journey_id: str
    cause: str


Effect = Tag | Say | Ask | Enter
