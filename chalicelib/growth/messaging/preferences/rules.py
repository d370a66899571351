"""What follows from a member's wishes, and from those of two who are one person. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.growth.messaging.rules import (
    ASKED_FIRST,
    MEDIA,
    Choices,
    Contact,
    Medium,
    Preferences,
    Purpose,
    QuietHours,
    Source,
    Stated,
    Subject,
)

_DAY = 24 * 60
#: How many statements of a member are remembered; of those about one thing the latest always is.
SAID_MAX = 60
#: What is known by leaving the official account, and by coming back, is undone by the other.
_OF_ACCOUNT: tuple[Source, ...] = ("unsubscribe", "follow")


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


def answers(preferences: Preferences) -> dict[Subject, bool | None]:
    """List what the member says about being written to."""
    media: dict[Subject, bool | None] = {medium: getattr(preferences.media, medium) for medium in MEDIA}
    return {"marketing": preferences.marketing, **media}


def stated(
    contact: Contact, says: Mapping[Subject, bool | None], before: Mapping[Subject, bool | None], at: datetime,
    source: Source,
) -> Contact:  # fmt: skip
    """Remember when and how the member said this, where it is something else than `before`, or is a no of their own of
    which the mall knew in another way only."""
    new = [
        Stated(what=what, says=answer, at=at, source=source)
        for what, answer in says.items()
        if answer is not before[what] or (answer is False and source == "member" and _known_otherwise(contact, what))
    ]
    return msgspec.structs.replace(contact, said=remembered([*contact.said, *new])) if new else contact


def _known_otherwise(contact: Contact, what: Subject) -> bool:
    latest = _latest(contact.said, what)
    return latest is not None and latest.source != "member"


def _latest(said: Sequence[Stated], what: Subject, but: Sequence[Source] = ()) -> Stated | None:
    return next((one for one in reversed(said) if one.what == what and one.source not in but), None)


def remembered(said: Sequence[Stated]) -> list[Stated]:
    """Put statements in their order, each once, and forget the oldest of too many, but the latest about each thing."""
    ordered: list[Stated] = []
    for one in sorted(said, key=lambda each: each.at):
        if one not in ordered:
            ordered.append(one)
    latest = {one.what: one for one in ordered}
    surplus = len(ordered) - SAID_MAX
    old = [one for one in ordered if latest[one.what] is not one][: max(0, surplus)]
    return [one for one in ordered if not any(one is each for each in old)]


def left_account(contact: Contact, at: datetime) -> Contact:
    """Opt a member out of the official account who has left it at that time; the same where they are, or have come back
    since."""
    latest = _latest(contact.said, "oa")
    if latest is not None and latest.source == "follow" and latest.at > at:
        return contact
    return no_more(contact, "oa", at, "unsubscribe")


def came_back(contact: Contact, at: datetime) -> Contact:
    """Undo what leaving the official account has said, as the member follows it again since that time; what they said
    themselves holds again. The same where there is nothing to undo."""
    latest = _latest(contact.said, "oa")
    if contact.preferences.media.oa is not False or latest is None or latest.source != "unsubscribe" or latest.at > at:
        return contact
    own = _latest(contact.said, "oa", but=_OF_ACCOUNT)
    says = None if own is None else own.says
    if says is False:
        return contact
    media = msgspec.structs.replace(contact.preferences.media, oa=says)
    after = msgspec.structs.replace(contact, preferences=msgspec.structs.replace(contact.preferences, media=media))
    return stated(after, {"oa": says}, {"oa": False}, at, "follow")


def no_more(contact: Contact, medium: Medium | None, at: datetime, source: Source) -> Contact:
    """Take a medium out of what the member wants, or (None) all that sells, and remember when and how they said so; the
    same where it is out already."""
    before = contact.preferences
    after = opted_out(before, medium)
    if after is before:
        return contact
    what: Subject = medium or "marketing"
    return stated(
        msgspec.structs.replace(contact, preferences=after), {what: False}, {what: answers(before)[what]}, at, source
    )


def refusals(contact: Contact) -> Contact:
    """Keep of what a member wants, who leaves, what they did not want: what they had agreed to ends with their account,
    and who returns is asked anew."""
    before = contact.preferences.media
    media = Choices(**{medium: False if getattr(before, medium) is False else None for medium in MEDIA})
    latest = {one.what: one for one in contact.said}
    return msgspec.structs.replace(
        contact,
        preferences=msgspec.structs.replace(contact.preferences, media=media),
        said=[one for one in contact.said if one.says is False and latest[one.what] is one],
    )


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
