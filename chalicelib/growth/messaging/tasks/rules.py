"""What a task of the staff's is, and how it ends. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.core.errors import MallError, invalid
from chalicelib.growth.messaging.refusals import NO_OUTCOME_OF_IT, TASK_HAS_ENDED

State = Literal["open", "done", "cancelled"]
#: Whose it is: the member's follower in WeCom, or whoever the mall's own rules of its staff say.
Assignee = Literal["follower", "rule"]

#: How a call ends, where who opens the task does not say.
OUTCOMES = ("reached", "no_answer", "refused")


class NewTask(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. `task_id` follows from its cause: what is opened twice is one task. `source` says who opens
    it ("journey:<id>"); `run`, if there is one, is told of its end (messaging/ports.py: Results). Without `outcomes` it
    ends with one of OUTCOMES."""

    task_id: str
    member_id: str
    title: str
    script: str = ""
    assignee: Assignee = "follower"
    due_at: datetime
    outcomes: list[str] = []
    source: str
    run: str = ""


class Task(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody of the staff is to do for a member until `due_at`, and with which of its `outcomes` it was done."""

    task_id: str
    member_id: str
    title: str
    script: str = ""
    assignee: Assignee
    due_at: datetime
    outcomes: list[str]
    source: str
    run: str = ""
    opened_at: datetime
    state: State = "open"
    outcome: str = ""
    note: str = ""
    by: str = ""
    ended_at: datetime | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether it should have been done by now."""
        return self.state == "open" and self.due_at <= now


def opened(new: NewTask, now: datetime) -> Task:
    """Make the task that is opened now."""
    return Task(
        task_id=new.task_id, member_id=new.member_id, title=new.title, script=new.script, assignee=new.assignee,
        due_at=new.due_at, outcomes=list(new.outcomes) or list(OUTCOMES), source=new.source, run=new.run, opened_at=now,
    )  # fmt: skip


def done(task: Task, outcome: str, note: str, by: str, now: datetime) -> Task:
    """End the task with this outcome; the same task where it has ended so already. Raises `invalid` for an outcome that
    is none of its own, `task_closed` where it ended otherwise."""
    if outcome not in task.outcomes:
        raise invalid(NO_OUTCOME_OF_IT.at("outcome", outcomes=task.outcomes))
    return _ended(task, "done", outcome, note, by, now)


def cancelled(task: Task, note: str, by: str, now: datetime) -> Task:
    """Give the task up; the same task where it was given up already. Raises `task_closed` where it was done."""
    return task if task.state == "cancelled" else _ended(task, "cancelled", "", note, by, now)


def _ended(task: Task, state: State, outcome: str, note: str, by: str, now: datetime) -> Task:
    if (task.state, task.outcome, task.note) == (state, outcome, note):
        return task
    if task.state != "open":
        raise MallError("task_closed", errors=(TASK_HAS_ENDED.at("task_id"),))
    return msgspec.structs.replace(task, state=state, outcome=outcome, note=note, by=by, ended_at=now)
