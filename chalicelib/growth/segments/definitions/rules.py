"""What operators define: segments and tags; and the book of all that are in force, in the order of deciding. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any

import msgspec

from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import LifeCycleRules, Segment
from chalicelib.growth.segments.language.rules import (
    All,
    AnyOf,
    Happened,
    HasCoupon,
    HasTag,
    InSegment,
    LifeCycle,
    Not,
    Purchases,
    Rule,
    is_behavioural,
    is_proven,
    leaves_of,
    parsed,
)
from chalicelib.growth.segments.refusals import GOES_ROUND, RULES_TOO_LARGE
from chalicelib.growth.segments.traits.rules import ms

#: How many segments and tags a mall may have, so that all of them are one page of a query, and are decided in a
#: fraction of a millisecond.
DEFINITIONS_MAX = 100
#: How many kinds of events all rules together may count, how many parts of orders they may name, and the coupons of how
#: many templates: what is known of a member is one document.
RINGS_MAX, PARTS_MAX, TEMPLATES_MAX = 64, 100, 50
#: How the ids of both begin.
SEGMENT_IDS, TAG_IDS = "sg", "tg"
#: After so many milliseconds no call goes on that began before another process could know of a change: the longest that
#: a request takes, twice what a process remembers the book for, and clocks that differ.
FENCE_MS = 35_000
LIFE_CYCLE: tuple[Segment, ...] = ("new", "first_order", "repeat", "loyal", "silent")
_NEVER = datetime.fromisoformat("2000-01-01T00:00:00Z")
#: In place of the rule of a definition that cannot be read: nobody can read this one either.
_UNREAD: dict[str, Any] = {}


class Definition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A segment; or a tag, which is given by hand, and by its rule if it has one, for `ttl_days` after that held.

    `generation` is that of the book by which it became what it is. `shown`: members see that they are in it.
    `from_now_on`: events and purchases before it became what it is do not count for it.
    """

    segment_id: str
    name: str
    version: int = 1
    generation: int
    made_at: datetime
    changed_at: datetime
    rule: Any = None
    shown: bool = False
    from_now_on: bool = False
    tag: str = ""
    group: str = ""
    wecom: bool = False
    ttl_days: int | None = None


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What must be known of members beside what is always known: of events how many instants (by what is counted, with
    the leaf), which parts of orders, and the coupons of which templates."""

    rings: dict[str, Happened] = {}
    parts: frozenset[str] = frozenset()
    templates: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.rings or self.parts or self.templates)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A definition as it is decided: its rule read, what that needs, and which others it names. `behavioural`: it asks
    for what a member did or bought, by itself or by what it names. `proven`: nobody but the mall can make it true;
    `proven_out`: nor false. `building`: everybody is being looked at for it; `settling`: for it, or for what it names;
    `replaced`: some may still be in it by what its rule, or one that it names, was before. `undecided`: this version of
    the mall cannot read it, or something that it names; members stay as they were, and nothing follows from it."""

    definition: Definition
    building: bool = False
    settling: bool = False
    replaced: bool = False
    undecided: bool = False
    rule: Rule | None
    needs: Needs
    named: frozenset[str] = frozenset()
    by_itself: bool = False
    behavioural: bool = False
    proven: bool = True
    proven_out: bool = True

    @property
    def unreadable(self) -> bool:
        """Whether it is this one that cannot be read."""
        return self.undecided and self.rule is None


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """All definitions, each behind those that its rule names, of a generation, with the bounds of the life cycle.
    Everybody has been looked at for the generation `built`. Before `opens_at` (Unix milliseconds) what happened is not
    looked through for definitions that are being built: a process that does not know of them may still be at work."""

    generation: int
    built: int
    opens_at: int = 0
    bounds: LifeCycleRules
    entries: dict[str, Entry]
    needs: Needs

    @property
    def event_names(self) -> frozenset[str]:
        """Give the names of the events that a rule looks at."""
        return frozenset(leaf.event for leaf in self.needs.rings.values())

    @property
    def own(self) -> list[Definition]:
        """List what operators have defined: all but the five segments of the life cycle."""
        return [entry.definition for entry in self.entries.values() if entry.definition.generation]

    @property
    def unreadable(self) -> list[str]:
        """List the ids of the definitions that this version of the mall cannot read."""
        return [segment_id for segment_id, entry in self.entries.items() if entry.unreadable]

    @property
    def tag_ids(self) -> frozenset[str]:
        """Give the ids of the tags."""
        return frozenset(segment_id for segment_id, entry in self.entries.items() if entry.definition.tag)

    def named(self, tag: str) -> Entry | None:
        """Find the definition of a tag."""
        return next((entry for entry in self.entries.values() if entry.definition.tag == tag), None)


