"""How often members may be written to, in which hours, by which media, and what that may cost. Pure.

Each cap that applies must hold. What is `transactional` is under none, and counts for none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.core import clock
from chalicelib.core.errors import invalid
from chalicelib.growth.messaging.rules import LOG_MAX, Logged, Medium, Purpose, QuietHours, TimeOfDay
from chalicelib.platform.web.types import Fen

Per = Literal["day", "7d", "30d"]
#: How many hours of each day at least must be free for messages.
_FREE_MINUTES_MIN = 60
_DAY_MINUTES = 24 * 60
_ROLLING: dict[Per, timedelta] = {"7d": timedelta(days=7), "30d": timedelta(days=30)}
#: What is older counts for no cap.
COUNTS_FOR = timedelta(days=31)


class Cap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `max` messages by these media and for these purposes (each a list, or "*" for all) `per` calendar day of
    Asia/Shanghai, or per 7 or 30 days up to now."""

    media: Literal["*"] | list[Medium] = "*"
    purposes: Literal["*"] | list[Purpose] = "*"
    max: Annotated[int, Meta(ge=1, le=LOG_MAX)]
    per: Per

    def concerns(self, medium: Medium, purpose: Purpose) -> bool:
        """Tell whether a message by this medium and for this purpose counts."""
        return (self.media == "*" or medium in self.media) and (self.purposes == "*" or purpose in self.purposes)


USUAL_CAPS = (
    Cap(max=2, per="day"),
    Cap(max=5, per="7d"),
    Cap(media=["sms"], max=1, per="7d"),
    Cap(media=["wecom"], max=1, per="day"),
)


class CapRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a member is written to at most, orders' notices aside: every cap that applies must hold. Beside them
    nobody gets more than 64 messages in 30 days."""

    caps: Annotated[list[Cap], Meta(max_length=20)] = msgspec.field(default_factory=lambda: list(USUAL_CAPS))


class QuietRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours of Asia/Shanghai in which nobody is written to, and from when on by SMS nothing sells; orders' notices keep
    them by SMS and telephone only. What falls into them is held until they are over, spread over half an hour."""

    starts: TimeOfDay = msgspec.field(name="from", default="22:00")
    until: TimeOfDay = "08:00"
    marketing_sms_from: TimeOfDay = "21:00"

    def hours(self, medium: Medium, purpose: Purpose) -> list[QuietHours]:
        """List the hours in which such a message is held."""
        if purpose == "transactional" and medium not in ("sms", "call"):
            return []
        whole = QuietHours(self.starts, self.until)
        if purpose == "marketing" and medium == "sms":
            return [whole, QuietHours(self.marketing_sms_from, self.until)]
        return [whole]


class MediaRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which media the mall uses; what an SMS costs it, and a day's SMS may (none: whatever they do).

    `allowances_from` says whose word counts for what members let through: WeChat's events, which want the message push
    to be configured at WeChat, or where it is not what the mini-program reports. With `resend_unknown` a message of
    which nobody knows whether it was sent is sent again; some then come twice.
    """

    subscribe: bool = True
    oa: bool = True
    sms: bool = True
    call: bool = True
    wecom: bool = True
    sms_fen: Annotated[int, Meta(ge=0, le=1000)] = 5
    sms_daily_budget_fen: Fen | None = None
    allowances_from: Literal["push", "client"] = "push"
    resend_unknown: bool = False

    def uses(self, medium: Medium) -> bool:
        """Tell whether the mall uses the medium."""
        return bool(getattr(self, medium))


def check_quiet(rules: QuietRules) -> None:
    """Raise `invalid` where no hour of the day is left."""
    check_hours([*rules.hours("sms", "marketing")], "from")


def check_hours(hours: Sequence[QuietHours], field: str) -> None:
    """Raise `invalid`, naming the field, where these hours together leave less than an hour of each day."""
    covered = {minute for one in hours for minute in _minutes(one)}
    if len(covered) > _DAY_MINUTES - _FREE_MINUTES_MIN:
        from chalicelib.growth.messaging.refusals import NO_HOURS_LEFT  # no cold start waits for it

        raise invalid(NO_HOURS_LEFT.at(field))


def quiet_until(hours: Sequence[QuietHours], now: datetime) -> datetime | None:
    """Tell when the hours end in which `now` lies, one after the other where they touch; None where it is in none of
    them. Where they never end, a day later."""
    at = now
    while at - now < timedelta(days=1):
        ends = [end for one in hours if (end := _end(one, at)) is not None]
        if not ends:
            return None if at == now else at
        at = max(ends)
    return at


def free_at(caps: Sequence[Cap], log: Sequence[Logged], medium: Medium, purpose: Purpose, now: datetime) -> datetime:
    """Tell when such a message may be sent by all caps, if nothing else is until then: `now` where it may be."""
    free = now
    for cap in (*caps, Cap(max=LOG_MAX, per="30d")):
        if not cap.concerns(medium, purpose):
            continue
        counted = sorted(
            one.at for one in log if cap.concerns(one.medium, one.purpose) and now < _free(cap.per, one.at)
        )
        if len(counted) >= cap.max:
            free = max(free, _free(cap.per, counted[len(counted) - cap.max]))
    return free


def recent(log: Sequence[Logged], now: datetime) -> list[Logged]:
    """Leave out what counts for no cap any more."""
    return [one for one in log if now - one.at < COUNTS_FOR][-LOG_MAX:]


def _free(per: Per, at: datetime) -> datetime:
    """When a send of that instant counts no more."""
    if per != "day":
        return at + _ROLLING[per]
    midnight = at.astimezone(clock.SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=1)).astimezone(UTC)


def _minute(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:])


def _minutes(hours: QuietHours) -> list[int]:
    starts, until = _minute(hours.starts), _minute(hours.until)
    return [minute % _DAY_MINUTES for minute in range(starts, until + (_DAY_MINUTES if until < starts else 0))]


def _end(hours: QuietHours, now: datetime) -> datetime | None:
    """The end of these hours, where `now` is in them."""
    local = now.astimezone(clock.SHANGHAI)
    minute, starts, until = local.hour * 60 + local.minute, _minute(hours.starts), _minute(hours.until)
    inside = starts <= minute < until if starts <= until else minute >= starts or minute < until
    if not inside:
        return None
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(minutes=until, days=0 if minute < until else 1)).astimezone(UTC)
