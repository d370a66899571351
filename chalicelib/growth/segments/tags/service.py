"""Commands about the tags of one member: given and taken by operators, and taken away by the member."""

from __future__ import annotations

from collections.abc import Collection

from chalicelib.core.errors import MallError
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.refusals import NO_SUCH_MEMBER
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import Book, Definition
from chalicelib.growth.segments.membership.service import settle_now
from chalicelib.growth.segments.refusals import NO_SUCH_TAG
from chalicelib.growth.segments.traits.rules import DAY_MS, Tag, Traits, with_tag, without_tags
from chalicelib.growth.segments.traits.service import Happening, happens
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit, retry


def change(member_id: str, add: Collection[str], remove: Collection[str], operator: str, reason: str) -> None:
    """Give the member these tags by hand, and take those away. Raises `not_found`; `invalid` for a tag that is not
    defined; `conflict`."""
    entries = [entry for entry in definitions.fresh().entries.values() if entry.definition.tag]
    defined = {entry.definition.tag: entry.definition for entry in entries if not entry.unreadable}
    unknown = [
        NO_SUCH_TAG.at(f"{field}[{at}]", tag=name)
        for field, names in (("add", add), ("remove", remove))
        for at, name in enumerate(names)
        if name not in defined
    ]
    if unknown:
        raise MallError("invalid", errors=tuple(unknown))

    def changed(traits: Traits, _: Book, now: int) -> Traits:
        traits = without_tags(traits, remove, refused=False)
        for name in add:
            traits = with_tag(traits, name, _by_hand(defined[name], now, operator, reason))
        return traits

    _change(member_id, changed)


def _by_hand(definition: Definition, now: int, operator: str, reason: str) -> Tag:
    lasts = definition.ttl_days
    until = now + lasts * DAY_MS if lasts is not None else 0
    return Tag(of=definition.segment_id, at=now, by=f"operator:{operator}", why=reason, until=until)


def have(tx: Transaction, member_id: str, name: str, has: bool, by: str, why: str) -> None:
    """Give the member this tag, or take it away, as part of `tx`, `by` whom ("journey:ID") and why; nothing where no
    such tag is defined any more, where the member has it, or not, already, or has taken it away themselves. The lists
    follow in a job."""
    entry = definitions.book().named(name)
    if entry is None:
        return
    definition = entry.definition

    def changed(traits: Traits, _: Book, now: int) -> Traits:
        if (name in traits.tags) is has or (has and name in traits.refused):
            return traits
        if not has:
            return without_tags(traits, [name], refused=False)
        until = now + definition.ttl_days * DAY_MS if definition.ttl_days is not None else 0
        return with_tag(traits, name, Tag(of=definition.segment_id, at=now, by=by, why=why, until=until))

    happens(tx, member_id, changed)


def take_away(member_id: str, name: str | None) -> None:
    """Take this tag away for its member, or all (None): no rule gives it to them again. Raises `not_found`,
    `conflict`."""

    def changed(traits: Traits, book: Book, _: int) -> Traits:
        named = {entry.definition.tag for entry in book.entries.values() if entry.definition.tag}
        return without_tags(traits, named if name is None else named & {name}, refused=True)

    _change(member_id, changed)


def _change(member_id: str, changed: Happening) -> None:
    """Change the member's tags, and the lists with them. Raises `not_found`, `conflict`."""

    def once() -> None:
        if members.current(member_id) is None:
            raise MallError("not_found", errors=(NO_SUCH_MEMBER.at("member_id"),))
        tx = Transaction()
        happens(tx, member_id, changed)
        commit(tx)

    retry(once)
    settle_now(member_id)
