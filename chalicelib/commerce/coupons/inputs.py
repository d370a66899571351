"""What shoppers and operators send about coupons; issuing to many has its own (bulk_issue/inputs.py)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.commerce.coupons import rules
from chalicelib.commerce.coupons.rules import LIMIT_MAX, TOTAL_MAX, Audience, CouponState, How, Kind, Scope, Validity
from chalicelib.platform.web.types import Fen, Id, PageQuery, PriceFen, ShortText


class TemplateChangeInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template as an operator names it. `amount_fen` is off the price (exchange: the price of the piece);
    `ceiling_fen` the most that a percentage or the freight takes off; `threshold_fen` of goods in scope it needs;
    `share_limit` how many more a member may get for friends who claim through them."""

    name: ShortText
    kind: Kind
    amount_fen: PriceFen | None = None
    percent_off: int | None = None
    ceiling_fen: PriceFen | None = None
    threshold_fen: Fen = 0
    scope: Scope = Scope()
    total: Annotated[int, Meta(ge=1, le=TOTAL_MAX)]
    limit_per_member: Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
    valid: Validity
    how: Annotated[list[How], Meta(min_length=1, max_length=6)]
    audience: Audience = Audience()
    stacking: Literal["main", "extra"] = "main"
    returns: bool = True
    share_limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] | None = None


class TemplateInput(TemplateChangeInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new template; published at once unless it says otherwise."""

    publish: bool = True


class MineQuery(PageQuery, kw_only=True):
    """The state of the coupons that are listed."""

    state: CouponState = "unused"


class ClaimInput(msgspec.Struct, forbid_unknown_fields=True):
    """The token of the friend who shared the coupon, if one did."""

    share_token: Id | None = None


class CodeInput(msgspec.Struct, forbid_unknown_fields=True):
    """A code as it is printed, or as somebody typed or pasted it: case, width, blanks, line breaks and dashes do not
    matter."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]


class ShareInput(msgspec.Struct, forbid_unknown_fields=True):
    """The template that is shared."""

    template_id: Id


class BatchInput(msgspec.Struct, forbid_unknown_fields=True):
    """The number of codes to make."""

    count: Annotated[int, Meta(ge=1, le=rules.BATCH_MAX)]
