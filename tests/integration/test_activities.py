"""What a product's page says of activities: those that run or are to come, from the one query that it makes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.import_export import queries as import_export_queries
from chalicelib.commerce.catalogue.import_export import service as import_export
from chalicelib.commerce.catalogue.products import queries as product_queries
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.rules import ActivityCard, product_of
from chalicelib.core import clock
from chalicelib.platform.store import base
from chalicelib.platform.store.transaction import Transaction
from tests.integration.test_catalogue_products import Minutes, cards, category, fresh, id_of, make, minutes
from tests.integration.test_pools import counters, first_sku, page, pool, set_aside, sku_id

__all__ = ["fresh", "minutes", "pool", "sku_id"]


def card(activity_id: str, starts: float, ends: float, **fields: Any) -> ActivityCard:
    """An activity that starts and ends in so many minutes from now."""
    now = clock.now()
    times = {"starts_at": now + timedelta(minutes=starts), "ends_at": now + timedelta(minutes=ends)}
    return ActivityCard(
        **{"activity_id": activity_id, "kind": "fixed", "sizes": [3], "price_fen": 990, **times, **fields}
    )


def announce(product_id: str, *announced: ActivityCard) -> None:
    tx = Transaction()
    for each in announced:
        products.announce(tx, product_id, each)
    tx.commit()


def shown(product_id: str) -> list[str]:
    return [each["activity_id"] for each in page(product_id)["activities"]]


def test_a_page_shows_what_runs_or_is_to_come_the_first_to_end_first(minutes: Minutes) -> None:
    product_id = id_of(make())
    assert shown(product_id) == []
    announce(product_id, card("g-later", 5, 60), card("g-now", -5, 30), card("g-over", -30, 0), card("a-now", -5, 30))
    assert shown(product_id) == ["a-now", "g-now", "g-later"]
    minutes.seconds += 30 * 60
    assert shown(product_id) == ["g-later"]
    assert product_queries.existing(product_id).stocks.keys() == {first_sku(product_queries.existing(product_id))}


def test_an_announcement_says_all_that_a_page_needs(minutes: Minutes) -> None:
    minutes.seconds = 1_795_248_000.0
    product_id = id_of(make())
    announce(product_id, card("g1", 0, 60, kind="lottery", sizes=[2, 5], price_fen=None))
    assert page(product_id)["activities"] == [
        {
            "activity_id": "g1", "kind": "lottery", "sizes": [2, 5], "price_fen": None,
            "starts_at": "2026-11-21T08:00:00Z", "ends_at": "2026-11-21T09:00:00Z",
        }
    ]  # fmt: skip


def test_an_announcement_is_replaced_and_retracted() -> None:
    product_id = id_of(make())
    announce(product_id, card("g1", 0, 60))
    announce(product_id, card("g1", 0, 60, price_fen=500))
    assert [each["price_fen"] for each in page(product_id)["activities"]] == [500]
    for _ in range(2):
        tx = Transaction()
        products.retract(tx, product_id, "g1")
        tx.commit()
        assert shown(product_id) == []


def test_a_page_with_all_of_it_is_one_query(sku_id: str, pool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(product_of(sku_id), card("g1", 0, 60))
    calls: list[str] = []
    real = base.client()._make_api_call
    monkeypatch.setattr(
        base.client(),
        "_make_api_call",
        lambda operation, arguments: (calls.append(operation), real(operation, arguments))[1],
    )
    assert shown(product_of(sku_id)) == ["g1"]
    assert calls == ["Query"]


def test_changes_lists_and_files_go_past_pools_and_announcements() -> None:
    code, scope = secrets.token_hex(4), category()
    product_id = id_of(make(product_code=code, category_id=scope))
    assert product_id == rules.product_id(code)
    sku_id = first_sku(product_queries.existing(product_id))
    announce(product_id, card("g1", 0, 60))
    assert set_aside(sku_id, "g1")
    line = next(line for line in exported() if msgspec.json.decode(line)["product_code"] == code)
    assert [each["stock"] for each in msgspec.json.decode(line)["skus"]] == [4]
    assert import_export.import_products(line, "jsonl").unchanged == 1
    changed = msgspec.json.encode(msgspec.json.decode(line) | {"name": "盘"})
    assert import_export.import_products(changed, "jsonl").changed == 1
    products.reindex(product_id)
    assert [each["name"] for each in cards(scope)] == ["盘"]
    assert (shown(product_id), counters(sku_id), counters(sku_id, "g1")) == (["g1"], (4, 6, 10), (6, 0, 6))


def exported() -> Iterator[bytes]:
    position = None
    while True:
        body, position = import_export_queries.export_products("jsonl", position)
        yield from body.splitlines()
        if position is None:
            return
