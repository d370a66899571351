"""Operators: one message to many members."""

from __future__ import annotations

from chalicelib.growth.messaging.sends import inputs, queries, service
from chalicelib.growth.messaging.sends.inputs import SendInput
from chalicelib.growth.messaging.sends.rules import Send
from chalicelib.growth.messaging.sends.views import SendCard, SendView, send_card, send_view
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.types import Page, PageQuery

READ, WRITE = "messages.read", "messages.write"
ONE = "/v1/admin/sends/{send_id}"


@endpoint(
    "POST /v1/admin/messages",
    OPERATOR,
    permission=WRITE,
    status=202,
    idempotent=True,
    errors=("invalid", "conflict"),
    body_max=inputs.BODY_MAX,
)
def send(call: Call, body: SendInput) -> SendView:
    """Write to each of these members, or to an audience, what the template says now; it goes on by itself. To more than
    1,000 members, with all that an operator has let out alone on the same day, it is `proposed`, and begins when
    another operator agrees. Of an audience it does not matter by what it was chosen: a message gives nothing away."""
    return _told(call, service.create(call.caller, call.idempotency_key, body))


@endpoint("GET /v1/admin/sends", OPERATOR, permission=READ, errors=("cursor_invalid",))
def list_sends(query: PageQuery) -> Page[SendCard]:
    """All sends, the newest first."""
    found, cursor = queries.page(query.limit, query.cursor)
    return Page([send_card(one) for one in found], cursor)


@endpoint(f"GET {ONE}", OPERATOR, permission=READ)
def get_send(send_id: str) -> SendView:
    """How far a send is, and what became of its messages."""
    return send_view(queries.load(send_id).value)


@endpoint(f"POST {ONE}/agree", OPERATOR, permission=WRITE, errors=("second_operator", "send_recalled", "conflict"))
def agree(call: Call, send_id: str) -> SendView:
    """Let a send out that another operator has proposed. Twice is no error."""
    return _told(call, service.agree(send_id, call.caller))


@endpoint(f"POST {ONE}/recall", OPERATOR, permission=WRITE, errors=("conflict",))
def recall(call: Call, send_id: str) -> SendView:
    """Call a send back: from the answer on none of its messages goes out, and those that wait are dropped soon. What
    was handed to a platform before cannot be called back. Twice is no error."""
    return _told(call, service.recall(send_id, call.caller))


def _told(call: Call, made: Send) -> SendView:
    """Show the send, and have the operators' log say which it is, and to how many."""
    shown = send_view(made)
    call.outcome.update(send_id=shown.send_id, total=shown.total, state=shown.state)
    return shown
