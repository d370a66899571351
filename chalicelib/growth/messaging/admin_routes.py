"""Operators: templates of messages, and messages: which there are, what became of them, and calling them back."""

from __future__ import annotations

from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.inputs import MessagesQuery, MessageTemplateInput
from chalicelib.growth.messaging.listing import service as listing
from chalicelib.growth.messaging.sending import service as sending
from chalicelib.growth.messaging.templates import queries as template_queries
from chalicelib.growth.messaging.templates import service as templates
from chalicelib.growth.messaging.views import (
    MessageCard,
    MessageTemplateView,
    MessageView,
    message_view,
    template_view,
)
from chalicelib.platform.web import limits
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.types import Page

READ, WRITE = "messages.read", "messages.write"
_TEMPLATE_ERRORS = ("invalid", "medium_off", "conflict")


@endpoint("GET /v1/admin/message-templates", OPERATOR, permission=READ)
def list_message_templates() -> Page[MessageTemplateView]:
    """All templates of messages, by their names."""
    return Page([template_view(one) for one in template_queries.templates()])


@endpoint("POST /v1/admin/message-templates", OPERATOR, permission=WRITE, status=201, errors=_TEMPLATE_ERRORS)
def create_message_template(call: Call, body: MessageTemplateInput) -> MessageTemplateView:
    """Make a template. With `medium`, `purpose`, `text` and `vars` alone, the platform's template has the id of this
    one; a variable that is called as a field of WeChat's (thing1) stands in that field. `medium_off` where it sells by
    a subscribe message or the official account, which WeChat forbids; an SMS that sells must say 拒收请回复R."""
    return template_view(templates.create(body, call.caller))


@endpoint("GET /v1/admin/message-templates/{template_id}", OPERATOR, permission=READ)
def get_message_template(template_id: str) -> MessageTemplateView:
    """One template."""
    return template_view(queries.fresh_template(template_id))


@endpoint("PUT /v1/admin/message-templates/{template_id}", OPERATOR, permission=WRITE, errors=_TEMPLATE_ERRORS)
def change_message_template(call: Call, template_id: str, body: MessageTemplateInput) -> MessageTemplateView:
    """Have a template say something else, as a new version, which all messages say that go out from now on, but those
    of sends: they say what was agreed on. What it is for stays."""
    return template_view(templates.change(template_id, body, call.caller))


@endpoint(
    "GET /v1/admin/messages",
    OPERATOR,
    permission=READ,
    errors=("cursor_invalid",),
    per_minute=limits.PAGES_OF_PERSONS_PER_MINUTE,
)
def list_messages(query: MessagesQuery) -> Page[MessageCard]:
    """Messages, the latest to be queued first. A page looks at 2,000 of them at most: where those that are asked for
    are rare it may be short, or empty, and still not be the last. Up to 60 pages a minute and operator."""
    return Page(*listing.page(query))


@endpoint("GET /v1/admin/messages/{message_id}", OPERATOR, permission=READ, per_minute=limits.PERSONS_PER_MINUTE)
def get_message(message_id: str) -> MessageView:
    """One message, with what it says."""
    return message_view(queries.message(message_id).value)


@endpoint(
    "POST /v1/admin/messages/{message_id}/recall",
    OPERATOR,
    permission=WRITE,
    errors=("message_state", "conflict"),
)
def recall_message(message_id: str) -> MessageView:
    """Call a message back that waits: it is dropped as `recalled`. Said again, it changes nothing; `message_state`
    where it has gone out."""
    return message_view(sending.recall(message_id))
