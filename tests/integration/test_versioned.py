"""The one write path: what it promises about versions, repetitions, refusals, and what may be seen before a commit."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.core.errors import MallError, unavailable
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, save
from chalicelib.platform.store.versioned import (
    TRIES,
    TRIES_CROWDED,
    Conflict,
    Created,
    Versioned,
    change,
    commit,
    create_once,
    retry,
)
from tests.support.outside import Outside, boundary
from tests.support.sheets import Sheet, Sheets, find, finder, one_more, outrun, outrun_times, writer


class LeaseLost(Exception):
    """What makes an attempt void."""


SOLD_OUT, STATE = MallError("sold_out"), MallError("order_state")


pytestmark = pytest.mark.usefixtures("dynamodb")  # it makes the table of this file, too


@pytest.fixture
def sheet_id() -> str:
    made = secrets.token_hex(6)
    save(Sheets(made, sheet=Sheet(0), version=1))
    return made


@pytest.fixture
def outside() -> Iterator[Outside]:
    with boundary() as outside:
        outside.arm(None, None)
        yield outside


def test_a_change_is_written_under_the_version_that_was_read(sheet_id: str, outside: Outside) -> None:
    after = change(finder(sheet_id), one_more, writer(sheet_id))
    assert outside.calls == ["GetItem", "TransactWriteItems"]
    assert (after, find(sheet_id)) == (Sheet(1), Versioned(Sheet(1), 2))


def test_a_change_that_is_outrun_is_decided_again_from_what_there_is_then(sheet_id: str) -> None:
    seen: list[int] = []
    after = change(finder(sheet_id), outrun_times(sheet_id, TRIES - 1, seen), writer(sheet_id))
    assert (seen, after.count, find(sheet_id).value.count) == ([0, 1, 2, 3], 4, 4)


def test_a_change_that_is_outrun_each_time_is_a_conflict_and_writes_nothing(sheet_id: str) -> None:
    seen: list[int] = []
    with pytest.raises(MallError) as refusal:
        change(finder(sheet_id), outrun_times(sheet_id, 99, seen), writer(sheet_id))
    assert (refusal.value.code, len(seen), find(sheet_id).value.count) == ("conflict", TRIES, TRIES)
    seen.clear()
    with pytest.raises(MallError):
        change(finder(sheet_id), outrun_times(sheet_id, 99, seen), writer(sheet_id), tries=2)
    assert len(seen) == 2


def test_what_is_seen_happens_once_however_often_it_was_decided(sheet_id: str) -> None:
    done: list[tuple[int, str]] = []
    seen: list[int] = []
    decide_late = outrun_times(sheet_id, 2, seen)

    def effect(count: int, *, what: str) -> None:
        assert find(sheet_id).value.count == 3, "it is committed by now"
        done.append((count, what))

    def decide(before: Sheet, tx: Transaction) -> Sheet:
        tx.after_commit(effect, before.count, what="counted")
        tx.after_commit(effect, before.count, what="told")
        return decide_late(before, tx)

    change(finder(sheet_id), decide, writer(sheet_id))
    assert (seen, done) == ([0, 1, 2], [(2, "counted"), (2, "told")])


def test_what_is_not_committed_is_not_seen(sheet_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def refused(before: Sheet, tx: Transaction) -> Sheet:
        tx.after_commit(done.append, "refused")
        tx.check(Sheets, ("nobody",), Sheets.version.exists(), SOLD_OUT)
        return one_more(before, tx)

    def unchanged(before: Sheet, tx: Transaction) -> Sheet:
        tx.after_commit(done.append, "unchanged")
        return before

    def decided(before: Sheet, tx: Transaction) -> Sheet:
        tx.after_commit(done.append, "lost")
        return one_more(before, tx)

    with pytest.raises(MallError):
        change(finder(sheet_id), refused, writer(sheet_id))
    change(finder(sheet_id), unchanged, writer(sheet_id))

    def lost(*_: object) -> None:
        raise unavailable()

    monkeypatch.setattr("chalicelib.platform.store.transaction.call", lost)
    with pytest.raises(MallError) as refusal:
        change(finder(sheet_id), decided, writer(sheet_id))
    assert (refusal.value.code, done, find(sheet_id).value.count) == ("unavailable", [], 0)


def test_what_is_as_it_was_writes_nothing(sheet_id: str, outside: Outside) -> None:
    def decide(before: Sheet, tx: Transaction) -> Sheet:
        tx.update(Sheets, (sheet_id,), [Sheets.version.set(9)])
        return before

    assert change(finder(sheet_id), decide, writer(sheet_id)) == Sheet(0)
    assert outside.calls == ["GetItem"]
    assert find(sheet_id) == Versioned(Sheet(0), 1)


def test_what_was_just_read_is_not_read_again(sheet_id: str, outside: Outside) -> None:
    found = find(sheet_id)
    outside.arm(None, None)
    assert change(finder(sheet_id), one_more, writer(sheet_id), found=found) == Sheet(1)
    assert outside.calls == ["TransactWriteItems"]


def test_what_was_read_and_is_stale_is_read_again(sheet_id: str) -> None:
    found, seen = find(sheet_id), list[int]()
    outrun(sheet_id)
    after = change(finder(sheet_id), outrun_times(sheet_id, 0, seen), writer(sheet_id), found=found)
    assert (seen, after.count) == ([0, 1], 2)


def test_of_two_at_once_one_decides_after_the_other(sheet_id: str) -> None:
    """Both have read the same version before either commits."""
    both_have_read, seen = threading.Barrier(2), list[int]()

    def buy(_: int) -> str:
        first = True

        def decide(before: Sheet, tx: Transaction) -> Sheet:
            nonlocal first
            seen.append(before.count)
            if first:
                first = False
                both_have_read.wait(60)
            if before.count:
                raise MallError("sold_out")
            return one_more(before, tx)

        try:
            return str(change(finder(sheet_id), decide, writer(sheet_id)).count)
        except MallError as refusal:
            return refusal.code

    with ThreadPoolExecutor(2) as two:
        assert sorted(two.map(buy, range(2))) == ["1", "sold_out"]
    assert (seen, find(sheet_id)) == ([0, 0, 1], Versioned(Sheet(1), 2))


def test_a_crowd_loses_no_change(sheet_id: str) -> None:
    """Each round somebody gets through, so that six are done in six tries at most."""
    with ThreadPoolExecutor(6) as crowd:
        work = lambda _: change(finder(sheet_id), one_more, writer(sheet_id), tries=TRIES_CROWDED)  # noqa: E731
        counts = sorted(after.count for after in crowd.map(work, range(6)))
    assert (counts, find(sheet_id)) == ([1, 2, 3, 4, 5, 6], Versioned(Sheet(6), 7))


@pytest.mark.parametrize(
    ("failed", "meaning"),
    [
        ((Conflict,), Conflict),
        ((None,), Conflict),
        ((SOLD_OUT,), SOLD_OUT),
        ((SOLD_OUT, STATE), SOLD_OUT),
        ((SOLD_OUT, Conflict), Conflict),
        ((SOLD_OUT, None), Conflict),
        ((LeaseLost,), ConditionFailed),
        ((SOLD_OUT, LeaseLost), ConditionFailed),
        ((Conflict, LeaseLost), ConditionFailed),
        ((None, SOLD_OUT, Conflict, LeaseLost), ConditionFailed),
    ],
    ids=lambda value: str(value),
)
def test_what_is_void_comes_before_what_has_changed_and_that_before_a_refusal(
    failed: tuple[object, ...], meaning: type[Exception] | MallError
) -> None:
    for order in (failed, failed[::-1]):
        tx = Transaction()
        tx.create(Sheets(secrets.token_hex(6), sheet=Sheet(1), version=1), "this one holds")
        for on_failure in order:
            tx.check(Sheets, (secrets.token_hex(6),), Sheets.version.exists(), on_failure)
        with pytest.raises((Conflict, MallError, ConditionFailed)) as raised:
            commit(tx)
        if isinstance(meaning, MallError):
            assert raised.value is next(one for one in order if isinstance(one, MallError))
        else:
            assert raised.type is meaning


def test_what_is_void_is_not_tried_again(sheet_id: str) -> None:
    tries: list[int] = []

    def decide(before: Sheet, tx: Transaction) -> Sheet:
        tries.append(before.count)
        outrun(sheet_id)
        tx.delete(Sheets, (secrets.token_hex(6),), Sheets.version.exists(), LeaseLost)
        return one_more(before, tx)

    with pytest.raises(ConditionFailed) as void:
        change(finder(sheet_id), decide, writer(sheet_id))
    assert (set(void.value.failed), tries) == ({Conflict, LeaseLost}, [0])


def test_a_refusal_of_an_outrun_try_is_decided_again(sheet_id: str) -> None:
    """What it was refused may be due to what has changed: it is looked at again, and only then refused."""
    tries: list[int] = []

    def decide(before: Sheet, tx: Transaction) -> Sheet:
        tries.append(before.count)
        if len(tries) == 1:
            outrun(sheet_id)
        tx.check(Sheets, ("nobody",), Sheets.version.exists(), SOLD_OUT)
        return one_more(before, tx)

    with pytest.raises(MallError) as refusal:
        change(finder(sheet_id), decide, writer(sheet_id))
    assert (refusal.value, tries) == (SOLD_OUT, [0, 1])


def find_sheet(sheet_id: str) -> Sheet | None:
    item = read.get(Sheets, sheet_id, consistent=True)
    return None if item is None else item.sheet


def creator(sheet_id: str, asked: str) -> Callable[[], Sheet]:
    """Create a sheet, or give the one that is there."""

    def create() -> Sheet:
        if (found := find_sheet(sheet_id)) is not None:
            return found
        tx = Transaction()
        tx.create(Sheets(sheet_id, sheet=Sheet(1, asked), version=1), Conflict)
        commit(tx)
        return Sheet(1, asked)

    return create


def asked_by(asked: str) -> Callable[[Sheet], bool]:
    return lambda sheet: sheet.asked == asked


def test_a_repetition_is_given_what_was_created_and_another_body_is_refused() -> None:
    key = secrets.token_hex(6)
    for _ in range(2):
        made = create_once(creator(key, "two cushions"), lambda: find_sheet(key), asked_by("two cushions"))
        assert made == Sheet(1, "two cushions")
    with pytest.raises(MallError) as refusal:
        create_once(creator(key, "three cushions"), lambda: find_sheet(key), asked_by("three cushions"))
    assert (refusal.value.code, find_sheet(key)) == ("idempotency_key_reused", Sheet(1, "two cushions"))


def test_the_same_request_many_times_at_once_creates_once() -> None:
    key = secrets.token_hex(6)
    all_are_there = threading.Barrier(6)

    def press(_: int) -> Sheet:
        all_are_there.wait(60)
        return create_once(creator(key, "two cushions"), lambda: find_sheet(key), asked_by("two cushions"))

    with ThreadPoolExecutor(6) as crowd:
        assert list(crowd.map(press, range(6))) == [Sheet(1, "two cushions")] * 6
    assert find(key).version == 1


@pytest.mark.parametrize("asked", ["two cushions", "three cushions"])
def test_a_request_refused_for_what_its_own_repetition_took_is_given_what_that_made(asked: str) -> None:
    """The other of two took the last pieces between this one's read and its commit: its own request was fulfilled."""
    key = secrets.token_hex(6)

    def create() -> Sheet:
        save(Sheets(key, sheet=Sheet(1, "two cushions"), version=1))
        raise MallError("out_of_stock")

    if asked == "two cushions":
        assert create_once(create, lambda: find_sheet(key), asked_by(asked)) == Sheet(1, asked)
        return
    with pytest.raises(MallError) as refusal:
        create_once(create, lambda: find_sheet(key), asked_by(asked))
    assert refusal.value.code == "idempotency_key_reused"


