"""What operators send about tasks."""

from __future__ import annotations

from typing import Literal

import msgspec

from chalicelib.growth.messaging.tasks.rules import Assignee
from chalicelib.platform.web.types import Cleaned, Line256, PageQuery, ShortText


class TasksQuery(PageQuery, kw_only=True):
    """Which tasks: in a state (`overdue`: open, and not done in time), whose; with `q` those about one member, by their
    id or by the four digits with which their phone ends."""

    state: Literal["open", "overdue", "done", "cancelled"] = "open"
    assignee: Assignee | None = None
    q: ShortText | None = None


class TaskQuery(msgspec.Struct, kw_only=True):
    """What a task, and with it its member, is looked at for; it stands in the operators' log."""

    purpose: Literal["service", "order", "risk", "marketing"]


class DoneInput(Cleaned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """With which of its outcomes a task was done, and what else there is to say of it."""

    outcome: ShortText
    note: Line256 = ""


class CancelInput(Cleaned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a task is given up."""

    note: Line256 = ""
