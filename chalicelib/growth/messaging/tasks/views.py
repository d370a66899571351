"""Tasks as operators see them, and as the member exports them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from chalicelib.core import clock
from chalicelib.customers.members.finding.queries import whoever_is
from chalicelib.customers.members.finding.rules import phone_end
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.messaging.contacts.queries import reach
from chalicelib.growth.messaging.tasks.rules import Assignee, State, Task
from chalicelib.platform.store import read

_HIDDEN = "***"


class TaskView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task. `phone` by its last four digits, and whole where one task is opened by who may end it, and the member may
    be called: `not_called`, which is said of one task alone, means that they do not want that, or are blocked.
    `overdue`: it is open, and should have been done by now. `source` is who asked for it ("journey:ID")."""

    task_id: str
    member_id: str
    nickname: str
    phone: str
    title: str
    script: str
    assignee: Assignee
    due_at: datetime
    overdue: bool
    outcomes: list[str]
    source: str
    opened_at: datetime
    state: State
    outcome: str = ""
    note: str = ""
    by: str = ""
    ended_at: datetime | None = None
    not_called: bool = False


class TaskOfMine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task about a member, as they export it."""

    title: str
    script: str
    due_at: datetime
    opened_at: datetime
    state: State
    outcome: str = ""
    note: str = ""
    ended_at: datetime | None = None


def task_views(tasks: Sequence[Task]) -> list[TaskView]:
    """Show tasks in a list. One BatchGet."""
    keys = [profile_key(one.member_id) for one in tasks]
    items = read.batch_get(keys, consistent=False) if keys else []
    return [_view(one, None if item is None else item.profile) for one, item in zip(tasks, items, strict=True)]


def task_view(task: Task, whole_phone: bool = False) -> TaskView:
    """Show one task; with the member's whole phone for who is to call them, unless they are not to be called by now.
    Two reads, four of who became another."""
    member = whoever_is(task.member_id)
    not_called = member is not None and not _may_be_called(member)
    shown = _view(task, member, whole_phone and not not_called)
    return msgspec.structs.replace(shown, not_called=not_called)


def _may_be_called(member: Profile) -> bool:
    return member.blocked is None and reach(member).contact.preferences.media.call is not False


def task_of_mine(task: Task) -> TaskOfMine:
    """Show a task to whom it is about."""
    return TaskOfMine(
        title=task.title, script=task.script, due_at=task.due_at, opened_at=task.opened_at, state=task.state,
        outcome=task.outcome, note=task.note, ended_at=task.ended_at,
    )  # fmt: skip


def _view(task: Task, member: Profile | None, whole_phone: bool = False) -> TaskView:
    """Show a task; of a member who has just gone, or become another, without name and phone."""
    phone = "" if member is None or member.phone is None else member.phone
    masked = f"{_HIDDEN}{phone_end(phone) or ''}" if phone else ""
    return TaskView(
        task_id=task.task_id, member_id=task.member_id, nickname="" if member is None else member.nickname,
        phone=phone if whole_phone else masked, title=task.title, script=task.script, assignee=task.assignee,
        due_at=task.due_at, overdue=task.is_overdue(clock.now()), outcomes=task.outcomes, source=task.source,
        opened_at=task.opened_at, state=task.state, outcome=task.outcome, note=task.note, by=task.by,
        ended_at=task.ended_at,
    )  # fmt: skip
