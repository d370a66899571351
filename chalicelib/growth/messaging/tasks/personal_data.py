"""What tasks keep of a person: shown to them, theirs whoever they turn out to be, and deleted with their account.

Nothing is handed on to who returns: nobody calls them for what they did before.
"""

from __future__ import annotations

from typing import Any

from chalicelib.customers.members.ports import DataOwner
from chalicelib.growth.messaging.tasks.queries import of_member
from chalicelib.growth.messaging.tasks.service import absorb, erase
from chalicelib.growth.messaging.tasks.views import task_of_mine

_PAGE = 100


def _tasks(member_id: str, position: Any) -> tuple[list[Any], Any]:
    found, position = of_member(member_id, _PAGE, position)
    return [task_of_mine(one) for one in found], position


DATA_OWNERS = (DataOwner("tasks", _tasks, absorb, erase=erase),)
