"""Tasks of the staff: opened once, ended once, shown with care, and gone with who they are about."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members import service as members
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.service import change_profile
from chalicelib.growth.messaging import ports
from chalicelib.growth.messaging.contacts import service as contacts
from chalicelib.growth.messaging.tasks import service
from chalicelib.growth.messaging.tasks.queries import load
from chalicelib.growth.messaging.tasks.rules import NewTask, Task
from chalicelib.growth.messaging.tasks.tables import Tasks
from chalicelib.mall.operators.audit import queries as audit
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from local.client import Client, Operator
from local.clock import LocalClock
from tests.support.distribution import bare_member
from tests.support.operators import NAME, appointed
from tests.support.registered import registered

TASKS = "/v1/admin/tasks"


def member(phone: str = "") -> str:
    member_id = bare_member()
    if phone:
        change_profile(member_id, lambda known, _: with_phone(known, phone))
    return member_id


def with_phone(known: Profile, phone: str) -> Profile:
    return msgspec.structs.replace(known, phone=phone, nickname="小鱼")


def opened(member_id: str, **changes: Any) -> str:
    fields = {"task_id": ids.new("tk"), "member_id": member_id, "title": "回访", "script": "您好", "run": "r1",
              "due_at": clock.now() + timedelta(hours=2), "source": "journey:j1"}  # fmt: skip
    new = NewTask(**{**fields, **changes})
    tx = Transaction()
    service.open_task(tx, new)
    assert len(tx) == 1
    tx.commit()
    return new.task_id


class Results:
    """Keeps what it is told, beside the task, in the same transaction."""

    def __init__(self) -> None:
        self.refuses = False

    def ended(self, tx: Transaction, message: Any) -> None:
        raise AssertionError("no message has ended")

    def task_done(self, tx: Transaction, task: Task) -> None:
        if self.refuses:
            raise MallError("conflict")
        tx.after_commit(self.told.append, (task.task_id, task.state, task.outcome))

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return self.__dict__.setdefault("_told", [])


@pytest.fixture
def results(dynamodb: str) -> Iterator[Results]:
    with registered(ports.register_results, ports.results, Results()) as stand_in:
        yield stand_in


def listed(operator: Client, **query: str) -> list[str]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return [one["task_id"] for one in Operator(operator.send, operator.token).items(f"{TASKS}?{asked}")]


def test_what_is_opened_twice_is_one_task_and_stays_as_it_has_become(operator: Operator, results: Results) -> None:
    one = opened(member())
    operator.post(f"{TASKS}/{one}/done", {"outcome": "reached"}).ok()
    opened(member(), task_id=one, title="again")
    again = load(one)
    assert (again.value.state, again.value.title, again.version) == ("done", "回访", 2)


def test_who_had_it_opened_hears_of_its_end_once_in_the_same_transaction(operator: Operator, results: Results) -> None:
    one, silent = opened(member()), opened(member(), run="")
    results.refuses = True
    operator.post(f"{TASKS}/{one}/done", {"outcome": "reached"}).refused(409, "conflict")
    assert load(one).value.state == "open"
    results.refuses = False
    for _ in range(2):
        told = operator.post(f"{TASKS}/{one}/done", {"outcome": "reached", "note": "明天再来"}).ok()
        assert (told["state"], told["outcome"], told["note"], told["by"]) == ("done", "reached", "明天再来", NAME)
    operator.post(f"{TASKS}/{one}/done", {"outcome": "refused"}).refused(409, "task_closed")
    operator.post(f"{TASKS}/{one}/cancel").refused(409, "task_closed")
    operator.post(f"{TASKS}/{silent}/cancel", {"note": "不用了"}).ok()
    operator.post(f"{TASKS}/{silent}/cancel").ok()
    assert results.told == [(one, "done", "reached")]


def test_an_outcome_that_is_none_of_its_own_is_refused(operator: Operator) -> None:
    one = opened(member(), outcomes=["要", "不要"])
    problem = operator.post(f"{TASKS}/{one}/done", {"outcome": "reached"}).refused(422, "invalid")
    assert [(each["field"], each["code"]) for each in problem["errors"]] == [("outcome", "no_outcome_of_it")]
    operator.post(f"{TASKS}/{ids.new('tk')}/done", {"outcome": "要"}).refused(404, "not_found")


def test_they_are_listed_by_their_state_and_when_they_are_due(operator: Operator, mall_clock: LocalClock) -> None:
    who = member()
    late, soon = (opened(who, due_at=clock.now() + timedelta(hours=hours)) for hours in (3, 1))
    for_rule = opened(who, due_at=clock.now() + timedelta(hours=2), assignee="rule")
    mine = [one for one in listed(operator) if one in (late, soon, for_rule)]
    assert mine == [soon, for_rule, late]
    assert for_rule in listed(operator, assignee="rule") and soon not in listed(operator, assignee="rule")
    assert not {late, soon} & set(listed(operator, state="overdue"))
    mall_clock.advance(2 * 3600)
    assert {soon, for_rule} <= set(listed(operator, state="overdue")) and late not in listed(operator, state="overdue")
    operator.post(f"{TASKS}/{soon}/cancel").ok()
    assert soon in listed(operator, state="cancelled") and soon not in listed(operator, state="overdue")
    assert listed(operator, q=who) == [for_rule, late]


def test_a_phone_is_whole_only_for_who_opens_one_to_call(operator: Operator) -> None:
    phone = f"139{secrets.randbelow(10**8):08}"
    one = opened(member(phone))
    service_staff, merchandiser = appointed(operator, "service"), appointed(operator, "merchandiser")
    shown = service_staff.get(f"{TASKS}?q={phone[-4:]}").ok()["items"]
    assert [(each["phone"], each["nickname"]) for each in shown if each["task_id"] == one] == [
        (f"***{phone[-4:]}", "小鱼")
    ]
    assert service_staff.get(f"{TASKS}/{one}?purpose=service").ok()["phone"] == phone
    assert merchandiser.get(f"{TASKS}/{one}?purpose=service").ok()["phone"] == f"***{phone[-4:]}"
    service_staff.get(f"{TASKS}/{one}").refused(400, "malformed")
    merchandiser.post(f"{TASKS}/{one}/done", {"outcome": "reached"}).refused(403, "forbidden")
    told = operator.post(f"{TASKS}/{one}/done", {"outcome": "reached", "note": f"打 {phone}"}).ok()
    assert told["phone"] == f"***{phone[-4:]}"
    day = clock.day(clock.now())
    kept = [f"{msgspec.json.encode(one.entry).decode()} {one.outcome}" for one in audit.page(day, None, 100, None)[0]]
    opening = [entry for entry in kept if one in entry and "purpose" in entry]
    assert any(load(one).value.member_id in entry for entry in opening)
    assert not any(phone in entry for entry in kept)


def test_who_wants_no_calls_any_more_is_not_called_for_what_was_opened_before(operator: Operator) -> None:
    who, blocked = member("13812345678"), member("13812345679")
    task_id, other = opened(who), opened(blocked)
    path = f"{TASKS}/{task_id}?purpose=service"
    assert operator.get(path).ok()["phone"] == "13812345678"
    contacts.opt_out(who, "call", "member")
    told = operator.get(path).ok()
    assert (told["phone"], told["not_called"]) == ("***5678", True)
    members.block(blocked, "x")
    assert operator.get(f"{TASKS}/{other}?purpose=service").ok()["not_called"] is True


def test_it_is_about_whoever_the_member_turns_out_to_be(operator: Operator) -> None:
    former, now = member(), member()
    tasks = [opened(former) for _ in range(3)]
    position: str | None = None
    while (position := service.absorb(former, now, position)) is not None:
        pass
    assert service.absorb(former, now, None) is None
    assert {load(one).value.member_id for one in tasks} == {now}
    assert sorted(listed(operator, q=now)) == sorted(tasks)


def test_it_goes_with_who_leaves(operator: Operator) -> None:
    who = member()
    tasks = [opened(who) for _ in range(3)]
    for _ in range(2):
        service.erase(who)
    assert read.batch_get([(Tasks, (one,)) for one in tasks]) == [None] * 3
