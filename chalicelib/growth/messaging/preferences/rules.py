"""What follows from a member's wishes, and from those of two who are one person. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.growth.messaging.rules import (
    ASKED_FIRST,
    Choices,
    Medium,
    Preferences,
    Purpose,
    QuietHours,
)

_DAY = 24 * 60


def wants(preferences: Preferences, medium: Medium, purpose: Purpose) -> bool:
    """Tell whether the member may be written to by this medium and for this purpose.

    Who has said nothing gets everything, but offers by SMS and by telephone, for which the law wants that they agreed.
    Who does not want a medium gets nothing by it, their orders' notices neither.
    """
    choice = getattr(preferences.media, medium)
    if choice is False:
        return False
    return purpose != "marketing" or (preferences.marketing and (medium not in ASKED_FIRST or choice is True))


def opted_out(preferences: Preferences, medium: Medium | None) -> Preferences:
    """Take a medium out of what the member wants, or (None) all that sells; the same where it is out already."""
    if medium is None:
        return msgspec.structs.replace(preferences, marketing=False) if preferences.marketing else preferences
    if getattr(preferences.media, medium) is False:
        return preferences
    out: dict[str, Any] = {medium: False}
    return msgspec.structs.replace(preferences, media=msgspec.structs.replace(preferences.media, **out))


def said_nothing(preferences: Preferences) -> bool:
    """Tell whether the member has said nothing of what they want or do not."""
    return preferences == Preferences()


def strictest(one: Preferences, other: Preferences) -> Preferences:
    """Join what one person wanted as two members: what either did not want they do not, what else either agreed to they
    have agreed to. The order does not matter."""
    both = {field: _stricter(getattr(one.media, field), getattr(other.media, field)) for field in _MEDIA}
    return Preferences(
        marketing=one.marketing and other.marketing,
        media=Choices(**both),
        quiet=_cover(one.quiet, other.quiet) if one.quiet and other.quiet else one.quiet or other.quiet,
    )


_MEDIA = Choices.__struct_fields__


def _stricter(one: bool | None, other: bool | None) -> bool | None:
    if False in (one, other):
        return False
    return True if True in (one, other) else None


def _cover(one: QuietHours, other: QuietHours) -> QuietHours:
    """The shortest hours that have both in them; where there are none, the longer of the two."""
    pairs = [(start.starts, end.until) for start in (one, other) for end in (one, other)]
    wanted = _minutes(one) | _minutes(other)
    whole = [hours for pair in pairs if wanted <= _minutes(hours := QuietHours(*pair))]
    choices = whole or [one, other]
    by_length = sorted(choices, key=lambda hours: (len(_minutes(hours)), hours.starts, hours.until))
    return by_length[0] if whole else by_length[-1]


def _minutes(hours: QuietHours) -> set[int]:
    starts, until = (int(time[:2]) * 60 + int(time[3:]) for time in (hours.starts, hours.until))
    return {minute % _DAY for minute in range(starts, until + (_DAY if until < starts else 0))}
