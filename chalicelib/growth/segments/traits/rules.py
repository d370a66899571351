"""Traits: what is known of one member, as the rules of segments look at it. Pure.

Instants are Unix milliseconds here, so that a document of a member with few orders has 1 to 2 KB. Of the orders the
latest stand singly, with what is left of their price; those that no window reaches any more are counted together. Of
events only the latest instants stand that a rule in force looks at.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from chalicelib.core import clock
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.rules import Source as Visit

DAY_MS = 86_400_000
#: The longest window of a rule over purchases, in days.
WINDOW_DAYS_MAX = 400
#: So many of the latest orders stand singly in any case; beyond them those that a window may reach, and these at most:
#: of who pays more orders within 400 days than this, windows see the latest.
ORDERS_KEPT = 64
ORDERS_MAX = 256
#: And so many parts of theirs that rules name, for a document has a size.
PARTS_MAX = 3_000
#: And of each template so many unused coupons, those that end last: of others nothing is known that these do not say,
#: but that one ends soon.
COUPONS_KEPT = 20
#: What of a profile a rule may ask for.
PARTS = ("phone", "nickname", "avatar_url", "unionid", "birthday")


class Came(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a visit came from: a channel's code, WeChat's scene value, a live room."""

    channel: str = ""
    scene: str = ""
    live_room: str = ""


