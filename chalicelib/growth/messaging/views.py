"""Templates and messages as operators see them, and messages as their members do."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.growth.messaging.rules import Form, Medium, Message, Purpose, State, Template


class MessageTemplateView(msgspec.Struct, frozen=True, kw_only=True):
    """A template, in its latest version."""

    template_id: str
    version: int
    name: str
    purpose: Purpose
    media: list[Medium]
    text: str
    vars: list[str]
    forms: dict[Medium, Form]
    by: str
    created_at: datetime
    updated_at: datetime


class MessageCard(msgspec.Struct, frozen=True, kw_only=True):
    """A message in a list: to whom, of what, by which medium, and what became of it, with why."""

    message_id: str
    member_id: str
    template_id: str
    template_version: int
    purpose: Purpose
    source: str
    state: State
    reason: str
    medium: Medium | None
    queued_at: datetime
    held_until: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None
    opened_at: datetime | None
    expires_at: datetime
    cost_fen: int


class MessageView(MessageCard, frozen=True, kw_only=True):
    """A message with what it says, by which media it may go, and which of them did not reach the member."""

    text: str
    media: list[Medium]
    tried: list[Medium]
    attempts: int


class OwnMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that its member got, or may have got."""

    message_id: str
    purpose: Purpose
    medium: Medium | None
    text: str
    sent_at: datetime | None
    opened_at: datetime | None


def template_view(template: Template) -> MessageTemplateView:
    """Show a template."""
    return MessageTemplateView(**msgspec.structs.asdict(template))


def _card(message: Message) -> dict[str, object]:
    fields = msgspec.structs.asdict(message)
    return {name: fields[name] for name in MessageCard.__struct_fields__}


def message_card(message: Message) -> MessageCard:
    """Show a message in a list."""
    return msgspec.convert(_card(message), MessageCard)


def message_view(message: Message) -> MessageView:
    """Show a message whole; of one that has not gone out, what it would say now ("" where its template is gone)."""
    from chalicelib.growth.messaging.templates.queries import said_by
    from chalicelib.growth.messaging.templates.rules import rendered

    template = said_by(message)
    text = "" if template is None else rendered(template.text, message.values)
    more = {"text": _text(message) or text, "tried": message.tried, "attempts": message.attempts,
            "media": message.media or ([] if template is None else template.media)}  # fmt: skip
    return msgspec.convert(_card(message) | more, MessageView)


def own_message(message: Message) -> OwnMessage:
    """Show a message to its member."""
    return OwnMessage(
        message_id=message.message_id, purpose=message.purpose, medium=message.medium, text=_text(message),
        sent_at=message.sent_at, opened_at=message.opened_at,
    )  # fmt: skip


def exported(message: Message) -> dict[str, object]:
    """Show a member all that is kept of a message to them."""
    return {**_card(message), "text": _text(message), "values": message.values}


def _text(message: Message) -> str:
    """What the message said as it went out; "" of one that has not."""
    from chalicelib.growth.messaging.templates.queries import template_at  # a shop that starts needs no table of it
    from chalicelib.growth.messaging.templates.rules import rendered

    template = template_at(message.template_id, message.template_version) if message.template_version else None
    return "" if template is None else rendered(template.text, message.values)


class AllowanceView(msgspec.Struct, frozen=True):
    """How many messages of a template of WeChat's the member has let through, and not got yet."""

    template_id: str
    left: int


class SubscriptionsView(msgspec.Struct, frozen=True):
    """What is left of the templates that were asked for."""

    allowances: list[AllowanceView]
