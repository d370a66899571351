"""What operators send about templates and messages; what members do stands in preferences/ and allowances/."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.growth.messaging.rules import Medium, Purpose, State
from chalicelib.platform.web.types import Id, PageQuery, ShortText

#: What a message says: lines, as people write them.
MessageText = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$(?!\n)")]
VarName = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$(?!\n)")]
FieldName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.]{1,32}$(?!\n)")]
PlatformId = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_-]*$(?!\n)")]


class FormInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one medium carries it: the platform's own template (for SMS: its code), what stands in its fields (for SMS:
    its parameters), as text with {variables}, and the page of the mini-program that it opens."""

    template_id: PlatformId = ""
    fields: Annotated[dict[FieldName, Annotated[str, Meta(max_length=200)]], Meta(max_length=20)] = {}
    page: Annotated[str, Meta(max_length=200, pattern=r"^[A-Za-z0-9_/?&=%.-]*$(?!\n)")] = ""


class MessageTemplateInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template: by which medium it goes, or by which of several (the first that is allowed and reaches the member);
    what for; its text with {variables}, all of which stand in `vars`; and, where that is not enough, the form of each
    medium: the platform's own template and what stands in its fields."""

    name: ShortText
    medium: Medium | None = None
    media: Annotated[list[Medium], Meta(min_length=1, max_length=5)] | None = None
    purpose: Purpose
    text: MessageText
    vars: Annotated[list[VarName], Meta(max_length=20)] = []
    forms: Annotated[dict[Medium, FormInput], Meta(max_length=5)] = {}


class MessagesQuery(PageQuery, kw_only=True):
    """Which messages: those in a state, by a medium, of a journey, to a member; and queued before an instant."""

    state: State | UnsetType = UNSET
    medium: Medium | UnsetType = UNSET
    journey: Id | UnsetType = UNSET
    source: Annotated[str, Meta(max_length=80, pattern=r"^[a-z]+:[A-Za-z0-9_.-]+$(?!\n)")] | UnsetType = UNSET
    member_id: Id | UnsetType = UNSET
