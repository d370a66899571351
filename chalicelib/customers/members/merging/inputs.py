"""What members and operators send about who is one person."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.customers.members.merging.rules import State
from chalicelib.platform.web.types import Cleaned, Id, PageQuery, Reason256

#: As it is read from the other phone.
Digits = Annotated[str, Meta(pattern=r"^[0-9]{6}$(?!\n)")]


class MergeInput(msgspec.Struct, forbid_unknown_fields=True):
    """The code that the other login of the same person was given."""

    code: Digits


class MergesQuery(PageQuery, kw_only=True):
    """In which state."""

    state: State = "candidate"


class OperatorsMergeInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"from_": "from"}):
    """Which two members are one person, and how that is known. `force` where both log in to the mini-program: then
    another operator has to agree."""

    from_: Id
    to: Id
    reason: Reason256
    force: bool = False


class DecisionInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether the two are one person, and how that is known."""

    decision: Literal["merge", "reject"]
    reason: Reason256
    force: bool = False


class DetachInput(Cleaned, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which identity is somebody else's (`identity_id` of the member's page), and why."""

    identity: Id
    reason: Reason256
