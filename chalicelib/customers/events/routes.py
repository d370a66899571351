"""Events: what I do, told in batches."""

from __future__ import annotations

from chalicelib.customers.events import service
from chalicelib.customers.events.inputs import EventBatchInput
from chalicelib.customers.events.views import EventBatchView, batch_view
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint

#: Bytes of a batch.
_BATCH_MAX = 64 * 1024


@endpoint(
    "POST /v1/me/events",
    MEMBER,
    status=202,
    errors=("batch_reused", "conflict"),
    per_minute=60,
    body_max=_BATCH_MAX,
)
def take_events(call: Call, body: EventBatchInput) -> EventBatchView:
    """Tell what I did, in a batch; which events there are says docs/events.md.

    A batch is taken once: sent again under its `batch_id`, unchanged but for `sent_at`, it is answered as at first.
    Instants are the client's; the mall counts by how long before `sent_at` they lie. What of a batch is not taken is
    told event by event. On a day 256 KB are taken; beyond that it is 429 until the next.
    """
    return batch_view(service.take(call.caller, body))
