"""What users say of subscribe messages: what they let through counts, once for each time they said it. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Said(msgspec.Struct, frozen=True):
    """What a user said of one template of WeChat's; `mark` tells this time from others."""

    template_id: Annotated[str, Meta(min_length=1, max_length=64)]
    result: str
    mark: str

    @property
    def lets_through(self) -> bool:
        """Whether it lets one message through."""
        return self.result == "accept"
