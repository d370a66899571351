"""Coupons. Tables `coupon_templates`, `coupon_counters`, `coupons`, `coupon_codes`, `coupon_grants`.

| who asks | how | units |
|---|---|---|
| one template (once a second in a process) | Get template | 1 RRU |
| templates that are published and not over (likewise) | Query by_offer | 0.5 RRU per 4 KB |
| all templates, newest first, for operators | Query by_age | 0.5 RRU per 4 KB |
| how much is left, and was got | BatchGet stock#<template>#<shard>, all shards | 0.5 RRU a shard, 1 to decide by |
| may an operator let out more alone, where that is bounded | Get, Update alone#<operator>#<day> | 1 RRU, 2 WRU |
| what used coupons took off | BatchGet used#<template>#<shard>, all shards | 0.5 RRU a shard |
| count a used coupon | Update used#<template>#<shard>, in the job's last transaction | 2 WRU |
| get a coupon | Update a shard of the stock, (member, "received#<template>"), Put coupon, in one transaction | 7 WRU |
| what a member has got | BatchGet (member, "received#<template>") | 0.5 or 1 RRU each |
| one coupon, for an order | BatchGet (member, "coupon#<coupon>") with the rest | 1 RRU |
| open coupons, for a quote; unused, expired, locked ones | Query by_end "<member>\\|open" | 0.5 RRU per 4 KB |
| used coupons | Query by_end "<member>\\|used" | 0.5 RRU per 4 KB |
| lock, use, free, give back | Update under its state, in the order's transaction | 2 WRU + 1 or 2 for the index |
| a code is entered | BatchGet (member, "guesses"), batch#<batch>, code#<batch>.<serial> | 3 RRU |
| a wrong one | Update (member, "guesses"), Update guesses#<window>#<shard> | 2 WRU |
| are there many wrong ones (once a second in a process) | BatchGet guesses#<window>#<shard> | 4 RRU |
| a right one | get a coupon, and Put code#<batch>.<serial>, check (member, "guesses") | 11 WRU |
| a member is merged into another | Delete and Put each coupon, Update what both have got | 6 WRU each, 4 a template |
| what counts on for who returns | Query, Get of the former member; BatchGet shares; Put each | 1 RRU per 4 KB, 1 WRU |
| whose is this share token; one more for them | Get, Update share#<token> | 1 RRU, 2 WRU |
| in which custom segments is a member, where one is named | BatchGet what the wing above names, with the rest | 1 RRU |
| a step of a grant, 30 members (11 observed) | Get head, part; Query ids or roster; coupons, the part | 5 WRU each |
| how far a grant is | Query grant, "grant" and "part#" | 1 RRU per 4 KB |
| which grants to those in a segment, or with a tag, are under way | Query by_naming, BatchGet the heads | 1 RRU each |
| more members for a grant's list | Get part, added; Update part, Put added, ids | 2 or 4 WRU, 28 for each 500 |

What a member has got and what is left of a template lie apart: counters per member in the member's partition, each
shard of a stock in a partition of its own. So those who ask for a hot template meet at one of its shards only.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
from pynamodb.attributes import BooleanAttribute, NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.commerce.coupons.rules import Batch, Coupon, Grant, Guesses, Held, ListedMembers, Template
from chalicelib.core import clock
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

COUPON = "coupon#"
RECEIVED = "received#"
GUESSES = "guesses"
STOCK, USED, ALONE = "stock#", "used#", "alone#"
BATCH, CODE, SHARE = "batch#", "code#", "share#"
GRANT, PART, IDS, ADDED = "grant", "part#", "ids#", "added#"
#: Hash keys of the one list of all templates, and of those that are published: there are dozens, changed by hand.
ALL, PUBLISHED = "all", "published"
#: Hash key of the one list of the parts of grants that look at segments or tags and are under way.
NAMING = "naming"
#: Where templates without a last day stand in their list.
NO_END = "9999"
#: How long a coupon's item is stored after its end: by then no order that had it can be refunded any more.
KEPT = timedelta(days=730)


class ByAge(GlobalSecondaryIndex["CouponTemplates"]):
    """All templates by when they were made."""

    class Meta:
        index_name = "by_age"
        projection = AllProjection()

    listing = UnicodeAttribute(hash_key=True)
    made = UnicodeAttribute(range_key=True)


class ByOffer(GlobalSecondaryIndex["CouponTemplates"]):
    """The published templates by their last day; no other template stands here."""

    class Meta:
        index_name = "by_offer"
        projection = AllProjection()

    offer = UnicodeAttribute(hash_key=True)
    ends = UnicodeAttribute(range_key=True)


class CouponTemplates(Table):
    """A template, changed under its version."""

    class Meta(TableMeta):
        table_name = name("coupon_templates")

    template_id = UnicodeAttribute(hash_key=True)
    template = Document(Template)
    version = NumberAttribute()
    listing = UnicodeAttribute()
    made = UnicodeAttribute()
    offer = UnicodeAttribute(null=True)
    ends = UnicodeAttribute()

    by_age = ByAge()
    by_offer = ByOffer()


class CouponCounters(Table):
    """What many writers count, in shards that are partitions of their own."""

    class Meta(TableMeta):
        table_name = name("coupon_counters")

    counter = UnicodeAttribute(hash_key=True)
    # "stock#<template_id>#<shard>": over all shards, free + issued = the template's total
    free = NumberAttribute(null=True)
    issued = NumberAttribute(null=True)
    # "used#<template_id>#<shard>"
    used = NumberAttribute(null=True)
    off_fen = NumberAttribute(null=True)
    paid_fen = NumberAttribute(null=True)
    # "alone#<operator>#<day>": the worth of what an operator has let out alone on a day
    decided_fen = NumberAttribute(null=True)
    # "guesses#<window>#<shard>": wrong codes of everybody
    wrong_codes = NumberAttribute(null=True)
    expires = TTLAttribute(null=True)


class ByEnd(GlobalSecondaryIndex["Coupons"]):
    """The coupons of a member, open or used, by their end."""

    class Meta:
        index_name = "by_end"
        projection = AllProjection()

    partition = UnicodeAttribute(hash_key=True)
    ends_at = UnicodeAttribute(range_key=True)


class Coupons(Table):
    """What a member has; which attributes are there follows from the part."""

    class Meta(TableMeta):
        table_name = name("coupons")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    # part "coupon#<coupon_id>"; what a condition looks at stands beside the document
    coupon = Document(Coupon, null=True)
    state = UnicodeAttribute(null=True)
    #: The order that has locked or used it.
    order_id = UnicodeAttribute(null=True)
    begins_at = UnicodeAttribute(null=True)
    ends_at = UnicodeAttribute(null=True)
    #: "<member_id>|open" while it is unused or locked, "<member_id>|used" afterwards.
    partition = UnicodeAttribute(null=True)
    #: Rubbish collection: of a coupon long after its end, of guesses when they do not count any more.
    expires = TTLAttribute(null=True)
    # part "received#<template_id>": how many of the template this member has ever got
    received = NumberAttribute(null=True)
    #: How many of them they had got as the member they were before they left and returned.
    carried = NumberAttribute(null=True)
    # part "guesses": wrong codes, and until when they count (Unix seconds)
    wrong_codes = NumberAttribute(null=True)
    window_ends = NumberAttribute(null=True)

    by_end = ByEnd()


class CouponCodes(Table):
    """What members enter or hand on."""

    class Meta(TableMeta):
        table_name = name("coupon_codes")

    code = UnicodeAttribute(hash_key=True)
    # "batch#<number>"
    batch = Document(Batch, null=True)
    exported = BooleanAttribute(null=True)
    # "code#<batch>.<serial>": was redeemed, by whom; "share#<token>": who shares
    member_id = UnicodeAttribute(null=True)
    # "share#<token>": which template, and how many its sharer has got for it
    template_id = UnicodeAttribute(null=True)
    rewards = NumberAttribute(null=True)


class ByNaming(GlobalSecondaryIndex["CouponGrants"]):
    """The parts of grants to those in a segment, or with a tag, that are under way; no other part stands here."""

    class Meta:
        index_name = "by_naming"
        projection = KeysOnlyProjection()

    naming = UnicodeAttribute(hash_key=True)
    grant_id = UnicodeAttribute(range_key=True)


class CouponGrants(Table):
    """A grant's head, its parts, and its list, which is one part."""

    class Meta(TableMeta):
        table_name = name("coupon_grants")

    grant_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    # part "grant"
    grant = Document(Grant, null=True)
    # part "part#<number>": how far it is, and how it ended
    position = UnicodeAttribute(null=True)
    issued = NumberAttribute(null=True)
    skipped = NumberAttribute(null=True)
    state = UnicodeAttribute(null=True)
    #: NAMING while it is under way, where its grant looks at segments or tags.
    naming = UnicodeAttribute(null=True)
    #: How many members its list has by now, of which the position is the number of those that were looked at; else 0.
    listed_count = NumberAttribute(null=True)
    # part "ids#<how many are listed before them>"
    listed = Document(ListedMembers, null=True)
    # part "added#<whose Idempotency-Key>": a request that added members, by its body
    digest = UnicodeAttribute(null=True)

    by_naming = ByNaming()


