"""Tallies: counters of any names that a transaction adds to, in one update of an item."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.platform.store import read, tallies
from chalicelib.platform.store.base import Table, TableMeta, name
from chalicelib.platform.store.tallies import tally
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, save


class Tallied(Table):
    """A table of this test's own."""

    class Meta(TableMeta):
        table_name = name("tallied")

    of = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    other = NumberAttribute(null=True)


pytestmark = pytest.mark.usefixtures("dynamodb")  # it makes the table of this file, too

#: What an expression of DynamoDB's would read otherwise: paths, places in lists, placeholders, words of its own.
STRANGE = (
    "a.b", "a[0]", "[", "]0[", "#0", ":0", "size", "of", "part", "ADD", "sms|dropped:quiet", "短信", " ", "'\"", "",
)  # fmt: skip


@pytest.fixture
def of() -> str:
    return secrets.token_hex(6)


def count(of: str, part: str = "0", **more: int) -> None:
    tx = Transaction()
    tally(tx, Tallied, (of, part), more)
    tx.commit()


def counted(of: str, *parts: str) -> dict[str, int]:
    return tallies.read(Tallied, [(of, part) for part in parts or "0"])


def test_counters_begin_at_nothing_and_are_added_to_and_taken_from(of: str) -> None:
    assert counted(of) == {}
    count(of, sent=1)
    count(of, sent=2, dropped=1)
    count(of, sent=-1, held=-5)
    assert counted(of) == {"sent": 2, "dropped": 1, "held": -5}


def test_all_that_a_transaction_counts_on_an_item_is_one_update_of_it(of: str) -> None:
    tx = Transaction()
    for _ in range(3):
        tally(tx, Tallied, (of, "0"), {"sent": 1, "held": 2})
    tally(tx, Tallied, (of, "0"), {"held": -6, "dropped": 1})
    tally(tx, Tallied, (of, "1"), {"sent": 10})
    tx.put(Tallied(of, "other"))
    assert len(tx) == 1
    tx.commit()
    assert len(tx) == 3
    assert counted(of) == {"sent": 3, "dropped": 1}
    assert counted(of, "0", "1") == {"sent": 13, "dropped": 1}


def test_what_comes_to_nothing_is_not_written(of: str) -> None:
    tx = Transaction()
    tally(tx, Tallied, (of, "0"), {"sent": 1})
    tally(tx, Tallied, (of, "0"), {"sent": -1})
    tally(tx, Tallied, (of, "1"), {})
    tx.commit()
    assert (len(tx), list(read.query_all(Tallied, of))) == (0, [])


def test_what_is_counted_is_written_with_the_change_or_not_at_all(of: str) -> None:
    tx = Transaction()
    tally(tx, Tallied, (of, "0"), {"sent": 1})
    tx.check(Tallied, (of, "nowhere"), Tallied.of.exists(), "gone")
    with pytest.raises(ConditionFailed):
        tx.commit()
    assert counted(of) == {}


def test_two_transactions_at_once_are_both_counted(of: str) -> None:
    threads, times = 4, 10
    together = Barrier(threads)

    def work(number: int) -> None:
        together.wait()
        for _ in range(times):
            count(of, sent=1, **{f"of {number}": 2})

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    assert counted(of) == {"sent": threads * times} | {f"of {number}": 2 * times for number in range(threads)}


def test_a_counter_may_have_any_name(of: str) -> None:
    tx = Transaction()
    tally(tx, Tallied, (of, "0"), {each: number for number, each in enumerate(STRANGE, 1)})
    tx.commit()
    count(of, **{"a[0]": 100})
    expected = {each: number for number, each in enumerate(STRANGE, 1)}
    assert counted(of) == expected | {"a[0]": expected["a[0]"] + 100}


def test_what_else_the_item_has_stays_and_is_no_counter(of: str) -> None:
    save(Tallied(of, "0", other=7))
    count(of, other=2)
    found = read.get(Tallied, of, "0")
    assert found is not None
    assert (found.other, counted(of)) == (7, {"other": 2})


def test_items_are_summed_however_many_there_are_and_each_once(of: str) -> None:
    shards = [f"{number}" for number in range(110)]  # more than DynamoDB gives in one answer
    for shard in (shards[0], shards[-1]):
        count(of, shard, sent=3)
    assert counted(of, *shards) == {"sent": 6}


def test_counters_are_whole_however_large(of: str) -> None:
    count(of, squares=10**30 + 1)
    count(of, squares=2)
    assert counted(of) == {"squares": 10**30 + 3}
