"""What the mini-program tells of what its user let through."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

#: A template of WeChat's, as requestSubscribeMessage names it.
WechatTemplateId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]
#: What a user may say to a request of the mini-program's, by WeChat's words for it.
Result = Literal["accept", "reject", "ban", "filter"]


class SubscriptionResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the user said to one template of WeChat's."""

    template_id: WechatTemplateId
    result: Result


class SubscriptionsInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What requestSubscribeMessage has answered."""

    results: Annotated[list[SubscriptionResult], Meta(min_length=1, max_length=5)]
