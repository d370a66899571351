"""Tasks as rules: however they are ended, they end once, with one of their outcomes; and what people reply."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.growth.messaging.hearing.rules import mark_of, opens_shortly, wants_no_more
from chalicelib.growth.messaging.tasks import rules
from chalicelib.growth.messaging.tasks.rules import OUTCOMES, NewTask, Task

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def task(**changes: object) -> Task:
    fields: dict[str, object] = {
        "task_id": "tk1",
        "member_id": "m1",
        "title": "回访",
        "due_at": NOW,
        "source": "journey:j",
    }
    return rules.opened(NewTask(**fields | changes), NOW - timedelta(hours=1))  # type: ignore[arg-type]


ENDINGS = st.tuples(st.sampled_from([*OUTCOMES, "", "other"]), st.sampled_from(["", "明天再打"]), st.sampled_from("ab"))


@given(st.lists(ENDINGS, max_size=8))
def test_it_ends_once_and_the_same_again_changes_nothing(endings: list[tuple[str, str, str]]) -> None:
    now = task()
    for outcome, note, by in endings:
        before = now
        try:
            now = rules.done(before, outcome, note, by, NOW) if outcome else rules.cancelled(before, note, by, NOW)
        except MallError as fault:
            assert fault.code == ("invalid" if outcome and outcome not in OUTCOMES else "task_closed")
            continue
        assert before.state == "open" or now is before
        assert now.state == ("done" if outcome else "cancelled") and (now.outcome == outcome)


def test_it_is_overdue_by_the_clock_while_it_is_open() -> None:
    one = task()
    assert not one.is_overdue(NOW - timedelta(seconds=1)) and one.is_overdue(NOW)
    assert not rules.cancelled(one, "", "a", NOW).is_overdue(NOW)


def test_who_opens_one_may_say_how_it_can_end() -> None:
    assert task().outcomes == task(outcomes=[]).outcomes == list(OUTCOMES)
    one = task(outcomes=["要回购", "不要了"])
    assert rules.done(one, "要回购", "", "a", NOW).outcome == "要回购"
    with pytest.raises(MallError) as error:
        rules.done(one, "reached", "", "a", NOW)
    assert [(each.field, each.reason.code) for each in error.value.errors] == [("outcome", "no_outcome_of_it")]


@pytest.mark.parametrize("text", ["R", "r", " R ", "Ｒ", "TD", "td。", "退订", "T", "拒收！"])
def test_who_replies_so_wants_no_more(text: str) -> None:
    assert wants_no_more(text)


@pytest.mark.parametrize("text", ["", "RR", "好的", "退订吗", "Red", "不退订"])
def test_who_replies_otherwise_has_not_said_so(text: str) -> None:
    assert not wants_no_more(text)


def test_events_of_an_account_are_told_apart_and_some_may_be_answered() -> None:
    assert mark_of({"MsgId": 7, "CreateTime": 1}) == mark_of({"MsgId": 7, "CreateTime": 2}) == "7"
    assert mark_of({"Event": "CLICK", "CreateTime": 1}) != mark_of({"Event": "CLICK", "CreateTime": 2})
    assert (
        opens_shortly("oa", "CLICK") and not opens_shortly("oa", "unsubscribe") and not opens_shortly("mini", "CLICK")
    )
