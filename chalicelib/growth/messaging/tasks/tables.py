"""Tasks of the staff. Table `tasks`.

| who asks | how | units |
|---|---|---|
| open one | Update that leaves what is there, with its 2 indexes | 2 WRU per KB, 4 |
| one task | Get | 1 RRU |
| those in a state, by when they are due | Query by_due, BatchGet | 0.5 RRU per 4 KB, 0.5 each |
| a member's, newest first | Query by_member, BatchGet | the same |
| end one | Put under its version, with its state in the index | 2 WRU per KB, 4 |

Tasks are kept for 400 days after they were opened, as messages are.
"""

from __future__ import annotations

from datetime import timedelta

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.core import clock
from chalicelib.growth.messaging.tasks.rules import Task
from chalicelib.platform.store.base import Document, Table, TableMeta, name

KEPT = timedelta(days=400)


class ByDue(GlobalSecondaryIndex["Tasks"]):
    """The tasks in a state by when they are due."""

    class Meta:
        index_name = "by_due"
        projection = KeysOnlyProjection()

    state = UnicodeAttribute(hash_key=True)
    due = UnicodeAttribute(range_key=True)


class ByMember(GlobalSecondaryIndex["Tasks"]):
    """The tasks about a member by when they were opened."""

    class Meta:
        index_name = "by_member"
        projection = KeysOnlyProjection()

    member_id = UnicodeAttribute(hash_key=True)
    opened = UnicodeAttribute(range_key=True)


class Tasks(Table):
    """A task under its version."""

    class Meta(TableMeta):
        table_name = name("tasks")

    task_id = UnicodeAttribute(hash_key=True)
    task = Document(Task)
    version = NumberAttribute()
    state = UnicodeAttribute()
    due = UnicodeAttribute()
    member_id = UnicodeAttribute()
    opened = UnicodeAttribute()
    expires = TTLAttribute()

    by_due = ByDue()
    by_member = ByMember()


def task_item(task: Task, version: int) -> Tasks:
    """Make the item of a task."""
    return Tasks(
        task.task_id,
        task=task,
        version=version,
        state=task.state,
        due=f"{clock.stamp(task.due_at)}|{task.task_id}",
        member_id=task.member_id,
        opened=f"{clock.stamp(task.opened_at)}|{task.task_id}",
        expires=task.opened_at + KEPT,
    )
