"""What operators send to find a member and to see one whole."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.platform.web.types import Id, PageQuery, ShortText

#: What a member is looked at for; it stands in the operators' log.
Purpose = Literal["service", "order", "risk", "marketing"]
LastFour = Annotated[str, Meta(pattern=r"^[0-9]{4}$(?!\n)")]
Identity = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=r"^(mini|union|oa|wecom)(:[A-Za-z0-9_-]+){1,2}$(?!\n)",
        description=(
            "An id by which WeChat knows a member: `mini:OPENID` of the mall's own mini-program, `oa:OPENID` of its "
            "official account, `union:UNIONID`, or `KIND:APP:ID` with the app, account or company in which it is one."
        ),
    ),
]


class FindQuery(PageQuery, kw_only=True):
    """Whom to find, by exactly one of these: `q` is a member's id, also of one who was merged into another; four
    digits with which the phone ends; or how the nickname begins, in whatever case and width."""

    q: ShortText | None = None
    phone_last4: LastFour | None = None
    identity: Identity | None = None
    segment: Id | None = None
    tag: ShortText | None = None


class PortraitQuery(msgspec.Struct, kw_only=True):
    """What the member is looked at for."""

    purpose: Purpose
