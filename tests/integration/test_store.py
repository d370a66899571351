"""The store: all or nothing, refusals in the order of the calls, lists that go on where they stopped."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.commerce.pricing.tables import Pricing
from chalicelib.core import clock, metrics
from chalicelib.core.errors import MallError
from chalicelib.core.metrics import Metric
from chalicelib.platform.store import base, cursors, read, tools
from chalicelib.platform.store.base import Table, TableMeta, name
from chalicelib.platform.store.pynamodb_patches import with_binaries
from chalicelib.platform.store.transaction import ACTIONS_MAX, ConditionFailed, Transaction, remove, save, write
from chalicelib.platform.store.versioned import Conflict, retry
from tests.support.outside import Mode, Outside, boundary


class Things(Table):
    """A table of this test's own."""

    class Meta(TableMeta):
        table_name = name("things")

    shelf = UnicodeAttribute(hash_key=True)
    place = UnicodeAttribute(range_key=True)
    count = NumberAttribute(null=True)
    packed = BinaryAttribute(legacy_encoding=False, null=True)


pytestmark = pytest.mark.usefixtures("dynamodb")  # it makes the table of this file, too


@pytest.fixture
def shelf() -> str:
    return secrets.token_hex(6)


@pytest.fixture
def outside() -> Iterator[Outside]:
    with boundary() as outside:
        yield outside


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(clock, "sleep", waits.append)
    return waits


def things(shelf: str) -> dict[str, Any]:
    return {thing.place: thing.count for thing in read.query_all(Things, shelf, consistent=True)}


def put(shelf: str, **places: int) -> None:
    for place, count in places.items():
        save(Things(shelf, place, count=count))


def test_all_that_is_in_a_transaction_is_written_or_nothing_of_it(shelf: str) -> None:
    put(shelf, old=1, gone=2)
    tx = Transaction()
    tx.create(Things(shelf, "new", count=7))
    tx.update(Things, (shelf, "old"), [Things.count.set(Things.count + 1)], Things.count == 1)
    tx.delete(Things, (shelf, "gone"), Things.count == 2)
    tx.commit()
    assert things(shelf) == {"new": 7, "old": 2}
    tx = Transaction()
    tx.put(Things(shelf, "other", count=1))
    tx.update(Things, (shelf, "old"), [Things.count.set(9)])
    tx.check(Things, (shelf, "new"), Things.count == 8, "eight")
    with pytest.raises(ConditionFailed) as refusal:
        tx.commit()
    assert (refusal.value.failed, things(shelf)) == (("eight",), {"new": 7, "old": 2})


def test_a_refusal_names_what_failed_in_the_order_of_the_calls(shelf: str) -> None:
    put(shelf, a=1, b=1, c=1, d=1, e=1)
    wrong = Things.count == 5
    tx = Transaction()
    tx.update(Things, (shelf, "a"), [Things.count.set(0)], wrong, "first, an update")
    tx.check(Things, (shelf, "b"), Things.count == 1, "holds")
    tx.put(Things(shelf, "c", count=0), wrong, "third, a put")
    tx.delete(Things, (shelf, "d"), wrong, "fourth, a delete")
    tx.check(Things, (shelf, "e"), wrong, "fifth, a check")
    tx.create(Things(shelf, "f", count=0), "holds too")
    with pytest.raises(ConditionFailed) as refusal:
        tx.commit()
    assert refusal.value.failed == ("first, an update", "third, a put", "fourth, a delete", "fifth, a check")
    assert things(shelf) == dict.fromkeys("abcde", 1)


def test_what_is_there_is_not_created_again(shelf: str) -> None:
    for expected in ((), ("there",)):
        tx = Transaction()
        tx.create(Things(shelf, "a", count=len(expected)), "there")
        if not expected:
            tx.commit()
            continue
        with pytest.raises(ConditionFailed) as refusal:
            tx.commit()
        assert refusal.value.failed == expected
    assert things(shelf) == {"a": 0}


def test_a_transaction_has_one_to_a_hundred_actions(shelf: str) -> None:
    with pytest.raises(ValueError, match="not 0"):
        Transaction().commit()
    tx = Transaction()
    for number in range(ACTIONS_MAX):
        tx.put(Things(shelf, str(number)))
    tx.commit()
    assert len(things(shelf)) == ACTIONS_MAX
    tx.put(Things(shelf, "one more"))
    with pytest.raises(ValueError, match="not 101"):
        tx.commit()
    assert len(things(shelf)) == ACTIONS_MAX


@pytest.mark.parametrize("mode", ["conflict", "throttled_inside", "over_capacity"])
def test_a_transaction_that_another_one_or_a_throttle_cancels_is_tried_again(
    shelf: str, outside: Outside, no_wait: list[float], mode: Mode
) -> None:
    tx = Transaction()
    tx.create(Things(shelf, "a", count=1))
    tx.create(Things(shelf, "b", count=2))
    outside.arm(1, mode)
    tx.commit()
    assert outside.calls == ["TransactWriteItems"] * 2
    assert (things(shelf), len(no_wait)) == ({"a": 1, "b": 2}, 1)


