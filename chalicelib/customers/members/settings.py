"""The merchant's settings of members, with defaults and bounds."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.customers.members.content.rules import PictureRules
from chalicelib.customers.members.rules import LifeCycleRules
from chalicelib.mall.settings.service import declare

ReturningDays = Annotated[int, Meta(ge=30, le=730)]


class MemberRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how many days it is known of who deletes their account that they were here: until then they return as no new
    customer, and what they had of offers that are limited for each person counts on. The privacy text has to say so."""

    returning_days: ReturningDays = 180


MEMBERS = declare("members", MemberRules)


class MergingRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether two members with one verified phone number are one person by that alone, where at most one of them logs
    in to the mini-program. Else, and of two who do, an operator decides."""

    merge_on_phone: bool = False


MERGING = declare("merge", MergingRules)
#: What they are stands in content/rules.py.
PICTURES = declare("member_pictures", PictureRules)
#: What they are stands in rules.py; the mall's own page, coupons and promotions go by the same.
LIFE_CYCLE = declare("life_cycle", LifeCycleRules)
