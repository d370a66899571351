"""Why templates, messages and wishes about them are refused, in both languages, and the names of the fields. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

# templates
NO_SUCH_TEMPLATE = Reason("no_such_message_template", "没有这个消息模板", "there is no such message template")
NO_SUCH_MESSAGE = Reason("no_such_message", "没有这条消息", "there is no such message")

FIELDS: Labels = {
    "template_id": ("消息模板", "message template"),
    "message_id": ("消息", "message"),
}
