"""All settings as operators see them."""

from __future__ import annotations

from typing import Any

import msgspec


class AllSettings(msgspec.Struct):
    """Every section, by name."""

    sections: dict[str, Any]
