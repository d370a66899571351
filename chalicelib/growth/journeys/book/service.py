"""Writing journeys: each under the number of its changes, and with what the mall goes by the book's mark."""

from __future__ import annotations

import msgspec

from chalicelib.core import clock, ids
from chalicelib.growth.journeys.book import queries
from chalicelib.growth.journeys.book.rules import Book, Known, listened, listens_of, united
from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.listening.rules import Listens
from chalicelib.growth.journeys.listening.tables import ALL, BOOK, DEFINITION, Journeys, version_part
from chalicelib.growth.journeys.rules import Journey, Version
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict


def write(tx: Transaction, before: Known | None, after: Journey, listens: Listens | None = None) -> None:
    """Write a journey as part of `tx`, under what was read of it: one action. Only what nobody goes by may differ (a
    draft, a name); `write_book` writes all else."""
    changes = 0 if before is None else before.changes
    known = Listens() if before is None else before.listens
    item = Journeys(ALL, DEFINITION + after.journey_id, document=_text(after), changes=changes + 1)
    item.listens = listens or known
    if before is None:
        tx.create(item, Conflict)
    else:
        tx.put(item, Journeys.changes == changes, Conflict)


def write_book(tx: Transaction, book: Book, after: Journey, plan: Plan | None = None) -> None:
    """Write a journey that is in the book as part of `tx`, which becomes another by it: two actions. With the `plan` of
    a version that holds from now on the journey listens to what that does, too."""
    before = book.journeys[after.journey_id]
    listens = before.listens if plan is None else united((before.listens, listens_of(plan)))
    write(tx, before, after, listens)
    known = msgspec.structs.replace(before, journey=after, listens=listens)
    heard = listened(msgspec.structs.replace(book, journeys=book.journeys | {after.journey_id: known}), clock.now())
    item = Journeys(ALL, BOOK, mark=ids.new(""), listens=heard)
    as_read = Journeys.mark == book.mark if book.mark else Journeys.part.does_not_exist()
    tx.put(item, as_read, Conflict)
    tx.after_commit(queries.forget)


def keep_version(tx: Transaction, version: Version) -> None:
    """Keep a version for ever as part of `tx`: one action."""
    tx.create(Journeys(ALL, version_part(version.journey_id, version.version), document=_text(version)), Conflict)


def _text(document: msgspec.Struct) -> str:
    return msgspec.json.encode(document).decode()
