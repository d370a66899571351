"""Reads of templates: as they are, and as they were."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.core.errors import MallError
from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.rules import Message, Template
from chalicelib.growth.messaging.tables import ALL, MessageTemplates, version_part
from chalicelib.growth.messaging.templates.rules import form_of
from chalicelib.platform.store import cache, read


def templates() -> list[Template]:
    """List all templates as they are, by their names."""
    found = [item.template for item in read.query_all(MessageTemplates, ALL) if "#" not in item.part]
    return sorted(found, key=lambda one: (one.name, one.template_id))


def names_of(template_ids: Iterable[str]) -> dict[str, str]:
    """Name these templates, as they are called now. One BatchGet: 0.5 RRU each."""
    asked = list(dict.fromkeys(template_ids))
    items = read.batch_get([(MessageTemplates, (ALL, each)) for each in asked], consistent=False)
    return {each: item.template.name for each, item in zip(asked, items, strict=True) if item is not None}


def template_at(template_id: str, version: int) -> Template | None:
    """Find a template as it was in that version, which never changes; None where there was none."""
    key = (queries.CACHE, template_id, str(version))
    known: Template | None = cache.recall(key)
    if known is not None:
        return known
    item = read.get(MessageTemplates, ALL, version_part(template_id, version))
    return None if item is None else cache.keep(key, item.template)


def said_by(message: Message) -> Template | None:
    """Find what a message says that has not gone out: the version that was agreed on, or the latest, possibly
    `cache_seconds` old; None where there is none."""
    if message.agreed_version:
        return template_at(message.template_id, message.agreed_version)
    try:
        return queries.template(message.template_id)
    except MallError as fault:
        if fault.code != "not_found":
            raise
        return None


def templates_at_wechat() -> frozenset[str]:
    """List the templates of WeChat's that subscribe messages of the mall's go by; possibly `cache_seconds` old."""

    def load() -> frozenset[str]:
        return frozenset(form_of(one, "subscribe").template_id for one in templates() if "subscribe" in one.media)

    return cache.remember((queries.CACHE, "at wechat"), load)
