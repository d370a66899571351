"""What operators send to log in, and about operators."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.mall.operators.rules import OperatorName, Password
from chalicelib.platform.web.types import PageQuery

#: What is typed at a login is only compared; an old password may be shorter than a new one must be.
Typed = Annotated[str, Meta(min_length=1, max_length=128)]
Role = Annotated[str, Meta(min_length=1, max_length=32)]
Roles = Annotated[list[Role], Meta(min_length=1, max_length=16)]


class OperatorLoginInput(msgspec.Struct, forbid_unknown_fields=True):
    """Name and password."""

    name: OperatorName
    password: Typed


class OwnPasswordInput(msgspec.Struct, forbid_unknown_fields=True):
    """The password so far, and the new one."""

    password: Typed
    new_password: Password


class OperatorInput(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to appoint."""

    name: OperatorName
    password: Password
    roles: Roles


class OperatorChangeInput(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    roles: Roles | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    password: Password | UnsetType = UNSET


class AuditQuery(PageQuery, kw_only=True):
    """Which day (Asia/Shanghai; today when left out), and whose entries."""

    day: date | None = None
    operator: OperatorName | None = None