def test_a_refusal_of_which_dynamodb_tells_only_a_part_is_asked_for_again(
    shelf: str, outside: Outside, no_wait: list[float]
) -> None:
    put(shelf, a=1)
    tx = Transaction()
    tx.create(Things(shelf, "a"), "done before")  # what matters: then nothing else was missing
    tx.check(Things, (shelf, "b"), Things.shelf.exists(), "missing")
    outside.arm(1, "half_told")
    with pytest.raises(ConditionFailed) as refusal:
        tx.commit()
    assert (refusal.value.failed, len(no_wait)) == (("done before", "missing"), 1)


def test_what_throttles_a_transaction_is_counted(
    shelf: str, outside: Outside, no_wait: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Metric] = []
    monkeypatch.setattr(metrics, "add", counted.append)
    tx = Transaction()
    tx.create(Things(shelf, "a"))
    outside.arm(1, "throttled_inside")
    tx.commit()
    assert counted == [Metric.DYNAMODB_BUSY]


def test_an_endless_conflict_ends_as_unavailable_and_writes_nothing(
    shelf: str, no_wait: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def conflict(*_: object) -> None:
        reasons = [{"Code": "TransactionConflict"}]
        fault = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        raise ClientError(fault, "TransactWriteItems")

    monkeypatch.setattr("chalicelib.platform.store.transaction.call", conflict)
    tx = Transaction()
    tx.create(Things(shelf, "a"))
    with pytest.raises(MallError) as refusal:
        tx.commit()
    assert (refusal.value.code, refusal.value.retry_after, len(no_wait)) == ("unavailable", 1, 6)
    assert things(shelf) == {}


def test_an_answer_that_is_lost_does_not_make_the_transaction_twice(shelf: str, outside: Outside) -> None:
    put(shelf, a=1)
    tx = Transaction()
    tx.update(Things, (shelf, "a"), [Things.count.set(Things.count + 1)], Things.count == 1, "changed")
    outside.arm(1, "answer_lost")
    tx.commit()
    assert outside.calls == ["TransactWriteItems"] * 2
    assert things(shelf) == {"a": 2}


def test_counting_at_once_loses_no_count(shelf: str) -> None:
    put(shelf, a=0)

    def count(_: int) -> None:
        tx = Transaction()
        tx.update(Things, (shelf, "a"), [Things.count.set(Things.count + 1)])
        tx.commit()

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(count, range(80)))
    assert things(shelf) == {"a": 80}


def test_one_write_gives_back_the_item_and_is_refused_under_its_condition(shelf: str) -> None:
    put(shelf, a=1)
    raw = write(Things, (shelf, "a"), [Things.count.set(4)], Things.count == 1)
    assert Things.from_raw_data(raw).count == 4
    with pytest.raises(ConditionFailed) as refusal:
        write(Things, (shelf, "a"), [Things.count.set(5)], Things.count == 1, "moved")
    with pytest.raises(ConditionFailed):
        remove(Things, (shelf, "a"), Things.count == 1)
    with pytest.raises(ConditionFailed):
        save(Things(shelf, "a", count=9), Things.shelf.does_not_exist())
    assert (refusal.value.failed, things(shelf)) == (("moved",), {"a": 4})


def test_many_are_read_at_once_in_the_order_asked_for_over_tables_and_pages(shelf: str, outside: Outside) -> None:
    for number in range(130):
        put(shelf, **{f"p{number}": number})
    asked: list[read.Key] = [(Things, (shelf, f"p{number}")) for number in range(139, -1, -1)]
    asked.insert(7, (Pricing, ("all", "none")))
    outside.arm(None, None)
    found = read.batch_get(asked)
    expected: list[int | None] = [None] * 10 + list(range(129, -1, -1))
    expected.insert(7, None)
    assert [None if item is None else item.count for item in found] == expected
    assert outside.calls == ["BatchGetItem"] * 2
    assert read.batch_get([]) == []


