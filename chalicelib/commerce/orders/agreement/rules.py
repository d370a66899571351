"""Which refunds two operators must agree on, and whether they have. Pure.

Above a sum of the settings an operator's decision to give money back is only the first of two. What one operator has
decided of an order counts together, so that splitting it does not evade the sum. The first decision is of an amount,
and of whether goods came back: when the second is asked for and either is another by then, that one is the first.

Who asks for their money back before anything is sent gets it without any operator; so nobody needs a second one for an
order whose lobby is still open, which can only be refunded whole.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.commerce.orders.refusals import ANOTHER_OPERATOR, refund_state
from chalicelib.commerce.orders.rules import Agreement, Order, Refund
from chalicelib.core.errors import MallError

#: Why a refund that an operator makes is only requested.
SECOND_OPERATOR = "second_operator"


def agreed(order: Order, refund: Refund, restock: bool, operator: str, above_fen: int | None, at: datetime) -> Refund:
    """Add an operator's decision to grant this refund, of the amount that it has now, to that of the first, if any.

    Raises `second_operator` where they are the first themselves, and another must agree.
    """
    decision = Agreement(by=operator, at=at, amount_fen=refund.amount_fen, restock=restock)
    first = next((one for one in refund.agreed if (one.amount_fen, one.restock) == (refund.amount_fen, restock)), None)
    if first is not None and first.by != operator:
        return msgspec.structs.replace(refund, agreed=[first, decision])
    after = msgspec.structs.replace(refund, agreed=[decision])
    if first is not None and waits(order, after, above_fen):
        raise MallError("second_operator", errors=(ANOTHER_OPERATOR.at("refund_id"),))
    return after


def waits(order: Order, refund: Refund, above_fen: int | None) -> bool:
    """Tell whether a refund, as its last decision has it, waits for another operator's. Amounts in fen; no sum: none
    does."""
    if above_fen is None or order.state == "awaiting_group" or len(refund.agreed) != 1:
        return False
    (decision,) = refund.agreed
    return decided_fen(order, decision.by, refund.refund_id) + decision.amount_fen > above_fen


def decided_fen(order: Order, operator: str, but: str = "") -> int:
    """Add up what an operator has decided to give back of the order, alone or with another, in fen; but for the refund
    of that id, and what was rejected."""
    return sum(
        decision.amount_fen
        for refund in order.refunds
        if refund.refund_id != but and refund.state != "rejected"
        for decision in refund.agreed
        if decision.by == operator
    )


def is_made_by_operator(refund: Refund) -> bool:
    """Tell whether an operator has made the refund that waits, or was rejected: no member has asked for it."""
    return refund.because == SECOND_OPERATOR


def made_by_operator(refund: Refund) -> Refund:
    """Keep a refund that an operator has made until another agrees."""
    return msgspec.structs.replace(refund, state="requested", first_state="requested", because=SECOND_OPERATOR)


def taken_back(refund: Refund, at: datetime) -> Refund:
    """Take the first decision back, and with it a refund that an operator has made; a refund without one stays as it
    is. Raises `order_state` when it is granted."""
    if refund.state == "rejected" or (refund.state == "requested" and not refund.agreed):
        return refund
    if refund.state != "requested":
        raise refund_state(refund.state, "reject")
    undecided = msgspec.structs.replace(refund, agreed=[])
    if not is_made_by_operator(refund):
        return undecided
    return msgspec.structs.replace(undecided, state="rejected", finished_at=at)
