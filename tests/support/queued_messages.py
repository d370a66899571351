"""Messages as whoever has them sent sees them: templates with any variables, and what a member is sent."""

from __future__ import annotations

from typing import Any

from chalicelib.growth.messaging.rules import Message, Template
from chalicelib.growth.messaging.tables import Messages
from chalicelib.platform.store import read
from tests.support.messages import template


def message_template(text: str = "{product}", names: tuple[str, ...] = ("product",), **changes: Any) -> Template:
    """A template of an SMS, for offers unless said otherwise."""
    return template(**{"purpose": "marketing", "text": text, "vars": list(names), **changes})


def messages_to(member_id: str) -> list[Message]:
    """All messages to the member, in the order in which they were queued."""
    raws = read.query_all_raw(Messages, member_id, index=Messages.by_member)
    items = read.batch_get([(Messages, (raw["message_id"]["S"],)) for raw in raws])
    return [item.message for item in items if item is not None]
