"""What operators send about operators, and themselves."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.mall.operators.rules import NewName, OperatorName, Password
from chalicelib.mall.operators.sessions.inputs import Typed
from chalicelib.platform.web.types import PageQuery

Role = Annotated[str, Meta(min_length=1, max_length=32)]
Roles = Annotated[list[Role], Meta(min_length=1, max_length=16)]


class OwnPasswordInput(msgspec.Struct, forbid_unknown_fields=True):
    """The password so far, and the new one."""

    password: Typed
    new_password: Password


class OperatorInput(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to appoint."""

    name: NewName
    password: Password
    roles: Roles


class OperatorChangeInput(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    roles: Roles | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    #: Take the second factor away, of who has lost it: they set up another at their next login.
    drop_totp: bool = False


class AuditQuery(PageQuery, kw_only=True):
    """Which day (Asia/Shanghai; today when left out), and whose entries."""

    day: date | None = None
    operator: OperatorName | None = None
