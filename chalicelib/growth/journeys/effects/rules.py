"""What a step does with a member, as data. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
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


_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def filled(
    variables: Mapping[str, str], nickname: str, coupon: str, entered_with: Mapping[str, str | int | bool]
) -> dict[str, str]:
    """Fill in a message's variables: "{nickname}", "{coupon}" (the name of the coupon that the run gave last), and
    "{entered.NAME}" (what the event by which the member came in says there). What is not known is ""."""
    known = {"nickname": nickname, "coupon": coupon}
    known |= {f"entered.{name}": str(value) for name, value in entered_with.items()}
    return {
        name: _PLACEHOLDER.sub(lambda found: known.get(found[1], ""), value) for name, value in variables.items()
    }  # fmt: skip
