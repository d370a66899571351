"""What operators send to write to many members."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.growth.messaging.rules import Purpose
from chalicelib.platform.web.types import Id, Text256

#: Members that one request lists; with 25 characters an id they are 280 KB, so its body may be larger than others.
LISTED_MAX = 10_000
BODY_MAX = 384 * 1024

Members = Annotated[list[Id], Meta(min_length=1, max_length=LISTED_MAX)]
Name = Annotated[str, Meta(max_length=64)]


class SendInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The template, and who is written to: named members, or the list of an audience that was made before; with the
    values of the template's variables, the same for all. `purpose` is the template's. It begins at once, or at `at`;
    what cannot be sent within `expires_hours` of that is dropped."""

    template_id: Id
    members: Members | None = None
    audience_id: Id | None = None
    purpose: Purpose | None = None
    values: Annotated[dict[Name, Text256], Meta(max_length=20)] = {}
    at: Annotated[datetime, Meta(tz=True)] | None = None
    expires_hours: Annotated[int, Meta(ge=1, le=168)] = 24
