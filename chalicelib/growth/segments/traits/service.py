"""Changes of what is known of a member: each within the transaction of what happened.

Whatever one transaction says of a member is gathered, and written once as it is committed: what happened, and what was
decided by it. What the member is shown is right from then on; the lists follow in a job (membership/service.py).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chalicelib.core import clock, log
from chalicelib.customers.members import service as members
from chalicelib.growth.segments.assessment.rules import Assessment, advance, assess, is_complete, next_look
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.definitions.rules import Book
from chalicelib.growth.segments.jobs import SETTLE
from chalicelib.growth.segments.restoring.queries import known
from chalicelib.growth.segments.tables import MemberTraits, traits_item
from chalicelib.growth.segments.timers.service import owe_look
from chalicelib.growth.segments.traits import queries
from chalicelib.growth.segments.traits.queries import Stored
from chalicelib.growth.segments.traits.rules import Traits, ms, within_needs, without_over
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict

#: Makes the traits after something from those before it; given the book, and the instant in Unix milliseconds.
Happening = Callable[[Traits, Book, int], Traits]


class Change:
    """What one transaction says of a member."""

    def __init__(self, member_id: str) -> None:
        self.member_id = member_id
        self.begins: Traits | None = None
        self.happenings: list[Happening] = []

    def add_to(self, tx: Transaction) -> None:
        """Write what is known of the member from then on, as part of `tx`; nothing of who has left."""
        found = Stored(self.begins, 0) if self.begins is not None else known(self.member_id)
        if found is None:
            return
        if self.begins is None and not found.version:
            # What the profile counted before there were traits is held against them when the lists are.
            found = Stored(msgspec.structs.replace(found.traits, incomplete=True), 0)
        book = queries.book_for(found.traits)
        now = ms(clock.now())
        after = self._after(book, found, now)
        _write(tx, found, after, now, is_complete(book, found.traits, now))
        counted = after.traits.completed, after.traits.last_completed_at
        if counted != (found.traits.completed, found.traits.last_completed_at):
            members.set_known(tx, self.member_id, after.traits.completed, after.traits.last_completion)
        if not found.version and self.begins is None:
            members.stays(tx, self.member_id)
        if after.traits.moves or not is_complete(book, after.traits, now):
            schedule(tx, SETTLE, self.member_id)

    def _after(self, book: Book, found: Stored, now: int) -> Assessment:
        """Follow the member to now, as they were, and have happen what does. A fault in what is decided must not hinder
        what happens: then the job meets it again, where an operator sees it."""
        try:
            before = advance(book, found.traits, found.due, now, around).traits
            return assess(book, self._happened(before, book, now), now, around)
        except Exception as fault:
            log.error("rules_failed", fault)
            return Assessment(traits=msgspec.structs.replace(self._happened(found.traits, book, now), incomplete=True))

    def _happened(self, traits: Traits, book: Book, now: int) -> Traits:
        for happening in self.happenings:
            traits = happening(traits, book, now)
        kept = {key: leaf.kept for key, leaf in book.needs.rings.items()}
        return without_over(within_needs(traits, kept, book.needs.templates), now)


def change_of(tx: Transaction, member_id: str) -> Change:
    """Give what `tx` says of the member, to say more."""
    return tx.together(("traits", member_id), lambda: Change(member_id))


def happens(tx: Transaction, member_id: str, happening: Happening) -> None:
    """Have this happen to the member as part of `tx`."""
    change_of(tx, member_id).happenings.append(happening)


def _write(tx: Transaction, before: Stored, after: Assessment, now: int, complete: bool) -> None:
    """Write what is known of a member, and when to look again, where that has changed. Of whom not all is known,
    always: who looks it through just now has read what was before, and must look again."""
    due = next_look(before.due, after.due, now)
    if complete and before.version and after.traits == before.traits and due == before.due:
        return
    put(tx, before, after.traits, due)


def put(tx: Transaction, before: Stored, traits: Traits, due: int | None) -> None:
    """Write what is known of a member as part of `tx`, under the version that was read, with the look at `due`."""
    item = traits_item(traits, before.version + 1, due)
    if before.version:
        tx.put(item, MemberTraits.version == before.version, Conflict)
    else:
        tx.create(item, Conflict)
    if due is not None and due != before.due:
        owe_look(tx, traits.member_id, due)