def test_what_was_created_before_is_found_at_once_whatever_has_changed_beside_it() -> None:
    """No try is wasted on looking again: the first request has itself made the rest stale, and taken what was left."""
    key, beside, tries = secrets.token_hex(6), secrets.token_hex(6), list[int]()
    save(Sheets(beside, sheet=Sheet(5), version=2))

    def create() -> Sheet:
        tries.append(1)
        tx = Transaction()
        tx.create(Sheets(key, sheet=Sheet(1, "two cushions"), version=1), Created)
        tx.update(Sheets, (beside,), [Sheets.version.set(9)], Sheets.version == 1, Conflict)
        tx.check(Sheets, (secrets.token_hex(6),), Sheets.version.exists(), SOLD_OUT)
        commit(tx)
        return Sheet(1, "two cushions")

    save(Sheets(key, sheet=Sheet(1, "two cushions"), version=1))
    made = create_once(create, lambda: find_sheet(key), asked_by("two cushions"))
    assert (made, len(tries), find(beside).version) == (Sheet(1, "two cushions"), 1, 2)


def test_a_refusal_stands_where_nothing_was_created() -> None:
    key = secrets.token_hex(6)

    def create() -> Sheet:
        raise SOLD_OUT

    with pytest.raises(MallError) as refusal:
        create_once(create, lambda: find_sheet(key), asked_by("anything"))
    assert refusal.value is SOLD_OUT


