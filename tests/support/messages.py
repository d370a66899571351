"""Messages as the tests play them, in this process: templates, and what is queued."""

from __future__ import annotations

from typing import Any

from chalicelib.core import clock, ids
from chalicelib.growth.messaging.rules import Message, Template
from chalicelib.growth.messaging.tables import ALL, Messages, MessageTemplates
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import save


def message_template(text: str = "{product}", names: tuple[str, ...] = ("product",), **changes: Any) -> Template:
    """A template that is stored, of SMS, for offers."""
    fields = {
        "template_id": ids.new("mt"), "version": 1, "name": "上新", "purpose": "marketing", "media": ["sms"],
        "text": text, "vars": list(names), "created_at": clock.now(), "updated_at": clock.now(),
    }  # fmt: skip
    made = Template(**{**fields, **changes})
    save(MessageTemplates(ALL, made.template_id, template=made))
    return made


def messages_to(member_id: str) -> list[Message]:
    """All messages to the member, in the order in which they were queued."""
    raws = read.query_all_raw(Messages, member_id, index=Messages.by_member)
    items = read.batch_get([(Messages, (raw["message_id"]["S"],)) for raw in raws])
    return [item.message for item in items if item is not None]
