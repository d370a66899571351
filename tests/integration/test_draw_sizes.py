"""A draw of many: its proof is read page by page at the same price however many took part, and its results hold up
nothing that becomes due meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.units.recorder import Recorder
from chalicelib.core import clock, ids
from chalicelib.core.settings import settings
from chalicelib.growth.groupbuy.jobs import APPLY_RESULTS, END_ACTIVITY
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.lottery import service as lottery
from chalicelib.growth.groupbuy.lottery.queries import read_draw, secret_of
from chalicelib.growth.groupbuy.tables import ENTRY, Draw, GroupActivities, activity_key
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.base import call
from chalicelib.platform.store.transaction import Transaction, write
from local.client import Operator
from local.clock import LocalClock
from local.jobs import forget_all
from local.processes import ROOT
from tests.support.jobs import Work, later

PRICE, HOUR = 9900, 3600
#: How many take part where that matters. DRAW_OF=60000 measures a large one.
MANY = int(os.environ.get("DRAW_OF", "6000"))


@pytest.fixture(autouse=True)
def no_jobs(dynamodb: str, mall_clock: LocalClock) -> Iterator[None]:
    forget_all()
    yield
    forget_all()


@pytest.fixture
def activity_id(operator: Operator) -> str:
    """A lottery over all of an activity, which runs for an hour."""
    now = clock.now()
    made = operator.group_activity(
        {2: PRICE}, kind="lottery", lottery={"winners": 3, "per": "activity"},
        starts_at=now.isoformat(), ends_at=(now + timedelta(hours=1)).isoformat(),
    )  # fmt: skip
    return str(made["activity_id"])


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each order was brought to its end: there are no more of them than their numbers."""
    found: Counter[str] = Counter()
    monkeypatch.setattr(lottery, "_end_order", lambda order_id, *_: found.update([order_id]))
    return found


def enter(activity_id: str, count: int) -> list[str]:
    """So many orders take part."""
    order_ids = sorted(ids.derived("o", activity_id, str(number)) for number in range(count))
    for start in range(0, count, 25):
        items = [
            {"activity_id": {"S": activity_id}, "part": {"S": ENTRY + order_id}}
            for order_id in order_ids[start : start + 25]
        ]
        requests = [{"PutRequest": {"Item": item}} for item in items]
        assert not call("BatchWriteItem", {"RequestItems": {GroupActivities.Meta.table_name: requests}}).get(
            "UnprocessedItems"
        )
    return order_ids


def pages(operator: Operator, activity_id: str) -> Iterator[tuple[dict[str, Any], float]]:
    """The proof page by page, and what each was read for, in read units."""
    path = f"/v1/group-activities/{activity_id}/draw"
    recorder, cursor = Recorder(), ""
    while True:
        with recorder.recording() as trips:
            answer = operator.get(path + cursor)
        page = answer.ok()
        assert answer.headers["cache-control"] == "public, max-age=86400"
        assert answer.headers["etag"]
        yield page, sum(trip.units.reads for trip in trips)
        if "next_cursor" not in page:
            return
        cursor = f"?cursor={page['next_cursor']}"


