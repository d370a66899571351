"""What operators ask of settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class SettingsQuery(msgspec.Struct):
    """As they were after so many changes (0: the defaults); as they are, where none is named."""

    version: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