def needs_of(rules: Collection[Rule]) -> Needs:
    """Find what these rules need to be known."""
    rings: dict[str, Happened] = {}
    parts: set[str] = set()
    templates: set[str] = set()
    for rule in rules:
        for _, leaf in leaves_of(rule):
            if isinstance(leaf, Happened):
                known = rings.get(leaf.key)
                if known is None or known.kept < leaf.kept:
                    rings[leaf.key] = leaf
            elif isinstance(leaf, Purchases) and leaf.part:
                parts.add(leaf.part)
            elif isinstance(leaf, HasCoupon):
                templates.add(leaf.coupon)
    return Needs(rings=rings, parts=frozenset(parts), templates=frozenset(templates))


def book_of(definitions: Collection[Definition], generation: int, built: int, bounds: LifeCycleRules) -> Book:
    """Put the definitions, and the five segments of the life cycle, in the order in which they are decided. One whose
    rule cannot be read is not decided, nor what names it.

    Raises `segment_cycle` where rules name each other in a ring.
    """
    rules, unreadable = _rules_of(definitions)
    by_id = {one.segment_id: one for one in definitions}
    by_tag = {one.tag: one.segment_id for one in definitions if one.tag}
    entries: dict[str, Entry] = {word: _life_cycle(word) for word in LIFE_CYCLE}
    for segment_id in _in_order(rules, by_tag):
        rule = rules[segment_id]
        entry = _in_progress(_entry(by_id[segment_id], rule, entries, by_tag), built, entries)
        if segment_id in unreadable or any(entries[one].undecided for one in entry.named):
            entry = msgspec.structs.replace(entry, undecided=True, proven=False, proven_out=False)
        entries[segment_id] = entry
    needs = needs_of([entry.rule for entry in entries.values() if entry.rule is not None])
    changed = [ms(entry.definition.changed_at) for entry in entries.values() if entry.building]
    opens_at = max(changed) + FENCE_MS if changed else 0
    return Book(generation=generation, built=built, opens_at=opens_at, bounds=bounds, entries=entries, needs=needs)


def _rules_of(definitions: Collection[Definition]) -> tuple[dict[str, Rule | None], set[str]]:
    """Read the rules of these definitions; and name those whose rule cannot be read."""
    rules: dict[str, Rule | None] = {}
    unreadable: set[str] = set()
    for one in definitions:
        try:
            rules[one.segment_id] = None if one.rule is None else parsed(one.rule)
        except MallError:
            rules[one.segment_id] = None
            unreadable.add(one.segment_id)
    return rules, unreadable


def unread(segment_id: str, known: Mapping[str, Any]) -> Definition:
    """Make of a definition that cannot be read, of which this is `known`, what can be made of it: with those parts that
    can be read, so that it has a name, and with a rule that cannot."""
    parts: dict[str, Any] = {"name": segment_id, "generation": 1, "made_at": _NEVER, "changed_at": _NEVER}
    for field in msgspec.structs.fields(Definition):
        with contextlib.suppress(KeyError, msgspec.ValidationError):
            parts[field.name] = msgspec.convert(known[field.encode_name], field.type)
    if segment_id.startswith(TAG_IDS):
        parts["tag"] = parts.get("tag") or segment_id
    return Definition(**parts | {"segment_id": segment_id, "rule": _UNREAD})


