"""What shoppers send about their cart."""

from __future__ import annotations

import msgspec

from chalicelib.platform.web.types import Quantity


class CartLineInput(msgspec.Struct, forbid_unknown_fields=True):
    """How many of the SKU; whether it is selected for the order."""

    quantity: Quantity
    selected: bool | None = None
