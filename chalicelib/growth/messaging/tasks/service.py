"""Tasks: opened once for their cause, and ended once; whom that concerns hears of it in the same transaction."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec

from chalicelib.core import clock, ids
from chalicelib.growth.messaging.ports import results
from chalicelib.growth.messaging.rules import Message
from chalicelib.growth.messaging.tasks import rules
from chalicelib.growth.messaging.tasks.queries import load
from chalicelib.growth.messaging.tasks.rules import NewTask, Task
from chalicelib.growth.messaging.tasks.tables import Tasks, task_item
from chalicelib.platform.store import read, versioned
from chalicelib.platform.store.transaction import Transaction, remove
from chalicelib.platform.store.versioned import Conflict, Versioned

_PAGE = 25


def open_task(tx: Transaction, new: NewTask) -> None:
    """Open a task as part of `tx`: one action. What is there already under its id stays as it is."""
    item = task_item(rules.opened(new, clock.now()), 1)
    kept = [
        getattr(Tasks, field).set(getattr(Tasks, field) | value)
        for field, value in item.attribute_values.items()
        if field != "task_id"
    ]
    tx.update(Tasks, (new.task_id,), kept)


def call_of(message: Message, title: str, script: str) -> NewTask:
    """Make the task of a message that staff bring by telephone, while it is worth it: one for the message."""
    return NewTask(
        task_id=ids.derived("tk", "message", message.message_id), member_id=message.member_id, title=title,
        script=script, due_at=message.expires_at, source=message.source, run=message.run,
    )  # fmt: skip


def finish(task_id: str, outcome: str, note: str, operator: str) -> Task:
    """Note that a task was done with this outcome; again the same is no error. Raises `not_found`, `invalid`,
    `task_closed`, `conflict`."""
    return _end(task_id, lambda task: rules.done(task, outcome, note, operator, clock.now()))


def cancel(task_id: str, note: str, operator: str) -> Task:
    """Give a task up; twice is no error. Raises `not_found`, `task_closed`, `conflict`."""
    return _end(task_id, lambda task: rules.cancelled(task, note, operator, clock.now()))


def _end(task_id: str, decide: Callable[[Task], Task]) -> Task:
    def ended(task: Task, tx: Transaction) -> Task:
        after = decide(task)
        if after is not task and after.run:
            results().task_done(tx, after)
        return after

    return versioned.change(lambda: load(task_id), ended, _write)


def _write(tx: Transaction, before: Versioned[Task], after: Task) -> None:
    tx.put(task_item(after, before.version + 1), Tasks.version == before.version, Conflict)


def absorb(former: str, member_id: str, position: str | None) -> str | None:
    """Have some of the former member's tasks be about who they are now. Raises `conflict`, `unavailable`."""
    raws, rest = _page(former, position)
    for raw in raws:
        task_id = raw["task_id"]["S"]
        versioned.change(
            functools.partial(load, task_id),
            lambda task, _: msgspec.structs.replace(task, member_id=member_id) if task.member_id == former else task,
            _write,
        )
    return None if rest is None else str(rest["opened"]["S"])


def erase(member_id: str) -> None:
    """Delete every task about the member, with what was written on it; nobody is told, as whoever asked for it forgets
    them, too. May be called again."""
    position: str | None = None
    while True:
        raws, rest = _page(member_id, position)
        for raw in raws:
            remove(Tasks, (raw["task_id"]["S"],))
        if rest is None:
            return
        position = str(rest["opened"]["S"])


def _page(member_id: str, position: str | None) -> tuple[list[read.Raw], Any]:
    """A page of the keys of a member's tasks behind a position, and the key at which the next one starts."""
    after: Any = None
    if position is not None:
        place = {"task_id": position.partition("|")[2], "member_id": member_id, "opened": position}
        after = {name: {"S": value} for name, value in place.items()}
    return read.query(Tasks, member_id, index=Tasks.by_member, limit=_PAGE, after=after)
