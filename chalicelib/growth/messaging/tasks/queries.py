"""Reads of tasks."""

from __future__ import annotations

from typing import Any

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.finding.queries import by_phone_end, whoever_is
from chalicelib.customers.members.finding.rules import is_end, phone_end
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.messaging.refusals import NO_SUCH_TASK
from chalicelib.growth.messaging.tasks.inputs import TasksQuery
from chalicelib.growth.messaging.tasks.rules import Task
from chalicelib.growth.messaging.tasks.tables import Tasks
from chalicelib.platform.store import cursors, read
from chalicelib.platform.store.versioned import Versioned

#: Members whose phone ends so are looked at, at most: four digits are those of many.
_ENDS_MAX = 100


def load(task_id: str) -> Versioned[Task]:
    """Find a task with its version. Raises `not_found`."""
    item = read.get(Tasks, task_id)
    if item is None:
        raise MallError("not_found", errors=(NO_SUCH_TASK.at("task_id"),))
    return Versioned(item.task, int(item.version))


def of_member(member_id: str, limit: int, after: Any) -> tuple[list[Task], Any]:
    """List tasks about the member, the newest first, and where to go on (None: no more). From an index: one that was
    opened this moment may be missing."""
    page, rest = read.query(Tasks, member_id, index=Tasks.by_member, forward=False, limit=limit, after=after)
    return [one for one in _tasks(page) if one.member_id == member_id], rest


def page(query: TasksQuery) -> tuple[list[Task], str | None]:
    """List a page of the tasks in a state, open ones by when they are due, ended ones with the latest first; or of
    those about whom `q` finds. It is empty only where the list ends. Raises `cursor_invalid`."""
    if query.q is not None:
        return _about(query.q, query)
    listing = f"tasks:{query.state}:{query.assignee}"
    after = cursors.read(listing, query.cursor)
    found: list[Task] = []
    while True:
        some, after = _in_state(query, query.limit - len(found), after)
        found += some
        if after is None or len(found) >= query.limit:
            return found, cursors.write(listing, after)


def _in_state(query: TasksQuery, limit: int, after: Any) -> tuple[list[Task], Any]:
    is_open = query.state in ("open", "overdue")
    where = Tasks.due <= clock.stamp(clock.now()) + "~" if query.state == "overdue" else None
    raws, rest = read.query(
        Tasks, "open" if is_open else query.state, index=Tasks.by_due, where=where, forward=is_open, limit=limit,
        after=after,
    )  # fmt: skip
    return [one for one in _tasks(raws) if _matches(one, query)], rest


def _about(q: str, query: TasksQuery) -> tuple[list[Task], str | None]:
    """List tasks about the member of this id, or of all whose phone ends so; one page, and no more of them."""
    found: list[Task] = []
    for member in _members(q):
        after: Any = None
        while len(found) < query.limit:
            some, after = of_member(member.member_id, query.limit, after)
            found += [one for one in some if _matches(one, query)]
            if after is None:
                break
    return found[: query.limit], None


def _members(q: str) -> list[Profile]:
    asked = by_phone_end(q, _ENDS_MAX, None)[0] if is_end(q) else [q]
    members = [member for each in asked if (member := whoever_is(each)) is not None]
    return [one for one in members if one.phone is not None and phone_end(one.phone) == q] if is_end(q) else members


def _matches(task: Task, query: TasksQuery) -> bool:
    """Whether the task is on the list that is asked for: an index may be a moment behind."""
    state = "overdue" if query.state == "overdue" and task.is_overdue(clock.now()) else task.state
    return state == query.state and query.assignee in (None, task.assignee)


def _tasks(raws: list[read.Raw]) -> list[Task]:
    items = read.batch_get([(Tasks, (raw["task_id"]["S"],)) for raw in raws], consistent=False) if raws else []
    return [item.task for item in items if item is not None]