def test_what_dynamodb_leaves_over_is_asked_for_again(
    shelf: str, monkeypatch: pytest.MonkeyPatch, no_wait: list[float]
) -> None:
    put(shelf, a=1, b=2, c=3)
    asked: list[int] = []
    send = read.call

    def one_at_a_time(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        request = arguments["RequestItems"]
        keys = request[Things.Meta.table_name]["Keys"]
        asked.append(len(keys))
        part = {Things.Meta.table_name: {**request[Things.Meta.table_name], "Keys": keys[:1]}}
        rest = {Things.Meta.table_name: {**request[Things.Meta.table_name], "Keys": keys[1:]}} if keys[1:] else {}
        return send(operation, {"RequestItems": part}) | {"UnprocessedKeys": rest}

    monkeypatch.setattr(read, "call", one_at_a_time)
    found = read.batch_get([(Things, (shelf, place)) for place in "cab"])
    assert ([item.count for item in found], asked) == ([3, 1, 2], [3, 2, 1])


def test_what_is_left_over_for_ever_is_unavailable(
    shelf: str, monkeypatch: pytest.MonkeyPatch, no_wait: list[float]
) -> None:
    def nothing(_: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"Responses": {}, "UnprocessedKeys": arguments["RequestItems"]}

    monkeypatch.setattr(read, "call", nothing)
    with pytest.raises(MallError) as refusal:
        read.batch_get([(Things, (shelf, "a"))])
    assert refusal.value.code == "unavailable"


def test_a_list_goes_on_where_it_stopped_while_others_put_things_into_it(shelf: str) -> None:
    put(shelf, **{f"p{n:02d}": n for n in range(0, 20, 2)})
    seen: list[str] = []
    after: Any = None
    for round_ in range(20):
        page, after = read.query(Things, shelf, limit=3, after=cursors.read(shelf, cursors.write(shelf, after)))
        seen += [raw["place"]["S"] for raw in page]
        put(shelf, **{f"p{2 * round_ + 1:02d}": 0})
        if after is None:
            break
    assert [place for place in seen if int(place[1:]) % 2 == 0 and int(place[1:]) < 20] == [
        f"p{n:02d}" for n in range(0, 20, 2)
    ]
    assert len(set(seen)) == len(seen)


def test_where_and_keep_choose_and_backward_turns_round(shelf: str) -> None:
    put(shelf, a=1, b=2, c=3, d=4)
    page, _ = read.query(Things, shelf, where=Things.place > "a", keep=Things.count != 3, forward=False)
    assert [raw["place"]["S"] for raw in page] == ["d", "b"]


def test_a_cursor_is_of_one_list_and_of_nobody_elses_making() -> None:
    given = cursors.write("orders:m1", {"at": 5})
    assert given is not None
    assert cursors.read("orders:m1", given) == {"at": 5}
    assert cursors.write("orders:m1", None) is None
    assert cursors.read("orders:m1", None) is None
    for listing, text in [
        ("orders:m2", given), ("orders", given), ("orders:m1", given + "x"), ("orders:m1", given[:-1]),
        ("orders:m1", "x" + given), ("orders:m1", ""), ("orders:m1", "."), ("orders:m1", "枕"),
        ("orders:m1", "x" * 3000), ("orders:m1", given.partition(".")[0]),
    ]:  # fmt: skip
        with pytest.raises(MallError) as refusal:
            cursors.read(listing, text)
        assert (refusal.value.code, refusal.value.errors[0].field) == ("cursor_invalid", "cursor"), text


def test_all_tables_share_one_client(dynamodb: str) -> None:
    clients = {id(table._get_connection().connection.client) for table in tools.tables()}
    assert len(tools.tables()) > 10
    assert clients == {id(base.client())}


def test_a_use_case_is_run_again_when_outrun_and_then_says_so() -> None:
    runs: list[int] = []

    def outrun(times: int) -> str:
        runs.append(1)
        if len(runs) <= times:
            raise Conflict
        return "done"

    assert (retry(lambda: outrun(3)), len(runs)) == ("done", 4)
    runs.clear()
    with pytest.raises(MallError) as refusal:
        retry(lambda: outrun(4))
    assert (refusal.value.code, len(runs)) == ("conflict", 4)
    with pytest.raises(ZeroDivisionError):
        retry(lambda: 1 // 0)


@pytest.mark.parametrize("mode", ["refused", "answer_lost"])
def test_a_read_is_tried_again_by_the_client_itself(mode: Any, shelf: str, outside: Outside) -> None:
    put(shelf, a=1)
    outside.arm(1, mode)
    found = read.get(Things, shelf, "a")
    assert found is not None
    assert (int(found.count), outside.calls) == (1, ["GetItem", "GetItem"])


@pytest.mark.parametrize("weather", [None, "refused", "conflict"])
def test_what_is_binary_comes_back_as_bytes_whoever_has_sent_it(
    weather: Mode | None, shelf: str, outside: Outside
) -> None:
    given = bytes(range(256))
    outside.arm(None, weather)  # in bad weather botocore sends what the store's own client could not
    tx = Transaction()
    tx.create(Things(shelf, "B", packed=given))
    tx.commit()
    raw = read.get_raw(Things, shelf, "B")
    assert raw is not None and raw["packed"] == {"B": given} and raw["place"] == {"S": "B"}
    (page,), _ = read.query(Things, shelf)
    (batch,) = read.batch_get([(Things, (shelf, "B"))])
    assert Things.from_raw_data(page).packed == batch.packed == given
    base.call("PutItem", {"TableName": Things.Meta.table_name, "Item": page})
    found = read.get(Things, shelf, "B")
    assert found is not None and found.packed == given
    answer = {"Item": {"B": {"M": {"B": {"S": "text"}, "L": {"L": [{"B": "AAE="}]}}}}}
    assert with_binaries(answer) == {"Item": {"B": {"M": {"B": {"S": "text"}, "L": {"L": [{"B": b"\x00\x01"}]}}}}}
