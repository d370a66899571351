"""Commands of operators about templates: make one, and change what it says. Each version is kept for ever."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.refusals import TOO_MANY
from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.inputs import MessageTemplateInput
from chalicelib.growth.messaging.refusals import MEDIUM_OR_MEDIA, NO_SUCH_TEMPLATE, PURPOSE_STAYS
from chalicelib.growth.messaging.rules import Form, Medium, Template
from chalicelib.growth.messaging.tables import ALL, MessageTemplates, version_part
from chalicelib.growth.messaging.templates.queries import templates
from chalicelib.growth.messaging.templates.rules import check_template
from chalicelib.platform.store import cache, read, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, commit

#: How many templates a mall has at most: they are listed as a whole.
TEMPLATES_MAX = 500


def create(asked: MessageTemplateInput, operator: str) -> Template:
    """Make a template; messages may go by it at once. Raises `medium_off`, and `invalid` naming what is wrong."""
    if len(templates()) >= TEMPLATES_MAX:
        raise invalid(TOO_MANY.at("body", limit=TEMPLATES_MAX))
    now = clock.now()
    template = Template(
        template_id=ids.new("mt"), version=1, by=operator, created_at=now, updated_at=now, **_said(asked)
    )
    check_template(template)
    tx = Transaction()
    _put(tx, template)
    commit(tx)
    return template


def change(template_id: str, asked: MessageTemplateInput, operator: str) -> Template:
    """Have a template say something else from now on, as a new version; the same makes none. Messages that wait say
    what it says as they go out. Raises `not_found`, `medium_off`, `invalid`, `conflict`."""

    def decide(before: Template, _: Transaction) -> Template:
        said = _said(asked)
        if said["purpose"] != before.purpose:
            raise invalid(PURPOSE_STAYS.at("purpose"))
        if msgspec.structs.replace(before, **said) == before:
            return before
        after = msgspec.structs.replace(before, **said, version=before.version + 1, by=operator, updated_at=clock.now())
        check_template(after)
        return after

    return versioned.change(lambda: _stored(template_id), decide, lambda tx, _, after: _put(tx, after))


def _stored(template_id: str) -> Versioned[Template]:
    item = None if "#" in template_id else read.get(MessageTemplates, ALL, template_id)
    if item is None:
        raise MallError("not_found", errors=(NO_SUCH_TEMPLATE.at("template_id"),))
    return Versioned(item.template, item.template.version)


def _put(tx: Transaction, template: Template) -> None:
    """Write the template, and its version beside it: whoever writes a version first has written it."""
    tx.create(MessageTemplates(ALL, version_part(template.template_id, template.version), template=template), Conflict)
    tx.put(MessageTemplates(ALL, template.template_id, template=template))
    tx.after_commit(cache.forget, queries.CACHE)


def _said(asked: MessageTemplateInput) -> dict[str, Any]:
    """What the input says of a template, by the template's fields. Raises `invalid`."""
    if (asked.medium is None) == (asked.media is None):
        raise invalid(MEDIUM_OR_MEDIA.at("medium"))
    media: list[Medium] = [asked.medium] if asked.medium is not None else list(dict.fromkeys(asked.media or ()))
    return {
        "name": asked.name, "purpose": asked.purpose, "media": media, "text": asked.text.strip(),
        "vars": list(dict.fromkeys(asked.vars)),
        "forms": {medium: Form(one.template_id, one.fields, one.page) for medium, one in asked.forms.items()},
    }  # fmt: skip
