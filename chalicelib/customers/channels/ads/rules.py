"""Which conversions an ad platform may be told of, and of whom. Pure.

The platform is another company: it is told nothing of a member who has not agreed to that (PIPL art. 23), or who wants
no personal offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.core.errors import invalid
from chalicelib.customers.channels.refusals import ADS_ACCOUNT
from chalicelib.customers.channels.touches.rules import OrderSource, Touch
from chalicelib.customers.members.consents.rules import standing
from chalicelib.customers.members.rules import AdClick, Profile

#: The platforms that can be told.
PLATFORMS = frozenset({"tencent"})
#: Who comes by an advertisement within this time of joining has joined by it: a client logs in first and tells then.
_JOINED_WITHIN = timedelta(hours=1)

Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]
What = Literal["REGISTER", "COMPLETE_ORDER"]


class AdRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether Tencent's advertisements are told of conversions, of which account, into which of its sets of actions.
    Off unless the merchant wants it; then it is told of members who have agreed to that."""

    enabled: bool = False
    account_id: Number = 0
    user_action_set_id: Number = 0


def check_account(rules: AdRules) -> None:
    """Raise `invalid` where conversions are to be told, and to which account is not said."""
    missing = [name for name in ("account_id", "user_action_set_id") if not getattr(rules, name)]
    if rules.enabled and missing:
        raise invalid(*(ADS_ACCOUNT.at(name) for name in missing))


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """What a click on an advertisement has brought: under which number, what, when, by whom, worth so many fen."""

    number: str
    what: What
    at: datetime
    openid: str
    click_id: str
    value_fen: int | None = None


def click_of(source: OrderSource | None) -> AdClick | None:
    """Find the click that an order is told of: of the newest touch, or else of the oldest; None where neither is one,
    or of a platform that is told nothing."""
    touches = () if source is None else (source.last, source.first)
    clicks = (touch.ad for touch in touches if touch is not None and touch.ad is not None)
    return next((click for click in clicks if click.platform in PLATFORMS), None)


def joined_by(touches: Sequence[Touch], joined_at: datetime) -> AdClick | None:
    """Find the click by which a member joined: the latest of those who came so until an hour after it."""
    early = [touch.ad for touch in touches if touch.ad is not None and touch.at <= joined_at + _JOINED_WITHIN]
    return next((click for click in reversed(early) if click.platform in PLATFORMS), None)


def may_be_told(member: Profile) -> bool:
    """Tell whether a platform may be told of the member."""
    return member.personalised and standing(member.consents, "ads") is not None
