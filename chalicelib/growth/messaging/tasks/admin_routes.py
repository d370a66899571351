"""Operators: what staff are to do for members, and what came of it."""

from __future__ import annotations

from chalicelib.growth.messaging.tasks import queries, service
from chalicelib.growth.messaging.tasks.inputs import CancelInput, DoneInput, TaskQuery, TasksQuery
from chalicelib.growth.messaging.tasks.rules import Task
from chalicelib.growth.messaging.tasks.views import TaskView, task_view, task_views
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.limits import PAGES_OF_PERSONS_PER_MINUTE, WHOLE_PERSONS_PER_HOUR
from chalicelib.platform.web.types import Page

READ, WRITE = "tasks.read", "tasks.write"
ONE = "/v1/admin/tasks/{task_id}"


@endpoint(
    "GET /v1/admin/tasks",
    OPERATOR,
    permission=READ,
    errors=("cursor_invalid",),
    per_minute=PAGES_OF_PERSONS_PER_MINUTE,
)
def list_tasks(call: Call, query: TasksQuery) -> Page[TaskView]:
    """Tasks in a state: what is open by when it is due, what has ended with the latest first; or those about one
    member, of which there is one page. Phones are masked. Up to 60 pages a minute and operator."""
    found, cursor = queries.page(query)
    call.outcome["shown"] = len(found)
    return Page(task_views(found), cursor)


@endpoint(f"GET {ONE}", OPERATOR, permission=READ, per_hour=WHOLE_PERSONS_PER_HOUR)
def open_one(call: Call, task_id: str, query: TaskQuery) -> TaskView:
    """One task, for a `purpose` that the log keeps; with the member's whole phone for who may end it, and so calls
    them, unless they want no calls by now. Up to 300 an hour and operator."""
    task = queries.load(task_id).value
    call.outcome.update(member_id=task.member_id, purpose=query.purpose)
    return task_view(task, whole_phone=WRITE in call.permissions)


@endpoint(f"POST {ONE}/done", OPERATOR, permission=WRITE, errors=("invalid", "task_closed", "conflict"))
def finish(call: Call, task_id: str, body: DoneInput) -> TaskView:
    """Note that a task was done, with one of its outcomes, which its journey goes on by. The same again is no error."""
    return _told(call, service.finish(task_id, body.outcome, body.note, call.caller))


@endpoint(f"POST {ONE}/cancel", OPERATOR, permission=WRITE, errors=("task_closed", "conflict"))
def cancel(call: Call, task_id: str, body: CancelInput) -> TaskView:
    """Give a task up. Twice is no error."""
    return _told(call, service.cancel(task_id, body.note, call.caller))


def _told(call: Call, task: Task) -> TaskView:
    """Show the task, and have the operators' log say whose it was, and what became of it."""
    call.outcome.update(member_id=task.member_id, state=task.state)
    return task_view(task)
