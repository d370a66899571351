"""The merchant's settings of notices: with which template members are told of what."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.mall.settings.service import declare

#: The id of a message template; "" where members are not told.
TemplateId = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_-]*$(?!\n)")]


class NoticeRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The template with which members are told of each kind of thing; "", the default: they are not told, and an order
    costs nothing for it.

    A parcel was sent; a refund was paid out, failed at WeChat, or was rejected; a lobby succeeded or failed; a draw was
    won or lost; one more seat is all that a lobby lacks; a coupon came by a purchase or by a friend. A template has the
    purpose `transactional`, and no variables but those that such a notice has.
    """

    order_shipped: TemplateId = ""
    refund_succeeded: TemplateId = ""
    refund_failed: TemplateId = ""
    refund_rejected: TemplateId = ""
    group_succeeded: TemplateId = ""
    group_failed: TemplateId = ""
    draw_won: TemplateId = ""
    draw_lost: TemplateId = ""
    group_lacks_one: TemplateId = ""
    coupon_got: TemplateId = ""


def _check(asked: NoticeRules) -> None:
    """Raise `invalid` for a template that cannot be a notice of its kind."""
    from chalicelib.growth.messaging.notices.queries import check_templates  # no cold start waits for it

    check_templates(msgspec.structs.asdict(asked))


NOTICES = declare("notices", NoticeRules, _check)


def template_of(kind: str) -> str:
    """Name the template with which members are told of that, possibly `cache_seconds` old; "" where they are not.
    Raises `unavailable`."""
    named: str = getattr(NOTICES.current(), kind)
    return named
