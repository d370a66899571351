"""Members: what I agreed to, what I take back, and what I want."""

from __future__ import annotations

from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.consents import service
from chalicelib.customers.members.consents.inputs import PreferencesInput
from chalicelib.customers.members.consents.views import Preferences
from chalicelib.customers.members.rules import Profile
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint


@endpoint("GET /v1/me/preferences", MEMBER)
def preferences(call: Call) -> Preferences:
    """Read what I want, and what I have agreed to."""
    return _view(member_queries.profile(call.caller))


@endpoint("PUT /v1/me/preferences", MEMBER, errors=("conflict",))
def prefer(call: Call, body: PreferencesInput) -> Preferences:
    """Say whether offers may be chosen for me by what I did and bought. Without that, offers for some segments of
    members are not for me; all others are."""
    return _view(service.prefer(call.caller, body.personalised))


@endpoint("DELETE /v1/me/phone", MEMBER, errors=("conflict",))
def forget_phone(call: Call) -> None:
    """Take back my phone number. Orders keep the one of their receiver."""
    service.forget_phone(call.caller)


def _view(profile: Profile) -> Preferences:
    return Preferences(profile.personalised, profile.consents)