def check_needs(book: Book) -> None:
    """Raise `rule_too_large` where all rules together need more of a member than one document has room for."""
    needs, limits = book.needs, (RINGS_MAX, PARTS_MAX, TEMPLATES_MAX)
    if any(len(one) > most for one, most in zip((needs.rings, needs.parts, needs.templates), limits, strict=True)):
        raise MallError("rule_too_large", errors=(RULES_TOO_LARGE.at("rule"),))


def _life_cycle(word: Segment) -> Entry:
    definition = Definition(
        segment_id=word, name=word, generation=0, made_at=_NEVER, changed_at=_NEVER,
        rule={"life_cycle": [word]},
    )  # fmt: skip
    return Entry(definition=definition, rule=LifeCycle(life_cycle=[word]), needs=Needs())


def _in_order(rules: Mapping[str, Rule | None], by_tag: Mapping[str, str]) -> list[str]:
    graph = {segment_id: _named_by(rule, by_tag) & rules.keys() for segment_id, rule in rules.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as fault:
        ring = list(dict.fromkeys(fault.args[1]))
        raise MallError("segment_cycle", errors=(GOES_ROUND.at("rule", segments=ring),)) from None


def _named_by(rule: Rule | None, by_tag: Mapping[str, str]) -> set[str]:
    """The definitions that the rule names: segments by their ids, tags by their names."""
    named: set[str] = set()
    for _, leaf in leaves_of(rule) if rule is not None else ():
        if isinstance(leaf, InSegment):
            named.add(leaf.segment)
        elif isinstance(leaf, HasTag) and leaf.tag in by_tag:
            named.add(by_tag[leaf.tag])
    return named


def _entry(
    definition: Definition, rule: Rule | None, entries: Mapping[str, Entry], by_tag: Mapping[str, str]
) -> Entry:  # fmt: skip
    if rule is None:  # a tag by hand: an operator knows why
        return Entry(definition=definition, rule=None, needs=Needs())
    named = frozenset(_named_by(rule, by_tag) & entries.keys())
    by_itself = any(is_behavioural(leaf) for _, leaf in leaves_of(rule))
    return Entry(
        definition=definition,
        rule=rule,
        needs=needs_of([rule]),
        named=named,
        by_itself=by_itself,
        behavioural=by_itself or any(entries[one].behavioural for one in named),
        proven=_proven(rule, entries, by_tag, True),
        proven_out=_proven(rule, entries, by_tag, False),
    )


def _in_progress(entry: Entry, built: int, entries: Mapping[str, Entry]) -> Entry:
    """Say of the entry what of it, and of those that it names, is not done when all of `built` is."""
    building, named = entry.definition.generation > built, [entries[one] for one in entry.named]
    return msgspec.structs.replace(
        entry,
        building=building,
        settling=building or any(one.settling for one in named),
        replaced=(building and entry.definition.version > 1) or any(one.replaced for one in named),
    )


def _proven(rule: Rule, entries: Mapping[str, Entry], by_tag: Mapping[str, str], holds: bool) -> bool:
    """Whether nobody but the mall can make the rule come true (or false, where it is to be: not `holds`)."""
    if isinstance(rule, Not):
        return _proven(rule.negated, entries, by_tag, not holds)
    if isinstance(rule, All | AnyOf):
        parts = [_proven(part, entries, by_tag, holds) for part in (rule.all if isinstance(rule, All) else rule.any)]
        return any(parts) if isinstance(rule, All) is holds else all(parts)
    if isinstance(rule, HasTag):  # a member may take away any of their tags
        return holds and rule.tag in by_tag and entries[by_tag[rule.tag]].proven
    if isinstance(rule, InSegment):
        found = entries.get(rule.segment)
        return found is not None and (found.proven if holds else found.proven_out)
    return is_proven(rule, holds)


def users_of(book: Book, definition: Definition) -> list[str]:
    """List the ids of the definitions whose rules name this one, or may: what cannot be read may name anything."""
    by_tag = {definition.tag: definition.segment_id} if definition.tag else {}
    return [
        segment_id
        for segment_id, entry in book.entries.items()
        if segment_id != definition.segment_id
        and (entry.unreadable or definition.segment_id in _named_by(entry.rule, by_tag))
    ]
