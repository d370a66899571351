"""Members say what they want; it holds for every message that is not reserved yet."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from chalicelib.core import clock
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.service import change_profile
from chalicelib.growth.messaging.contacts import queries
from chalicelib.growth.messaging.contacts import service as contacts
from chalicelib.growth.messaging.limits.rules import check_hours
from chalicelib.growth.messaging.preferences.inputs import PreferencesInput
from chalicelib.growth.messaging.preferences.rules import answers, stated
from chalicelib.growth.messaging.preferences.views import PreferencesView, preferences_view
from chalicelib.growth.messaging.rules import MEDIA, Contact, Preferences, Subject
from chalicelib.growth.messaging.settings import QUIET
from chalicelib.platform.store.transaction import Transaction


def shown(member_id: str) -> PreferencesView:
    """Show what the member wants. Raises `unauthenticated`."""
    profile = members.profile(member_id)
    return preferences_view(queries.reach(profile).contact.preferences, profile.personalised, profile.consents)


def prefer(member_id: str, asked: PreferencesInput) -> PreferencesView:
    """Keep what the member wants from now on. What they say at once is written at once. Raises `unauthenticated`,
    `invalid` where hardly an hour would be left, `conflict`."""
    if asked.quiet is not UNSET and asked.quiet is not None:
        check_hours([*QUIET.current().hours("sms", "marketing"), asked.quiet], "quiet")
    if asked.personalised is UNSET:
        contact = contacts.change(member_id, lambda before: _after(before, asked))
        profile = members.profile(member_id)
    else:
        profile, contact = _both(member_id, asked)
    return preferences_view(contact.preferences, profile.personalised, profile.consents)


def _both(member_id: str, asked: PreferencesInput) -> tuple[Profile, Contact]:
    """Write the profile and how the member may be written to in one transaction."""
    contact = Contact()

    def decide(member: Profile, tx: Transaction) -> Profile:
        nonlocal contact
        found = queries.stored(member_id)
        says: dict[Subject, bool | None] = {"personalised": asked.personalised is True}
        after = _after(found.value, asked)
        contact = stated(after, says, {"personalised": member.personalised}, clock.now(), "member")
        if contact is not found.value:
            contacts.write(tx, member_id, found.version, contact, with_profile=True)
        if asked.personalised is member.personalised and contact is found.value:
            return member
        return msgspec.structs.replace(member, personalised=asked.personalised)

    return change_profile(member_id, decide), contact


def _after(contact: Contact, asked: PreferencesInput) -> Contact:
    """What the contact is after what is asked, with when it was said; the same where it says nothing new."""
    before, says = contact.preferences, _said(asked)
    after = Preferences(
        marketing=before.marketing if asked.marketing is UNSET else asked.marketing,
        media=before.media if asked.media is UNSET else asked.media.applied(before.media),
        quiet=before.quiet if asked.quiet is UNSET else asked.quiet,
    )
    changed = contact if after == before else msgspec.structs.replace(contact, preferences=after)
    return stated(changed, says, answers(before), clock.now(), "member")


def _said(asked: PreferencesInput) -> dict[Subject, bool | None]:
    """List what is said of offers and media; what is left out is not said again."""
    said: dict[Subject, bool | None] = {} if asked.marketing is UNSET else {"marketing": asked.marketing}
    for medium in MEDIA:
        answer = UNSET if asked.media is UNSET else getattr(asked.media, medium)
        if answer is not UNSET:
            said[medium] = answer
    return said