def template_item(template: Template, version: int) -> CouponTemplates:
    """Make the item of a template as it is stored."""
    until = template.valid.until
    return CouponTemplates(
        template.template_id,
        template=template,
        version=version,
        listing=ALL,
        made=f"{clock.stamp(template.created_at)}|{template.template_id}",
        offer=PUBLISHED if template.state == "published" else None,
        ends=f"{NO_END if until is None else clock.stamp(until)}|{template.template_id}",
    )


def template_key(template_id: str) -> Key:
    """Name the item of a template."""
    return CouponTemplates, (template_id,)


def stock_key(template_id: str, shard: int) -> Key:
    """Name the item of a shard of a template's stock."""
    return CouponCounters, (f"{STOCK}{template_id}#{shard}",)


def used_key(template_id: str, shard: int) -> Key:
    """Name the item in which some of a template's used coupons are counted."""
    return CouponCounters, (f"{USED}{template_id}#{shard}",)


def alone_key(operator: str, day: str) -> Key:
    """Name the item in which it is counted what an operator has let out alone on a day."""
    return CouponCounters, (f"{ALONE}{operator}#{day}",)


def window_key(window: int, shard: int) -> Key:
    """Name the item in which some of the wrong codes of ten minutes are counted."""
    return CouponCounters, (f"{GUESSES}#{window}#{shard}",)


