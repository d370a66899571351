"""A small table of versioned sheets, for tests of the one write path."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.platform.store import read
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.transaction import Transaction, save
from chalicelib.platform.store.versioned import Conflict, Versioned


class Sheet(msgspec.Struct, frozen=True):
    """A state: how many, and what the request was that made it."""

    count: int
    asked: str = ""


class Sheets(Table):
    """A table of this test's own."""

    class Meta(TableMeta):
        table_name = name("sheets")

    sheet_id = UnicodeAttribute(hash_key=True)
    sheet = Document(Sheet)
    version = NumberAttribute()


def find(sheet_id: str) -> Versioned[Sheet]:
    item = read.get(Sheets, sheet_id, consistent=True)
    assert item is not None
    return Versioned(item.sheet, int(item.version))


def finder(sheet_id: str) -> Callable[[], Versioned[Sheet]]:
    return lambda: find(sheet_id)


def writer(sheet_id: str) -> Callable[[Transaction, Versioned[Sheet], Sheet], None]:
    def write(tx: Transaction, before: Versioned[Sheet], after: Sheet) -> None:
        item = Sheets(sheet_id, sheet=after, version=before.version + 1)
        tx.put(item, Sheets.version == before.version, Conflict)

    return write


def one_more(before: Sheet, _: Transaction) -> Sheet:
    return msgspec.structs.replace(before, count=before.count + 1)


def outrun(sheet_id: str) -> None:
    """Another writer is quicker."""
    before = find(sheet_id)
    save(Sheets(sheet_id, sheet=one_more(before.value, Transaction()), version=before.version + 1))


def outrun_times(sheet_id: str, times: int, seen: list[int]) -> Callable[[Sheet, Transaction], Sheet]:
    """Decide for one more, outrun in the first so many tries; `seen` gets what each try decides from."""

    def decide(before: Sheet, tx: Transaction) -> Sheet:
        seen.append(before.count)
        if len(seen) <= times:
            outrun(sheet_id)
        return one_more(before, tx)

    return decide
