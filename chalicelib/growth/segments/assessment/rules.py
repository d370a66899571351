"""A member held against the whole book: the segments and tags they have at an instant, and when that may change. Pure.

Time is followed instant by instant: from the one at which something might change to the next, so that a member who is
looked at late is found as one who was looked at in time, with the right instants.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from chalicelib.growth.segments.definitions.rules import Book, Definition, Entry
from chalicelib.growth.segments.evaluation.rules import Answer, View, decide, earliest, instants_of
from chalicelib.growth.segments.language.rules import Happened, Rule, leaves_of
from chalicelib.growth.segments.traits.rules import BY_RULE, DAY_MS, Tag, Traits, ms

#: Finds the midnights at which the last birthday and the next one begin (traits.person.birthday), at an instant.
Birthdays = Callable[[tuple[int, int, bool], int], tuple[int, int] | None]

#: So many instants are followed one by one; who was not looked at for longer is then looked at as of now.
_STEPS_MAX = 400


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The member's traits with what was decided of them, and the first instant at which time alone may change it
    (None: never)."""

    traits: Traits
    due: int | None = None


def is_complete(book: Book, traits: Traits, now: int) -> bool:
    """Say whether all is known of the member that can be: who has not yet been looked through for a definition that is
    being built is not, once that may be done; nor who never was: what happened as the mall got segments may have
    happened in a process that knew of none."""
    if traits.incomplete:
        return False
    if now < book.opens_at or not book.generation:
        return True
    return bool(traits.generation) and not any(_waits(entry, traits) for entry in book.entries.values())


def _waits(entry: Entry, traits: Traits) -> bool:
    """Whether what happened before must be looked through for the member before the definition can be decided."""
    return entry.building and bool(entry.needs) and traits.generation < entry.definition.generation


def assess(book: Book, traits: Traits, now: int, birthdays: Birthdays) -> Assessment:
    """Decide every definition for the member as they are at `now`."""
    view = viewed(book, traits, now, birthdays)
    inside = {one: traits.inside.get(one, now) for one, (holds, _) in view.inside.items() if holds}
    tags = {name: tag for name, (tag, _) in view.tags.items()}
    due = earliest(until for _, until in view.inside.values())
    if inside == traits.inside and tags == traits.tags:
        return Assessment(traits=traits, due=due)
    moves = [
        *traits.moves,
        *((now, one, False) for one in traits.inside if one not in inside),
        *((now, one, True) for one in inside if one not in traits.inside),
    ]
    return Assessment(traits=msgspec.structs.replace(traits, inside=inside, tags=tags, moves=moves), due=due)


def viewed(book: Book, traits: Traits, now: int, birthdays: Birthdays) -> View:
    """Look at the member at `now`: all definitions are decided, each before those that name it."""
    born = traits.person.birthday
    view = View(
        traits=traits, now=now, bounds=book.bounds, birthdays=None if born is None else birthdays(born, now),
        tags={}, inside={}, withheld=set(), waiting=set(),
    )  # fmt: skip
    for segment_id, entry in book.entries.items():
        tag, waits = entry.definition.tag, _waits(entry, traits)
        if waits or not entry.named.isdisjoint(view.waiting):
            view.waiting.add(segment_id)
        if entry.undecided and not _is_withheld(entry, view):
            view.inside[segment_id] = _as_they_were(entry.definition, view), None
        elif waits and not _is_withheld(entry, view):
            view.inside[segment_id] = segment_id in traits.inside, None
            if tag in traits.tags:
                view.tags[tag] = traits.tags[tag], None
        else:
            view.inside[segment_id] = _tagged(entry, view) if tag else _ruled(entry, view)
        if _is_withheld(entry, view) and not view.inside[segment_id][0]:
            view.withheld.add(segment_id)
    return view


def _as_they_were(definition: Definition, view: View) -> bool:
    """Whether the member was in the segment as it was decided last, or has the tag, which a person may have given or
    taken since; notes that for the rules that ask for it."""
    if not definition.tag:
        return definition.segment_id in view.traits.inside
    had = {name: (tag, None) for name, tag in view.traits.tags.items() if tag.of == definition.segment_id}
    view.tags.update(had)
    return bool(had)


def _is_withheld(entry: Entry, view: View) -> bool:
    """Whether the definition is false as a whole: it asks for what the member did or bought, who does not want to be
    chosen by that."""
    if view.traits.person.personalised or not entry.behavioural:
        return False
    return entry.by_itself or not entry.named.isdisjoint(view.withheld)


