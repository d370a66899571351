"""Reads of messages, of their templates, and of what became of those of a source."""

from __future__ import annotations

import msgspec

from chalicelib.core import log
from chalicelib.core.errors import MallError
from chalicelib.growth.messaging.refusals import NO_SUCH_MESSAGE, NO_SUCH_TEMPLATE
from chalicelib.growth.messaging.rules import Message, Purpose, Template
from chalicelib.growth.messaging.tables import ALL, MessageCounts, Messages, MessageTemplates, count_keys
from chalicelib.platform.store import cache, read, tallies
from chalicelib.platform.store.versioned import Versioned

CACHE = "message_templates"


def template(template_id: str) -> Template:
    """Find a template as it is, possibly `cache_seconds` old. Raises `not_found`."""
    return cache.remember((CACHE, template_id), lambda: fresh_template(template_id))


def fresh_template(template_id: str) -> Template:
    """Find a template as it is now. Raises `not_found`."""
    item = None if "#" in template_id else read.get(MessageTemplates, ALL, template_id)
    if item is None:
        raise MallError("not_found", errors=(NO_SUCH_TEMPLATE.at("template_id"),))
    found: Template = item.template
    return found


def purpose_of(template_id: str) -> Purpose:
    """Tell what a template is for, possibly `cache_seconds` old; of one that there is not, or that cannot be read, as
    of what most is forbidden. Raises `unavailable`."""
    try:
        return template(template_id).purpose
    except MallError as fault:
        if fault.code != "not_found":
            raise
        log.error("template_gone", template_id=template_id)
    except msgspec.MsgspecError as fault:
        log.error("template_unreadable", fault, template_id=template_id)
    return "marketing"


def find(message_id: str) -> Versioned[Message] | None:
    """Find a message as it is now, with its version; None where there is none."""
    item = read.get(Messages, message_id)
    return None if item is None or item.message is None else Versioned(item.message, int(item.version))


def message(message_id: str) -> Versioned[Message]:
    """Find a message as it is now, with its version. Raises `not_found`."""
    found = find(message_id)
    if found is None:
        raise MallError("not_found", errors=(NO_SUCH_MESSAGE.at("message_id"),))
    return found


def counts(source: str) -> dict[str, int]:
    """Count what became of the messages of a source ("journey:<id>"), by "<medium>|<state>": those that are held now
    ("-|held"), sent (and nothing is known of them since), delivered, failed, of unknown outcome, and dropped
    ("<medium>|dropped:<reason>"). Of a message that no medium was chosen for the medium is "-"."""
    found = tallies.read(MessageCounts, count_keys(source), consistent=False)
    return {name: count for name, count in found.items() if count}
