"""Whether a message goes out now, by what, and to which address; or until when it is held, or why it is dropped.

Pure: everything that it depends on is handed to it, and it is asked anew whenever something of that has changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.shards import even, first_with_some
from chalicelib.growth.messaging.carrying.rules import Way
from chalicelib.growth.messaging.limits.rules import CapRules, MediaRules, QuietRules, free_at, quiet_until
from chalicelib.growth.messaging.preferences.rules import wants
from chalicelib.growth.messaging.rules import (
    NO_MARKETING,
    PRIORITY_MAX,
    Allowance,
    Contact,
    Dropped,
    Held,
    Medium,
    Message,
    Template,
    Window,
)
from chalicelib.growth.messaging.templates.rules import form_of

#: In so many shards lies what a day's SMS cost.
SPEND_SHARDS = 8
#: A call takes so long at most: what would end within quiet hours is not begun.
CALL = timedelta(seconds=10)
#: A cap that ends so soon is waited for by whatever it forbids: of two that are asked for just as far apart as a cap
#: lasts the second may come a moment too early, or after one that was held overnight.
SOON = timedelta(hours=1)
#: Over so long the members are spread whose messages were held by quiet hours; behind that one after the other those
#: of one member, by their priority.
SPREAD_SECONDS = 1700
#: How long a message waits whose platform wants patience, at first and at most.
_AGAIN_SECONDS, _AGAIN_SECONDS_MAX = 30, 3600
#: The instants of the mall are as far apart as this.
_NEXT = timedelta(milliseconds=1)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who a message is for, as they can be reached: their openids of the mini-program, of their own login first; that
    of the official account while they follow it; and their mobile phone."""

    member_id: str
    blocked: bool = False
    openids: list[str] = []
    oa_openid: str = ""
    phone: str = ""


class Terms(msgspec.Struct, frozen=True):
    """The merchant's settings that a message goes by."""

    caps: CapRules = CapRules()
    quiet: QuietRules = QuietRules()
    media: MediaRules = MediaRules()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known as a message is looked at. `person` is None where nobody of that id is there any more; `spent`
    are the fen that the day's SMS cost by now, in each shard of the day; empty where no budget bounds them."""

    message: Message
    template: Template
    person: Person | None
    contact: Contact = Contact()
    allowances: list[Allowance] = []
    terms: Terms = Terms()
    spent: list[int] = []


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """It goes out now: by which medium, in which form, to whom; and what it takes: an allowance of WeChat's template,
    a text of a window, money in a shard of the day's budget."""

    medium: Medium
    way: Way
    to: str
    allowance: Allowance | None = None
    window: str = ""
    fen: int = 0
    shard: int = 0


class Hold(msgspec.Struct, frozen=True):
    """It is looked at again then, whole; and why. The medium by which it would have gone, where one was chosen."""

    until: datetime
    reason: Held
    medium: Medium | None = None


class Drop(msgspec.Struct, frozen=True):
    """It is not sent, and why."""

    reason: Dropped
    medium: Medium | None = None


Decision = Send | Hold | Drop


def decide(facts: Facts, now: datetime) -> Decision:
    """Decide what becomes of a message that waits, at `now`.

    In this order: is the member there; do they want it, and by what does it reach them; is its time over, or to come;
    are the hours quiet; have they had enough; is there money for it.
    """
    message = facts.message
    if facts.person is None:
        return Drop("gone")
    if facts.person.blocked:
        return Drop("blocked")
    chosen = _chosen(facts, facts.person, now)
    if isinstance(chosen, Drop):
        return chosen
    if now >= message.expires_at:
        return Drop("expired", chosen.medium)
    if message.not_before is not None and now < message.not_before:
        return _held(message, message.not_before, "not_before", chosen.medium)
    return _in_quiet(facts, chosen.medium, now) or _capped(facts, chosen.medium, now) or _paid(facts, chosen, now)


def _chosen(facts: Facts, person: Person, now: datetime) -> Send | Drop:
    """The first medium that is allowed and reaches the member, with the form and the address; or why there is none."""
    message = facts.message
    if message.purpose == "marketing" and not facts.contact.preferences.marketing:
        return Drop("opted_out")
    reasons: set[Dropped] = set()
    for medium in message.media or facts.template.media:
        if not facts.terms.media.uses(medium) or (message.purpose == "marketing" and medium in NO_MARKETING):
            reasons.add("medium_off")
        elif not wants(facts.contact.preferences, medium, message.purpose):
            reasons.add("opted_out")
        else:
            send = None if medium in message.tried else next(_ways(facts, person, medium, now), None)
            if send is not None:
                return send
            reasons.add("unreachable")
    ordered: tuple[Dropped, ...] = ("unreachable", "opted_out")
    return Drop(next((reason for reason in ordered if reason in reasons), "medium_off"))


