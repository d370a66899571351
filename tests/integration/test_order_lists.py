"""A member's orders, in one state or several: none is missing, none comes twice, and no page but the last is empty."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from bench.units.recorder import Recorder
from chalicelib.commerce.orders.tables import Orders, item
from chalicelib.core import clock, ids
from chalicelib.platform.store.base import call
from chalicelib.platform.web import tokens
from local.client import Client, in_process
from tests.support.distribution import bare_member
from tests.support.orders import NOW, line, order

_TOGETHER = 25


@pytest.fixture
def member(dynamodb: str) -> str:
    return bare_member()


@pytest.fixture
def shopper(member: str) -> Client:
    return Client(in_process(), tokens.issue("member", member, clock.now() + timedelta(hours=1)))


def ordered(member: str, states: Sequence[Any]) -> list[str]:
    """Keep an order in each of these states, the oldest first; their ids, the newest first."""
    kept = []
    for number, state in enumerate(states):
        at = NOW + timedelta(minutes=number)
        kept.append(
            msgspec.structs.replace(
                order(line("a", 1, 100), state=state), order_id=ids.new("o"), member_id=member, created_at=at
            )
        )
    for start in range(0, len(kept), _TOGETHER):
        puts = [{"PutRequest": {"Item": item(one, 1).serialize()}} for one in kept[start : start + _TOGETHER]]
        assert not call("BatchWriteItem", {"RequestItems": {Orders.Meta.table_name: puts}}).get("UnprocessedItems")
    return [one.order_id for one in reversed(kept)]


def pages(shopper: Client, state: str, limit: int) -> list[list[str]]:
    """The list page by page, by the ids of its orders."""
    found, cursor = [], ""
    while True:
        page = shopper.get(f"/v1/orders?limit={limit}{state and f'&state={state}'}{cursor}").ok()
        found.append([one["order_id"] for one in page["items"]])
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


MIXED = ["awaiting_payment", "shipped", "closed", "closed", "received", "completed", "closed"] * 9


@pytest.mark.parametrize("limit", [1, 3, 20, 100])
@pytest.mark.parametrize(
    "asked",
    [[], ["closed"], ["received", "completed"], ["completed", "received", "shipped"], ["awaiting_group"]],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_a_list_has_every_order_in_its_states_once_and_the_newest_first(
    member: str, shopper: Client, asked: list[str], limit: int
) -> None:
    newest = ordered(member, MIXED)
    expected = [one for one, state in zip(newest, reversed(MIXED), strict=True) if not asked or state in asked]
    found = pages(shopper, ",".join(asked), limit)
    assert list(itertools.chain(*found)) == expected
    assert all(found[:-1])
    assert all(len(page) <= limit for page in found)


def test_behind_thousands_of_others_the_one_order_is_on_the_first_page(member: str, shopper: Client) -> None:
    """One unpaid order behind 3,000 newer ones: six reads, and about a unit for each fifty that are passed over."""
    newest = ordered(member, ["awaiting_payment", *["completed"] * 3000])
    with Recorder().recording() as trips:
        page = shopper.get("/v1/orders?state=awaiting_payment,awaiting_group&limit=5").ok()
    assert ([one["order_id"] for one in page["items"]], page["next_cursor"]) == ([newest[-1]], None)
    read = [trip.operation for trip in trips if trip.operation != "GetItem"]  # who they are, for the gate
    assert read == ["Query"] * 6 + ["BatchGetItem"]
    assert pages(shopper, "shipped", 20) == [[]]


def test_a_rare_state_is_listed_a_few_at_a_time_and_wholly(member: str, shopper: Client) -> None:
    states = ["closed" if number % 400 == 0 else "completed" for number in range(2000)]
    newest = ordered(member, states)
    expected = [one for one, state in zip(newest, reversed(states), strict=True) if state == "closed"]
    found = pages(shopper, "closed", 20)
    assert list(itertools.chain(*found)) == expected and len(expected) == 5
    assert all(found[:-1])


def test_a_cursor_is_good_for_the_same_states_in_any_sequence_and_for_no_others(member: str, shopper: Client) -> None:
    ordered(member, MIXED)
    cursor = shopper.get("/v1/orders?state=closed,received&limit=2").ok()["next_cursor"]
    again = shopper.get(f"/v1/orders?state=received,closed,closed&limit=2&cursor={cursor}").ok()
    assert again["items"]
    for state in ("state=closed", "state=closed,completed", ""):
        shopper.get(f"/v1/orders?{state}&limit=2&cursor={cursor}").refused(400, "cursor_invalid")


@pytest.mark.parametrize("state", ["paid", "closed,paid", "closed,,received", "closed%20", ","])
def test_a_state_that_there_is_not_is_refused_by_name(shopper: Client, state: str) -> None:
    problem = shopper.get(f"/v1/orders?state={state}").refused(400, "malformed")
    assert [(one["field"], one["code"]) for one in problem["errors"]] == [("state", "not_a_choice")]
