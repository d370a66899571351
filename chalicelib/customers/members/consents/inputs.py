"""What members send about what they agree to and want."""

from __future__ import annotations

import msgspec


class PreferencesInput(msgspec.Struct, forbid_unknown_fields=True):
    """Whether offers may be chosen by what the member did."""

    personalised: bool
