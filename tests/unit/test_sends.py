"""Sends as rules: their parts cover the list once; one operator may let out a small one, two a large one; what they
say is what their template wants."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.growth.messaging.rules import Template
from chalicelib.growth.messaging.sends import rules
from chalicelib.growth.messaging.sends.rules import ALONE_MAX, ITEM_MEMBERS, PARTS_MAX, Part, Send
from chalicelib.growth.messaging.sends.tables import guard_key, guard_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def send(total: int, **changes: Any) -> Send:
    fields = {"send_id": "sd1", "digest": "d", "template_id": "mt1", "purpose": "marketing", "total": total,
              "by": "ann", "made_at": NOW, "begins_at": NOW}  # fmt: skip
    return Send(**fields | changes)


def template(**changes: Any) -> Template:
    fields = {"template_id": "mt1", "version": 1, "name": "n", "purpose": "marketing", "media": ["sms"],
              "text": "{product}", "vars": ["product"], "created_at": NOW, "updated_at": NOW}  # fmt: skip
    return Template(**fields | changes)


def refused(error: pytest.ExceptionInfo[MallError]) -> list[str]:
    return [one.reason.code for one in error.value.errors]


@given(st.integers(1, 200_000))
def test_its_parts_cover_the_list_once_by_whole_items(total: int) -> None:
    parts = send(total).parts
    assert 1 <= len(parts) <= PARTS_MAX
    assert parts[0][0] == 0 and parts[-1][1] == total
    assert all(before[1] == after[0] for before, after in itertools.pairwise(parts))
    assert all(start % ITEM_MEMBERS == 0 and start < end for start, end in parts)


@given(st.integers(1, 100_000), st.text(max_size=40))
def test_each_message_looks_at_one_of_the_items_that_say_that_it_stands(total: int, message_id: str) -> None:
    made = send(total)
    assert guard_of(made, message_id) in {guard_key(made, number) for number in range(made.guards)}


@given(st.integers(1, 3 * ALONE_MAX), st.lists(st.sampled_from(["ann", "bob", "cat"]), max_size=6))
def test_two_operators_let_a_large_one_out_and_nobody_agrees_with_themselves(total: int, operators: list[str]) -> None:
    now = send(total)
    for operator in operators:
        before = now
        try:
            now = rules.decided(before, operator, NOW)
        except MallError as fault:
            assert fault.code == "second_operator" and [one.by for one in before.agreed] == [operator]
    agreed = [one.by for one in now.agreed]
    assert len(set(agreed)) == len(agreed)
    assert (now.state == "begun") == (len(agreed) == (1 if total <= ALONE_MAX else 2))


def test_what_was_called_back_is_let_out_by_nobody() -> None:
    gone = rules.called_back(send(5), "ann", NOW)
    assert rules.called_back(gone, "bob", NOW) is gone
    with pytest.raises(MallError, match="send_recalled"):
        rules.decided(gone, "bob", NOW)


@pytest.mark.parametrize(
    ("changes", "asked", "codes"),
    [
        ({}, {}, ["values_missing"]),
        ({}, {"values": {"product": "茶"}}, []),
        ({}, {"values": {"product": "茶", "other": "x"}}, ["values_unknown"]),
        ({}, {"values": {"product": "茶"}, "purpose": "marketing"}, []),
        ({}, {"values": {"product": "茶"}, "purpose": "service"}, ["another_purpose"]),
        ({"purpose": "transactional"}, {"values": {"product": "茶"}}, ["sends_are_not_transactional"]),
    ],
)
def test_it_says_what_its_template_wants(changes: Any, asked: Any, codes: list[str]) -> None:
    purpose, values = asked.get("purpose"), asked.get("values", {})
    if not codes:
        rules.check_content(template(**changes), purpose, values)
        return
    with pytest.raises(MallError) as error:
        rules.check_content(template(**changes), purpose, values)
    assert refused(error) == codes


def test_it_begins_at_once_or_within_ninety_days() -> None:
    assert rules.check_time(None, NOW) == rules.check_time(NOW - timedelta(days=1), NOW) == NOW
    assert rules.check_time(NOW + timedelta(days=90), NOW) == NOW + timedelta(days=90)
    with pytest.raises(MallError) as error:
        rules.check_time(NOW + timedelta(days=90, seconds=1), NOW)
    assert refused(error) == ["too_far_ahead"]


def test_one_that_is_agreed_on_late_is_worth_sending_from_then_on() -> None:
    later = NOW + timedelta(days=3)
    begun = rules.decided(rules.decided(send(2000), "ann", NOW), "bob", later)
    assert (begun.begins_at, begun.expires_at) == (later, later + timedelta(hours=24))
    ahead = rules.decided(rules.decided(send(2000, begins_at=later), "ann", NOW), "bob", NOW)
    assert ahead.begins_at == later


def part(state: Any) -> Part:
    return Part(number=0, position=0, state=state, queued=0, skipped=0)


@pytest.mark.parametrize(
    ("changes", "parts", "shown"),
    [
        ({"state": "proposed"}, [], "proposed"),
        ({"state": "begun", "begins_at": NOW + timedelta(hours=1)}, ["running"], "planned"),
        ({"state": "begun"}, ["running", "done"], "running"),
        ({"state": "begun"}, ["done", "done"], "done"),
        ({"state": "recalled"}, ["running"], "recalled"),
    ],
)
def test_how_it_stands(changes: Any, parts: list[str], shown: str) -> None:
    assert rules.shown_state(send(5, **changes), [part(one) for one in parts], NOW) == shown