class Person(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the rules ask of a profile. `has` names the parts of PARTS that there are; `birthday` is month, day, and
    whether these are of the lunar calendar; `came` says where from, by touch: first, last, joined."""

    joined_at: int
    returned: bool = False
    personalised: bool = True
    has: list[str] = []
    birthday: tuple[int, int, bool] | None = None
    last_seen: int = 0
    came: dict[str, Came] = {}


class Bought(msgspec.Struct, frozen=True, array_like=True):
    """A paid order: what is left of what was paid for it, in fen, and when it was completed (0: it is not, or has been
    refunded whole). `parts` is the same of those lines whose product ("p:"), role ("r:") or category ("c:") a rule in
    force names."""

    order_id: str
    paid_at: int
    net_fen: int
    completed_at: int = 0
    parts: dict[str, int] = {}

    def net_of(self, part: str) -> int:
        """Tell what is left of the price of the part, or of the whole order (""), in fen."""
        return self.parts.get(part, 0) if part else self.net_fen


class Older(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The orders that do not stand singly any more: how many with what is left of their price, of all ("") and by part;
    when the first and the last was paid of which something is left; up to when they were paid; and how many were
    completed, the last of them when."""

    sums: dict[str, tuple[int, int]] = {}
    first_bought_at: int = 0
    last_bought_at: int = 0
    up_to: int = 0
    completed: int = 0
    last_completed_at: int = 0


class Tag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tag that a member has: by which definition, since when, by whom ("operator:NAME", or "rule"), why, in words,
    and until when (0: for as long as nobody takes it away; of one that a rule gives: as long as the rule holds).
    `evidence` is what of events its rule had found by then: how often each came, or at least so often. `unproven`: the
    rule that held last is one that clients can make true."""

    of: str
    at: int
    by: str
    why: str = ""
    until: int = 0
    evidence: dict[str, int] = {}
    unproven: bool = False

    @property
    def by_rule(self) -> bool:
        """Whether its rule gave it, which takes it away, too."""
        return self.by == BY_RULE


BY_RULE = "rule"


class Traits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known of a member for the rules, and what was decided by it last.

    `rings` has, by what a rule looks for (language/rules.py), the latest instants at which it happened; `coupons` the
    ends of unused coupons, by template and coupon; `inside` since when they are in which segments. `generation` is that
    of the definitions for whose rules the member's history has been looked through. `incomplete`: all of it has to be
    looked at again, because an order beyond those that stand singly has changed, or nothing was stored before.
    """

    member_id: str
    person: Person
    bought: list[Bought] = []
    older: Older = Older()
    rings: dict[str, list[int]] = {}
    coupons: dict[str, dict[str, int]] = {}
    distributor: str = ""
    tags: dict[str, Tag] = {}
    #: Tags that the member took away: no rule gives them again.
    refused: list[str] = []
    inside: dict[str, int] = {}
    #: What they came into (True) and left since the lists were brought up to date with them, when, in order.
    moves: list[tuple[int, str, bool]] = []
    generation: int = 0
    incomplete: bool = False

    @property
    def completed(self) -> int:
        """Count the completed orders that were not refunded whole."""
        return self.older.completed + sum(1 for one in self.bought if one.completed_at)

    @property
    def last_completed_at(self) -> int:
        """Tell when the last of these was completed; 0 where there is none."""
        return max([self.older.last_completed_at, *(one.completed_at for one in self.bought)])

    @property
    def last_completion(self) -> datetime | None:
        """Tell the same as an instant; None where there is none."""
        return instant(self.last_completed_at) if self.last_completed_at else None


def ms(instant: datetime) -> int:
    """Write an instant as Unix milliseconds."""
    return round(instant.timestamp() * 1000)


def person(profile: Profile) -> Person:
    """Take out of a profile what the rules ask of it."""
    joined, first, last = profile.joined_at, profile.first_source, profile.last_source
    touches: dict[str, Visit | None] = {
        "first": first,
        "last": last,
        "joined": first if first is not None and first.at <= joined else None,
    }
    born = profile.birthday
    return Person(
        joined_at=ms(joined),
        returned=profile.returned,
        personalised=profile.personalised,
        has=[part for part in PARTS if getattr(profile, part)],
        birthday=None if born is None else (born.month, born.day, born.calendar == "lunar"),
        last_seen=0 if profile.last_seen is None else ms(profile.last_seen),
        came={touch: _came(visit) for touch, visit in touches.items() if visit is not None},
    )


def _came(visit: Visit) -> Came:
    return Came(channel=visit.channel or "", scene=visit.scene or "", live_room=visit.live_room or "")


def with_order(traits: Traits, before: Bought | None, after: Bought | None, now: int) -> Traits:
    """Put what an order counts `after` a change in place of what it counted before it (None: nothing). One that does
    not stand singly any more makes them `incomplete`."""
    counted = before or after
    if counted is None:
        return traits
    others = [one for one in traits.bought if one.order_id != counted.order_id]
    if len(others) == len(traits.bought) and counted.paid_at <= traits.older.up_to:
        return msgspec.structs.replace(traits, incomplete=True)
    if after is not None:
        bisect.insort(others, after, key=lambda one: (one.paid_at, one.order_id))
    return folded(msgspec.structs.replace(traits, bought=others), now)


def folded(traits: Traits, now: int) -> Traits:
    """Count together the orders that need not stand singly any more."""
    bought = traits.bought
    beyond = now - WINDOW_DAYS_MAX * DAY_MS
    many = max(0, len(bought) - ORDERS_MAX)
    parts = sum(len(one.parts) for one in bought[many:])
    while parts > PARTS_MAX:
        parts -= len(bought[many].parts)
        many += 1
    while many < len(bought) - ORDERS_KEPT and bought[many].paid_at < beyond:
        many += 1
    if not many:
        return traits
    older = traits.older
    for one in bought[:many]:
        older = _counted(older, one)
    return msgspec.structs.replace(traits, bought=bought[many:], older=older)


def _counted(older: Older, one: Bought) -> Older:
    sums = dict(older.sums)
    for part in ("", *one.parts):
        if (net := one.net_of(part)) > 0:
            count, total = sums.get(part, (0, 0))
            sums[part] = count + 1, total + net
    first, last = older.first_bought_at, older.last_bought_at
    if one.net_fen > 0:
        first, last = first or one.paid_at, one.paid_at
    return Older(
        sums=sums, first_bought_at=first, last_bought_at=last, up_to=one.paid_at,
        completed=older.completed + bool(one.completed_at),
        last_completed_at=max(older.last_completed_at, one.completed_at),
    )  # fmt: skip


def with_orders(traits: Traits, entries: Collection[Bought], now: int) -> Traits:
    """Put these orders, which are all that the member has paid, in place of what was known of them."""
    bought = sorted(entries, key=lambda one: (one.paid_at, one.order_id))
    anew = msgspec.structs.replace(traits, bought=bought, older=Older(), incomplete=False)
    return folded(anew, now)


def with_instants(traits: Traits, key: str, instants: Collection[int], kept: int) -> Traits:
    """Add instants at which something happened that a rule looks for; the latest `kept` stay."""
    ring = sorted([*traits.rings.get(key, []), *instants])[-kept:]
    return msgspec.structs.replace(traits, rings={**traits.rings, key: ring})


def with_coupon(traits: Traits, template_id: str, coupon_id: str, ends_at: int | None) -> Traits:
    """Note that the member has this coupon unused until then; None: they have it no more. Where they may have more of
    the template than are kept, that makes them `incomplete`."""
    before = traits.coupons.get(template_id, {})
    held = {known: ends for known, ends in before.items() if known != coupon_id}
    if ends_at is not None:
        held[coupon_id] = ends_at
    coupons = {known: ends for known, ends in traits.coupons.items() if known != template_id}
    if held:
        coupons[template_id] = ending_last(held)
    missing = ends_at is None and len(before) == COUPONS_KEPT
    return msgspec.structs.replace(traits, coupons=coupons, incomplete=traits.incomplete or missing)


def ending_last(held: Mapping[str, int]) -> dict[str, int]:
    """Choose the coupons of a template that are kept."""
    if len(held) <= COUPONS_KEPT:
        return dict(held)
    return dict(sorted(held.items(), key=lambda one: (one[1], one[0]))[-COUPONS_KEPT:])


def with_tag(traits: Traits, name: str, tag: Tag) -> Traits:
    """Give the member this tag by hand, in place of one of that name."""
    refused = [one for one in traits.refused if one != name]
    return msgspec.structs.replace(traits, tags={**traits.tags, name: tag}, refused=refused)


def without_tags(traits: Traits, names: Collection[str], refused: bool) -> Traits:
    """Take these tags from the member; `refused`: it is the member who does, and no rule gives them again."""
    tags = {name: tag for name, tag in traits.tags.items() if name not in names}
    kept = sorted({*traits.refused, *names}) if refused else traits.refused
    return msgspec.structs.replace(traits, tags=tags, refused=kept)


def absorbed(traits: Traits, other: Traits) -> Traits:
    """Take over what the other member had who is the same person: tags, each since it was set first, and those that
    they took away. All else is found out anew (`incomplete`), when what it is found out from has been moved."""
    tags = dict(other.tags)
    for name, tag in traits.tags.items():
        tags[name] = min(tag, tags.get(name, tag), key=lambda one: (one.by_rule, one.at))
    refused = sorted({*traits.refused, *other.refused})
    kept = {name: tag for name, tag in tags.items() if not (name in other.refused and tag.by_rule)}
    return msgspec.structs.replace(traits, tags=kept, refused=refused, incomplete=True)


def within_needs(traits: Traits, rings: Mapping[str, int], templates: Collection[str]) -> Traits:
    """Leave out what no rule looks at any more: `rings` says how many instants of what are kept."""
    kept = {key: ring[-rings[key] :] for key, ring in traits.rings.items() if key in rings}
    coupons = {template: held for template, held in traits.coupons.items() if template in templates}
    if kept == traits.rings and coupons == traits.coupons:
        return traits
    return msgspec.structs.replace(traits, rings=kept, coupons=coupons)


def without_over(traits: Traits, now: int) -> Traits:
    """Leave out coupons that are over: they are in no rule any more."""
    if all(end > now for held in traits.coupons.values() for end in held.values()):
        return traits
    still = {
        template: {coupon_id: end for coupon_id, end in held.items() if end > now}
        for template, held in traits.coupons.items()
    }
    return msgspec.structs.replace(traits, coupons={template: held for template, held in still.items() if held})


def instant(milliseconds: int) -> datetime:
    """Read Unix milliseconds as an instant."""
    return clock.from_ms(milliseconds)
