"""What a member agreed to is remembered with its time, and what they take back is over from then on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.customers.members.consents.rules import (
    CONSENTS_MAX,
    Consent,
    agreed,
    parts_revoked,
    standing,
    withdrawn,
)

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def test_each_version_is_remembered_once_with_its_time() -> None:
    first = agreed([], "privacy", "1", NOW)
    assert agreed(first, "privacy", "1", NOW + timedelta(1)) is first
    second = agreed(first, "privacy", "2", NOW + timedelta(2))
    assert [(one.version, one.at) for one in second] == [("1", NOW), ("2", NOW + timedelta(2))]
    assert standing(second, "privacy") == second[-1]
    assert standing(second, "phone") is None


def test_what_is_taken_back_holds_no_more_until_it_is_given_again() -> None:
    given_once = agreed(agreed([], "privacy", "1", NOW), "phone", "p", NOW)
    taken = withdrawn(given_once, "phone", NOW + timedelta(1))
    assert standing(taken, "phone") is None
    assert standing(taken, "privacy") is not None
    assert [one.withdrawn_at for one in taken] == [None, NOW + timedelta(1)]
    assert withdrawn(taken, "phone", NOW + timedelta(2)) is taken
    again = agreed(taken, "phone", "p", NOW + timedelta(3))
    assert len(again) == 3
    assert standing(again, "phone") == again[-1]


SUBJECTS = st.sampled_from(["privacy", "phone"])


@given(st.lists(st.tuples(st.booleans(), SUBJECTS, st.sampled_from("123")), max_size=80))
def test_what_holds_is_what_was_said_last(said: list[tuple[bool, str, str]]) -> None:
    consents: list[Consent] = []
    holds: dict[str, str | None] = {}
    for number, (agrees, what, version) in enumerate(said):
        at = NOW + timedelta(minutes=number)
        consents = (
            agreed(consents, what, version, at) if agrees else withdrawn(consents, what, at)  # type: ignore[arg-type]
        )
        holds[what] = version if agrees else None
    assert len(consents) <= CONSENTS_MAX
    for what, version in holds.items():
        known = standing(consents, what)  # type: ignore[arg-type]
        if any(one.what == what for one in consents):
            assert (None if known is None else known.version) == version


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ("8", {"phone"}), ("6", {"nickname", "avatar_url"}), ("2,8", {"addresses", "phone"}), ("13", set()),
        ("", set()), (" 19 , 20 ", {"nickname", "avatar_url"}), ("x", set()), ("88", set()),
    ],
)  # fmt: skip
def test_what_wechat_says_is_taken_back_is_found_by_its_numbers(said: str, parts: set[str]) -> None:
    assert parts_revoked(said) == parts
