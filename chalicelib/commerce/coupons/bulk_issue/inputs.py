"""What operators send to issue coupons to many members."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.commerce.coupons.rules import Audience
from chalicelib.platform.web.types import Id

#: Members that one request lists; with 25 characters an id they are 280 KB, so its body may be larger than others.
LISTED_MAX = 10_000
BODY_MAX = 384 * 1024


Members = Annotated[list[Id], Meta(min_length=1, max_length=LISTED_MAX)]


class GrantInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The members to give one to: a list (more can be added), or those of all who match `audience`, or the list of an
    audience that was made before (`audience_id`), or everybody who has joined by now."""

    members: Members | None = None
    audience: Audience | None = None
    audience_id: Id | None = None
    all: bool = False


class GrantMoreInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Further members of a list."""

    members: Members
