"""What members are shown of what they want."""

from __future__ import annotations

import msgspec

from chalicelib.customers.members.consents.rules import Consent
from chalicelib.growth.messaging.rules import Choices, Preferences, QuietHours


class MediaView(msgspec.Struct, frozen=True):
    """By which media the member wants to be written to; null where they have not said: then everything comes by it, but
    by SMS and by telephone no offers."""

    subscribe: bool | None
    oa: bool | None
    wecom: bool | None
    sms: bool | None
    call: bool | None


class PreferencesView(msgspec.Struct, frozen=True, kw_only=True):
    """What the member wants: offers at all, chosen by what they did, by which media, and in which hours nothing beside
    the mall's own; and what they have agreed to."""

    marketing: bool
    personalised: bool
    media: MediaView
    quiet: QuietHours | None
    consents: list[Consent]


def media_view(choices: Choices) -> MediaView:
    """Show by which media a member wants to be written to."""
    return MediaView(**{name: getattr(choices, name) for name in MediaView.__struct_fields__})


def preferences_view(preferences: Preferences, personalised: bool, consents: list[Consent]) -> PreferencesView:
    """Show what a member wants."""
    return PreferencesView(
        marketing=preferences.marketing,
        personalised=personalised,
        media=media_view(preferences.media),
        quiet=preferences.quiet,
        consents=consents,
    )