def _ways(facts: Facts, person: Person, medium: Medium, now: datetime) -> Iterator[Send]:
    """The forms in which the medium reaches the member, the best first."""
    match medium:
        case "subscribe":
            yield from _subscribed(facts, person)
            yield from _answers(medium, "mini_text", facts.contact.mini, person.openids, now)
        case "oa":
            followed = [person.oa_openid] if person.oa_openid else []
            yield from _answers(medium, "oa_text", facts.contact.oa, followed, now)
            if followed and facts.message.purpose == "transactional":
                yield Send(medium=medium, way="template", to=person.oa_openid)
        case "sms" | "call" if person.phone:
            yield Send(medium=medium, way=medium, to=person.phone)
        case _:
            pass


def _subscribed(facts: Facts, person: Person) -> Iterator[Send]:
    wanted = form_of(facts.template, "subscribe").template_id
    for openid in person.openids:
        for allowance in facts.allowances:
            if (allowance.openid, allowance.template_id) == (openid, wanted) and allowance.left > 0:
                yield Send(medium="subscribe", way="subscribe", to=openid, allowance=allowance)


def _answers(medium: Medium, way: Way, window: Window | None, openids: Sequence[str], now: datetime) -> Iterator[Send]:
    if window is not None and window.left > 0 and now < window.until and window.openid in openids:
        yield Send(medium=medium, way=way, to=window.openid, window="oa" if way == "oa_text" else "mini")


def _in_quiet(facts: Facts, medium: Medium, now: datetime) -> Decision | None:
    """Hold what falls into quiet hours: the mall's, and where those hold, the member's own beside them."""
    hours = facts.terms.quiet.hours(medium, facts.message.purpose)
    own = facts.contact.preferences.quiet
    if hours and own is not None:
        hours = [*hours, own]
    ends = quiet_until(hours, now) or quiet_until(hours, now + CALL)
    if ends is None:
        return None
    spread = timedelta(seconds=ids.shard(f"quiet|{facts.message.member_id}", SPREAD_SECONDS)) + _behind(facts.message)
    left = facts.message.expires_at - ends
    return _held(facts.message, ends + (spread if spread < left else timedelta(0)), "quiet", medium)


def _behind(message: Message) -> timedelta:
    """How long after the first that may go a held message goes: of those of one member that are held until the same
    time the one of the highest priority is looked at first, and has the place under a cap that there is."""
    return timedelta(seconds=PRIORITY_MAX - message.priority)


def _capped(facts: Facts, medium: Medium, now: datetime) -> Decision | None:
    message = facts.message
    if message.purpose == "transactional":
        return None
    free = free_at(facts.terms.caps.caps, facts.contact.log, medium, message.purpose, now)
    if free <= now:
        return None
    waits = message.on_cap == "wait" or free - now <= SOON
    if not waits or free >= message.expires_at:
        return Drop("capped", medium)
    return _held(message, min(free + _behind(message), message.expires_at - _NEXT), "capped", medium)


def _paid(facts: Facts, chosen: Send, now: datetime) -> Decision:
    """Find a shard of the day's budget with room for it. Orders' notices wait for the next day's, where they may."""
    rules = facts.terms.media
    if chosen.medium != "sms":
        return chosen
    chosen = msgspec.structs.replace(chosen, fen=rules.sms_fen)
    first = ids.shard(facts.message.message_id, SPEND_SHARDS)
    bounds = bounds_of(rules)
    if bounds is None:
        return msgspec.structs.replace(chosen, shard=first)
    spent = facts.spent or [0] * SPEND_SHARDS
    shard = first_with_some([max(0, bounds[each] - spent[each] - rules.sms_fen + 1) for each in bounds], first)
    if shard is not None:
        return msgspec.structs.replace(chosen, shard=shard)
    tomorrow = next_day(now)
    waits = facts.message.purpose == "transactional" or facts.message.on_cap == "wait"
    if not waits or tomorrow >= facts.message.expires_at:
        return Drop("budget", "sms")
    return _held(facts.message, tomorrow, "budget", "sms")


def bounds_of(rules: MediaRules) -> dict[int, int] | None:
    """Share a day's budget of SMS out over the shards of the day, in whole SMS; None where nothing bounds it."""
    if rules.sms_daily_budget_fen is None or not rules.sms_fen:
        return None
    pieces = even(rules.sms_daily_budget_fen // rules.sms_fen, SPEND_SHARDS)
    return {shard: count * rules.sms_fen for shard, count in pieces.items()}


def next_day(now: datetime) -> datetime:
    """Give the instant at which the next day of Asia/Shanghai begins."""
    local = now.astimezone(clock.SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    return (local + timedelta(days=1)).astimezone(UTC)


def _held(message: Message, until: datetime, reason: Held, medium: Medium) -> Decision:
    return Hold(until, reason, medium) if until < message.expires_at else Drop("expired", medium)


def again_seconds(message: Message) -> float:
    """Say how long a message waits whose platform wants patience, each time twice as long."""
    wait = float(min(_AGAIN_SECONDS_MAX, _AGAIN_SECONDS << min(message.attempts, 10)))
    return wait / 2 + ids.shard(f"{message.message_id}|{message.attempts}", 1000) / 1000 * wait / 2
