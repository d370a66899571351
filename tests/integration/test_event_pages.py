"""Pages of what a member did: newest first, all of it and once, however batches overlap and whatever their ids say; and
no more batches are read than a page needs."""

from __future__ import annotations

import json
import random
import secrets
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.customers.events import queries
from chalicelib.customers.events.rules import Batch, Event
from chalicelib.customers.events.tables import BATCH, MemberEvents
from chalicelib.platform.store.transaction import save
from tests.support.distribution import bare_member

pytestmark = pytest.mark.usefixtures("dynamodb")


def kept(member_id: str, *events: Event) -> MemberEvents:
    """A batch of these events of the member, as it lies in the table."""
    at = sorted(clock.stamp(one.at) for one in events)
    item = MemberEvents(
        member_id, f"{BATCH}{uuid.uuid4()}", batch=Batch(received_at=events[-1].at, digest="x", accepted=len(events)),
        events=queries.packed(sorted(events, key=lambda one: one.at)), first_at=at[0], last_at=at[-1],
        expires=clock.now() + timedelta(days=90),
    )  # fmt: skip
    save(item)
    return item


def pages(*asked: Any, limit: int) -> Iterator[list[queries.Told]]:
    """The pages of a member's history, one after the other."""
    after: Any = None
    while True:
        page, after = queries.history(*asked, limit, None if after is None else json.loads(json.dumps(after)))
        yield page
        if after is None:
            return
        assert page


def test_pages_are_all_that_was_done_in_the_order_of_time_however_batches_lie(
    later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_AT_ONCE", 2)
    monkeypatch.setattr(queries, "_BATCHES_MAX", 5)
    chance, member_id = random.Random(15), bare_member()
    items = []
    for _ in range(25):
        until = clock.now() - timedelta(hours=chance.randrange(24 * 20))
        # Of some hours, so that many happened at once; up to a week in one batch, as a phone may have kept it.
        ages = [timedelta(hours=chance.randrange(chance.choice((1, 3, 169)))) for _ in range(chance.randrange(1, 6))]
        told = [Event(secrets.token_hex(8), chance.choice(("cart_view", "search")), until - age) for age in ages]
        items.append(kept(member_id, *told))
    every = sorted((one for item in items for one in queries._of(item)), key=lambda one: one.place, reverse=True)
    times = [one.event.at for one in every]
    for name, limit in ((None, 1), (None, 4), ("search", 3), (None, 100), ("live_enter", 2)):
        for since, until in (
            (times[-1], times[0]), (times[len(times) // 2], times[len(times) // 4]), (times[3], times[3]),
            (times[-1], datetime.max.replace(tzinfo=UTC)), (clock.now(), times[-1] - timedelta(days=30)),
        ):  # fmt: skip
            wanted = [one for one in every if name in (None, one.event.name) and since <= one.event.at <= until]
            found = list(pages(member_id, name, since, until, limit=limit))
            assert [one for page in found for one in page] == wanted
            assert all(0 < len(page) <= limit for page in found[:-1])


def test_a_page_reads_the_batches_that_it_needs_and_no_others(
    later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    member_id, read_of = bare_member(), list[str]()
    items = [
        kept(member_id, *(Event(f"e{n}", "cart_view", clock.now() - timedelta(hours=back)) for n in range(5)))
        for back in range(120)
    ]
    unpacked = queries.unpacked
    monkeypatch.setattr(queries, "unpacked", lambda item: read_of.append(item.part) or unpacked(item))
    since, until = clock.now() - timedelta(days=90), clock.now()
    found: list[queries.Told] = []
    for page in pages(member_id, None, since, until, limit=50):
        assert len(page) == 50 and len(read_of) <= queries._AT_ONCE
        read_of.clear()
        found += page
    assert [one.batch.received_at for one in found[::5]] == [item.batch.received_at for item in items]
    list(pages(member_id, None, since, until - timedelta(hours=100), limit=100))
    assert len(set(read_of)) == 20  # what is newer than what was asked for is not read
    monkeypatch.setattr(queries, "_BATCHES_MAX", 40)
    kept(member_id, Event("rare", "search", clock.now() - timedelta(minutes=90)))
    read_of.clear()
    first = next(pages(member_id, "search", since, until, limit=50))
    assert [one.event.event_id for one in first] == ["rare"] and len(read_of) == 40