def test_a_creation_that_is_outrun_each_time_looks_for_it_before_giving_up() -> None:
    key, tries = secrets.token_hex(6), list[int]()

    def create() -> Sheet:
        tries.append(1)
        raise Conflict

    with pytest.raises(MallError) as refusal:
        create_once(create, lambda: find_sheet(key), asked_by("anything"), tries=3)
    assert (refusal.value.code, len(tries)) == ("conflict", 3)
    made = create_once(create, lambda: Sheet(1, "anything"), asked_by("anything"))
    assert made.count == 1


def test_a_use_case_of_several_documents_is_tried_as_one(sheet_id: str) -> None:
    """`retry` with `commit`, where no single version says that all is as it was read."""
    other, tries = secrets.token_hex(6), list[int]()
    save(Sheets(other, sheet=Sheet(5), version=1))

    def move() -> int:
        tries.append(1)
        source, target = find(other), find(sheet_id)
        if len(tries) == 1:
            outrun(sheet_id)
        tx = Transaction()
        writer(other)(tx, source, Sheet(source.value.count - 1))
        writer(sheet_id)(tx, target, Sheet(target.value.count + 1))
        commit(tx)
        return source.value.count + target.value.count

    assert (retry(move), len(tries)) == (6, 2)
    assert (find(other).value.count, find(sheet_id).value.count) == (4, 2)
