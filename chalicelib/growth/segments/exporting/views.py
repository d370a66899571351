"""What is known of a person, as they are shown it in the document of all their data."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.growth.segments.definitions.rules import Book
from chalicelib.growth.segments.membership.rules import Move
from chalicelib.growth.segments.traits.rules import Tag, Traits, instant


class InsideSince(msgspec.Struct, frozen=True):
    """A segment that the person is in, and since when."""

    segment_id: str
    name: str
    since: datetime


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule counts of what the person did: an event with these properties, and when it came the last times."""

    event: str
    where: dict[str, Any]
    latest: list[datetime]


class PurchaseCounted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order as it counts: what is left of what was paid, in fen, and when it was completed, if it was."""

    order_id: str
    paid_at: datetime
    net_fen: int
    completed_at: datetime | None = None


class TagKept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tag of the person: since when, whether an operator gave it, a rule or a journey, why (of a rule: how often each
    event had come by then that it asks for, or at least so often), and until when where that is known."""

    name: str
    set_at: datetime
    by: Literal["operator", "rule", "journey"]
    why: str = ""
    evidence: dict[str, int] = {}
    until: datetime | None = None


class KnownView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known of a person for segments. `older_orders`: further ones, counted together."""

    segments: list[InsideSince]
    tags: list[TagKept]
    refused_tags: list[str] = []
    counted: list[Counted] = []
    purchases: list[PurchaseCounted] = []
    older_orders: int = 0
    coupons_watched: int = 0
    distributor: str = ""
    last_seen: datetime | None = None


class MoveOfMine(msgspec.Struct, frozen=True):
    """That the person came into a segment or got a tag (`came`), or left it."""

    at: datetime
    segment_id: str
    name: str
    came: bool


def known_view(traits: Traits, book: Book) -> KnownView:
    """Show a person what is known of them; not which operator gave a tag."""
    names = {segment_id: entry.definition.name for segment_id, entry in book.entries.items()}
    leaves = book.needs.rings
    return KnownView(
        segments=[InsideSince(one, names.get(one, ""), instant(at)) for one, at in sorted(traits.inside.items())],
        tags=[_tag(name, tag) for name, tag in sorted(traits.tags.items())],
        refused_tags=traits.refused,
        counted=[
            Counted(event=leaves[key].event, where=dict(leaves[key].where), latest=[instant(at) for at in ring])
            for key, ring in traits.rings.items()
            if key in leaves
        ],
        purchases=[
            PurchaseCounted(
                order_id=one.order_id, paid_at=instant(one.paid_at), net_fen=one.net_fen,
                completed_at=instant(one.completed_at) if one.completed_at else None,
            )
            for one in traits.bought
        ],
        older_orders=traits.older.sums.get("", (0, 0))[0],
        coupons_watched=sum(len(held) for held in traits.coupons.values()),
        distributor=traits.distributor,
        last_seen=instant(traits.person.last_seen) if traits.person.last_seen else None,
    )  # fmt: skip


def _tag(name: str, tag: Tag) -> TagKept:
    until = instant(tag.until) if tag.until else None
    if tag.by_rule:
        return TagKept(name=name, set_at=instant(tag.at), by="rule", evidence=tag.evidence, until=until)
    by: Literal["operator", "journey"] = "journey" if tag.by.startswith("journey:") else "operator"
    return TagKept(name=name, set_at=instant(tag.at), by=by, why=tag.why, until=until)


def move_of_mine(move: Move, book: Book) -> MoveOfMine:
    """Show a person what they came into or left."""
    entry = book.entries.get(move.segment_id)
    name = "" if entry is None else entry.definition.name
    return MoveOfMine(instant(move.at), move.segment_id, name, move.came)
