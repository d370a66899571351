"""What members say of what they want."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.growth.messaging.rules import Choices, QuietHours


class PreferencesInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the member wants from now on; what is left out stays. `quiet` null takes the own quiet hours away."""

    marketing: bool | UnsetType = UNSET
    personalised: bool | UnsetType = UNSET
    media: ChoicesInput | UnsetType = UNSET
    quiet: QuietHours | UnsetType | None = UNSET


class ChoicesInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which media; what is left out stays, and null is not to have said anything."""

    subscribe: bool | UnsetType | None = UNSET
    oa: bool | UnsetType | None = UNSET
    wecom: bool | UnsetType | None = UNSET
    sms: bool | UnsetType | None = UNSET
    call: bool | UnsetType | None = UNSET

    def applied(self, choices: Choices) -> Choices:
        """Give the choices after what is said here."""
        said = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}
        return msgspec.structs.replace(choices, **said)