def _ruled(entry: Entry, view: View) -> Answer:
    if entry.rule is None or _is_withheld(entry, view):
        return False, None
    view.since = counts_since(entry.definition)
    holds, until = decide(entry.rule, view)
    if entry.behavioural and not view.traits.person.personalised:  # as long as the tags that it asks for are by hand
        until = earliest((until, *(view.inside[one][1] for one in entry.named)))
    return holds, until


def counts_since(definition: Definition) -> int:
    """Tell from which instant on events and purchases count for a definition (0: all do)."""
    return ms(definition.changed_at) if definition.from_now_on else 0


def _tagged(entry: Entry, view: View) -> Answer:
    """Whether the member has the tag, by hand or by its rule; notes it for the rules that ask for it."""
    definition, traits = entry.definition, view.traits
    had = traits.tags.get(definition.tag)
    if had is not None and (_is_over(had, view) or had.of != definition.segment_id):
        had = None  # of another definition: one of this name that there was before
    if had is not None and had.by_rule and _is_withheld(entry, view):
        had = None
    by_hand = had is not None and not had.by_rule
    holds, until = (False, None) if by_hand or definition.tag in traits.refused else _ruled(entry, view)
    tag = had
    if holds:
        tag = had or _by_rule(entry, view)
        tag = msgspec.structs.replace(tag, until=0, unproven=not _is_proven(tag, entry, view))
    elif had is not None and had.by_rule and had.unproven and entry.proven:
        tag = None  # what clients made true does not stay where coupons may follow from it
    elif had is not None and had.by_rule and not had.until:
        lasts = view.now + definition.ttl_days * DAY_MS if definition.ttl_days else 0
        tag = msgspec.structs.replace(had, until=lasts) if lasts else None
    if tag is None:
        return False, until
    stands = earliest((tag.until or None, until))
    view.tags[definition.tag] = tag, stands
    return True, stands


def _is_proven(tag: Tag, entry: Entry, view: View) -> bool:
    """Whether nobody but the mall can have made it true that the tag's rule holds: as it was, where it stands as it
    was."""
    stands = entry.definition.segment_id in view.waiting
    return entry.proven and not (stands and tag.unproven)


def _is_over(tag: Tag, view: View) -> bool:
    return bool(tag.until) and view.now >= tag.until


def _by_rule(entry: Entry, view: View) -> Tag:
    definition = entry.definition
    why = f"{definition.segment_id}|{definition.version}"
    assert entry.rule is not None
    return Tag(
        of=definition.segment_id, at=view.now, by=BY_RULE, why=why, evidence=_evidence(entry.rule, view), unproven=True
    )


def _evidence(rule: Rule, view: View) -> dict[str, int]:
    """Tell how often each event came of which a part of the rule, that holds, asks."""
    found: dict[str, int] = {}
    for _, leaf in leaves_of(rule):
        if isinstance(leaf, Happened) and (times := len(instants_of(leaf, view))) and decide(leaf, view)[0]:
            found[leaf.event] = max(times, found.get(leaf.event, 0))
    return found


def advance(book: Book, traits: Traits, due: int | None, now: int, birthdays: Birthdays) -> Assessment:
    """Follow the member, of whom nothing else has changed, from the instant `due` (None: from now) up to `now`."""
    at = now if due is None else min(due, now)
    for _ in range(_STEPS_MAX):
        found = assess(book, traits, at, birthdays)
        if found.due is None or found.due > now:
            return found
        traits, at = found.traits, found.due
    return assess(book, traits, now, birthdays)


def next_look(due: int | None, needed: int | None, now: int) -> int | None:
    """Choose when a member, who was to be looked at at `due`, is looked at next, where they have been followed to `now`
    and time changes nothing before `needed`. A look that is due before it need be stays: one that finds nothing costs
    less than to move it at every purchase. One whose instant has passed does not: a member is never followed from an
    instant before that which they were decided for last."""
    stays = due is not None and due > now and (needed is None or due <= needed)
    return due if stays else needed


def net_moves(moves: Collection[tuple[int, str, bool]]) -> dict[str, bool]:
    """Tell what of these moves the lists must follow: of each segment whether the member came in or left, in the end;
    nothing where they are as before."""
    count: dict[str, int] = {}
    last: dict[str, bool] = {}
    for _, segment_id, came in moves:
        count[segment_id] = count.get(segment_id, 0) + (1 if came else -1)
        last[segment_id] = came
    return {segment_id: last[segment_id] for segment_id, sum_ in count.items() if sum_}