def test_a_page_of_a_proof_costs_the_same_however_many_took_part(
    activity_id: str, operator: Operator, mall_clock: LocalClock, ended: Counter[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(draw, "CHAIN_STEP", 1000)  # what follows the draw is not what is measured
    order_ids = enter(activity_id, MANY)
    mall_clock.advance(HOUR + 301)
    while worker.run_due():
        pass
    read = list(pages(operator, activity_id))
    print(f"{MANY} orders: {[units for _, units in read]} read units")
    assert [len(page["orders"]) for page, _ in read] == [*[5000] * (MANY // 5000), *[MANY % 5000] * bool(MANY % 5000)]
    assert max(units for _, units in read) <= 20, "all in one were a unit for each 57 orders"
    assert [one for page, _ in read for one in page["orders"]] == order_ids
    won = draw.winners(secret_of(activity_id), order_ids, 3)
    assert all(page["winners"] == won and page["secret"] == secret_of(activity_id) for page, _ in read)
    assert ended == dict.fromkeys(order_ids, 1)
    path = f"/v1/group-activities/{activity_id}/draw"
    operator.get(f"{path}?cursor=none-of-mine").refused(400, "cursor_invalid")
    whole = tmp_path / "proof.json"
    whole.write_text(json.dumps(read[0][0] | {"orders": order_ids, "next_cursor": None}))
    done = subprocess.run([sys.executable, "-I", ROOT / "docs" / "verify_draw.py", whole], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 11])
def test_a_proof_has_every_order_once_wherever_its_pages_end_and_whatever_is_repeated(
    count: int, activity_id: str, operator: Operator, mall_clock: LocalClock, ended: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(draw, "PAGE_ORDERS", 5)
    order_ids = enter(activity_id, count)
    mall_clock.advance(HOUR + 301)
    owe_again(activity_id)
    while worker.run_due():
        if len(ended) < count:
            owe_again(activity_id)
    read = [page for page, _ in pages(operator, activity_id)]
    assert [one for page in read for one in page.get("orders", [])] == order_ids
    assert len(read) == max(1, -(-count // 5))
    assert read[0].get("winners", []) == draw.winners(secret_of(activity_id), order_ids, 3)
    assert sorted(ended) == order_ids


def owe_again(activity_id: str) -> None:
    """Owe the end of the activity once more, as every change of it does."""
    tx = Transaction()
    schedule(tx, END_ACTIVITY, activity_id)
    tx.commit()


def test_what_becomes_due_during_a_draw_runs_before_its_end(
    activity_id: str, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each order takes a fifth of a second, and all of them a minute; a timer is due every ten seconds. Only as many
    orders end before it as there are chains: a step of each, or where one goes on in the next shard, another.
    """
    done: list[str] = []
    ended_at: list[datetime] = []

    def end_order(order_id: str, *_: Any) -> None:
        mall_clock.advance(0.2)
        done.append(order_id)
        ended_at.append(clock.now())

    monkeypatch.setattr(lottery, "_end_order", end_order)
    order_ids = enter(activity_id, 300)
    mall_clock.advance(HOUR + 301)
    due = {f"t{seconds}": later(seconds) for seconds in range(10, 60, 10)}
    waited_for: list[int] = []
    timers = Work(lambda job: waited_for.append(sum(instant > due[job.key] for instant in ended_at)))
    for key, instant in due.items():
        timers.owe(key, run_at=instant)
    while worker.run_due():
        pass
    assert sorted(done) == order_ids
    assert len(waited_for) == len(due)
    a_round = draw.CHAINS_MAX * draw.CHAIN_STEP * settings().job_shards
    assert a_round * 0.03 < 3, "in seconds, of orders as long as they take"
    assert max(waited_for) <= a_round


def test_an_order_that_fails_holds_up_no_other_and_ends_when_the_cause_is_gone(
    activity_id: str, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: Counter[str] = Counter()
    order_ids = enter(activity_id, 40)
    broken = set(order_ids[::7])

    def end_order(order_id: str, *_: Any) -> None:
        if order_id in broken:
            raise LookupError(order_id)
        done[order_id] += 1

    monkeypatch.setattr(lottery, "_end_order", end_order)
    mall_clock.advance(HOUR + 301)
    while worker.run_due():
        pass
    assert sorted(done) == [one for one in order_ids if one not in broken]
    broken.clear()
    mall_clock.advance(600)
    while worker.run_due():
        pass
    assert done == dict.fromkeys(order_ids, 1)


def test_a_draw_of_the_version_before_is_told_and_brought_to_its_end(
    activity_id: str, operator: Operator, mall_clock: LocalClock, ended: Counter[str]
) -> None:
    """It wrote no pages, and owed its results to another kind of job."""
    order_ids = enter(activity_id, 30)
    won = draw.winners(secret_of(activity_id), order_ids, 3)
    forget_all()
    actions = [GroupActivities.closed.set(True), GroupActivities.drawn.set(Draw(won))]
    write(*activity_key(activity_id), actions)
    tx = Transaction()
    schedule(tx, APPLY_RESULTS, activity_id, None, after=ENTRY + order_ids[9])
    tx.commit()
    while worker.run_due():
        pass
    assert ended == dict.fromkeys(order_ids[10:], 1), "those before had their jobs already"
    (page,) = [page for page, _ in pages(operator, activity_id)]
    assert (page["orders"], page["winners"]) == (order_ids, won)
    mall_clock.advance(HOUR + 301)
    owe_again(activity_id)  # it may have died before it owed anything
    while worker.run_due():
        pass
    assert sorted(ended) == order_ids
    assert read_draw(activity_id) == Draw(won)
