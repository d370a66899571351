"""What a member wants, as they see it."""

from __future__ import annotations

import msgspec

from chalicelib.customers.members.consents.rules import Consent


class Preferences(msgspec.Struct):
    """Whether offers may be chosen by what the member did and bought; and what they agreed to, with the time."""

    personalised: bool
    consents: list[Consent]
