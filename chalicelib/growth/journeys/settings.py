"""The merchant's settings of journeys: what one person gets of them at most, and who is held out of all of them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.mall.settings.service import declare
from chalicelib.platform.web.types import Fen


class JourneyRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many coupons of all journeys together one person gets within 90 days at most, and for how much: what each
    takes off at most is added up. Where that is bounded no journey gives a coupon that takes off whatever an order
    costs."""

    grants_max: Annotated[int, Meta(ge=0, le=200)] = 12
    grants_fen_max: Fen | None = None


class HoldoutRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of so many in a hundred members all journeys only look at what they do, so that it can be seen what journeys
    bring together. Who these are is drawn anew each half-year."""

    percent: Annotated[int, Meta(ge=0, le=10)] = 0


JOURNEYS = declare("journeys", JourneyRules)
HOLDOUT = declare("holdout", HoldoutRules)
