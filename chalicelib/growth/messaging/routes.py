"""Members: what I want, what I let through, and what was sent to me. What these need is imported as they are called."""

from __future__ import annotations

from chalicelib.growth.messaging.allowances.inputs import SubscriptionsInput
from chalicelib.growth.messaging.preferences.inputs import PreferencesInput
from chalicelib.growth.messaging.preferences.views import PreferencesView
from chalicelib.growth.messaging.views import AllowanceView, OwnMessage, SubscriptionsView
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint
from chalicelib.platform.web.types import Page, PageQuery


@endpoint("GET /v1/me/preferences", MEMBER)
def preferences(call: Call) -> PreferencesView:
    """Read what I want, and what I have agreed to."""
    from chalicelib.growth.messaging.preferences import service

    return service.shown(call.caller)


@endpoint("PUT /v1/me/preferences", MEMBER, errors=("conflict", "invalid"))
def prefer(call: Call, body: PreferencesInput) -> PreferencesView:
    """Say by which media I want to be written to, whether with offers, in which hours not, and whether offers may be
    chosen for me by what I did and bought. What is left out stays.

    Who says nothing gets everything, but no offers by SMS or telephone: these want a true. Who says false of a medium
    gets nothing by it. Without `personalised`, offers for some segments of members are not for me; all others are.
    """
    from chalicelib.growth.messaging.preferences import service

    return service.prefer(call.caller, body)


@endpoint(
    "POST /v1/me/subscriptions",
    MEMBER,
    idempotent="optional",
    errors=("source_is_push", "invalid", "conflict"),
    per_minute=30,
)
def subscribe(call: Call, body: SubscriptionsInput) -> SubscriptionsView:
    """Tell what requestSubscribeMessage has answered: each accept lets one message through. `source_is_push` where
    WeChat tells the mall itself. Sent again with the same Idempotency-Key it counts once."""
    from chalicelib.growth.messaging.allowances import service

    results = [(one.template_id, one.result) for one in body.results]
    left = service.reported(call.caller, call.subject, call.idempotency_key, results)
    return SubscriptionsView([AllowanceView(one.template_id, one.left) for one in left])


@endpoint("GET /v1/me/messages", MEMBER, errors=("cursor_invalid",))
def my_messages(call: Call, query: PageQuery) -> Page[OwnMessage]:
    """The offers and hints that were sent to me, the latest first; notices of orders are not among them."""
    from chalicelib.growth.messaging.listing import service

    return Page(*service.own(call.caller, query.limit, query.cursor))


@endpoint("POST /v1/me/messages/{message_id}/open", MEMBER, status=204, errors=("not_found", "conflict"))
def open_message(call: Call, message_id: str) -> None:
    """Tell that I have opened a message. Told again it changes nothing."""
    from chalicelib.growth.messaging.listing import service

    service.opened(call.caller, message_id)