def received_key(member_id: str, template_id: str) -> Key:
    """Name the item in which it is counted how many of a template a member has got."""
    return Coupons, (member_id, RECEIVED + template_id)


def guesses_key(member_id: str) -> Key:
    """Name the item in which a member's wrong codes are counted."""
    return Coupons, (member_id, GUESSES)


def batch_key(number: int) -> Key:
    """Name the item of a batch of codes."""
    return CouponCodes, (f"{BATCH}{number}",)


def code_key(batch: int, serial: int) -> Key:
    """Name the item that says that a code was redeemed."""
    return CouponCodes, (f"{CODE}{batch}.{serial}",)


def share_key(token: str) -> Key:
    """Name the item that says which member shares with this token."""
    return CouponCodes, (SHARE + token,)


def grant_key(grant_id: str) -> Key:
    """Name the item of a grant."""
    return CouponGrants, (grant_id, GRANT)


def part_key(grant_id: str, number: int) -> Key:
    """Name the item that says how far a part of a grant is."""
    return CouponGrants, (grant_id, f"{PART}{number:03}")


def ids_key(grant_id: str, before: int) -> Key:
    """Name the item with the members of a grant's list that come after `before` others."""
    return CouponGrants, (grant_id, f"{IDS}{before:012}")


def added_key(grant_id: str, request: str) -> Key:
    """Name the item that says that a request added members to a grant's list."""
    return CouponGrants, (grant_id, ADDED + request)


def received_of(item: Coupons | None) -> int:
    """Take how many coupons a member has got from the item at `received_key`, before they returned, too."""
    return 0 if item is None else int(item.received or 0)


def received_item(member_id: str, template_id: str, carried: int) -> Coupons:
    """Make the item of how many of a template a member has got who returns: those they had got before."""
    return Coupons(member_id, RECEIVED + template_id, received=carried, carried=carried)


def guesses_item(member_id: str, before: Coupons) -> Coupons:
    """Make the item of the wrong codes of a member who returns: those that are in this item of theirs `before`."""
    return Coupons(
        member_id, GUESSES, wrong_codes=before.wrong_codes, window_ends=before.window_ends, expires=before.expires
    )


def carried_of(item: Coupons) -> int:
    """Take how many of what a member has got they got before they left and returned."""
    return int(item.carried or 0)


def guesses_of(item: Coupons | None) -> Guesses:
    """Take the wrong codes from the item at `guesses_key`."""
    return Guesses() if item is None else Guesses(int(item.wrong_codes or 0), int(item.window_ends or 0))


def coupon_key(member_id: str, coupon_id: str) -> Key:
    """Name the item of a member's coupon; there is none for another member's coupon."""
    return Coupons, (member_id, COUPON + coupon_id)


def held(item: Coupons) -> Held:
    """Take the coupon from an item of part "coupon#..."."""
    return Held(coupon=item.coupon, state=item.state, order_id=item.order_id or "")  # type: ignore[arg-type]


def open_partition(member_id: str) -> str:
    """Name the partition in which a member's unused and locked coupons stand."""
    return f"{member_id}|open"


def used_partition(member_id: str) -> str:
    """Name the partition in which a member's used coupons stand."""
    return f"{member_id}|used"


def coupon_item(coupon: Coupon) -> Coupons:
    """Make the item of a coupon as its member gets it: unused."""
    return Coupons(
        coupon.member_id,
        COUPON + coupon.coupon_id,
        coupon=coupon,
        state="unused",
        begins_at=clock.stamp(coupon.valid_from),
        ends_at=clock.stamp(coupon.valid_until),
        partition=open_partition(coupon.member_id),
        expires=coupon.valid_until + KEPT,
    )


def moved_item(item: Coupons, member_id: str) -> Coupons:
    """Make the item of another member's coupon, as this member has it from now on: who that is, and nothing else."""
    moved = coupon_item(msgspec.structs.replace(item.coupon, member_id=member_id))
    moved.state, moved.order_id, moved.expires = item.state, item.order_id, item.expires
    if item.state == "used":
        moved.partition = used_partition(member_id)
    return moved
