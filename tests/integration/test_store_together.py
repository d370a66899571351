"""What several parts of one change contribute to one item is written once, with the rest of the change or not."""

from __future__ import annotations

import secrets

import pytest
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.platform.store import read
from chalicelib.platform.store.base import Table, TableMeta, name
from chalicelib.platform.store.transaction import ACTIONS_MAX, ConditionFailed, Transaction
from chalicelib.platform.store.versioned import Conflict, retry


class Counts(Table):
    """A table of this test's own."""

    class Meta(TableMeta):
        table_name = name("counts")

    shelf = UnicodeAttribute(hash_key=True)
    place = UnicodeAttribute(range_key=True)
    count = NumberAttribute(null=True)


class Sum:
    """What parts of a change add up, written as one item."""

    def __init__(self, shelf: str, place: str) -> None:
        self.key = shelf, place
        self.count = 0

    def add_to(self, tx: Transaction) -> None:
        tx.put(Counts(*self.key, count=self.count))


pytestmark = pytest.mark.usefixtures("dynamodb")  # it makes the table of this file, too


@pytest.fixture
def shelf() -> str:
    return secrets.token_hex(6)


def counts(shelf: str) -> dict[str, int]:
    return {item.place: int(item.count) for item in read.query_all(Counts, shelf)}


def add(tx: Transaction, shelf: str, place: str, more: int) -> None:
    tx.together(("sum", shelf, place), lambda: Sum(shelf, place)).count += more


def test_several_parts_are_one_write_as_the_change_is_committed(shelf: str) -> None:
    tx = Transaction()
    add(tx, shelf, "a", 1)
    tx.put(Counts(shelf, "change", count=0))
    add(tx, shelf, "b", 10)
    add(tx, shelf, "a", 2)
    assert len(tx) == 1
    tx.commit()
    assert counts(shelf) == {"a": 3, "b": 10, "change": 0}
    assert len(tx) == 3


def test_they_are_added_in_the_order_of_first_asking_and_may_ask_for_those_after_them(shelf: str) -> None:
    added: list[str] = []

    class First:
        def add_to(self, tx: Transaction) -> None:
            added.append("first")
            add(tx, shelf, "second", 5)
            add(tx, shelf, "third", 7)

    class Noted(Sum):
        def add_to(self, tx: Transaction) -> None:
            added.append("second")
            super().add_to(tx)

    tx = Transaction()
    tx.together(("first",), First)
    tx.together(("sum", shelf, "second"), lambda: Noted(shelf, "second")).count += 1
    tx.commit()
    assert added == ["first", "second"]
    assert counts(shelf) == {"second": 6, "third": 7}


def test_what_they_add_counts_towards_the_limit_and_comes_to_nothing_with_the_rest(shelf: str) -> None:
    tx = Transaction()
    for number in range(ACTIONS_MAX):
        tx.put(Counts(shelf, f"{number:03}", count=0))
    add(tx, shelf, "sum", 1)
    with pytest.raises(ValueError, match="not 101"):
        tx.commit()
    refused = Transaction()
    refused.check(Counts, (shelf, "a"), Counts.shelf.exists(), "missing")
    add(refused, shelf, "sum", 1)
    with pytest.raises(ConditionFailed):
        refused.commit()
    assert counts(shelf) == {}


def test_one_that_finds_that_another_was_quicker_has_the_change_decided_anew(shelf: str) -> None:
    class Late:
        def __init__(self, tries: int) -> None:
            self.tries = tries

        def add_to(self, tx: Transaction) -> None:
            if self.tries == 1:
                raise Conflict
            tx.put(Counts(shelf, "late", count=self.tries))

    tries = 0

    def once() -> None:
        nonlocal tries
        tries += 1
        tx = Transaction()
        tx.together(("late",), lambda: Late(tries))
        tx.commit()

    retry(once)
    assert counts(shelf) == {"late": 2}
