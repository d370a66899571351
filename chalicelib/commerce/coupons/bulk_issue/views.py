"""How far issuing coupons to many members has come."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

State = Literal["running", "done", "sold_out", "over"]


class GrantMoreView(msgspec.Struct, kw_only=True):
    """How many members this request added to the list; who is named in it twice counts once."""

    grant_id: str
    template_id: str
    added: int


class GrantView(msgspec.Struct, kw_only=True):
    """How far a grant is: `done` members of `total` were `given` one or `skipped`, because they are not in the
    audience, have all they may, have one of this grant already, or are gone. Of a list `total` is how many were listed
    by now, of an audience or everybody null until all of them have been looked at. `done` means that all of them were
    reached; `sold_out` and `over` ended before that."""

    grant_id: str
    template_id: str
    state: State
    total: int | None
    done: int
    given: int
    skipped: int
    created_at: datetime
