"""What messages owe to later: to be made, and to be sent. What follows from orders is sent with what else calls WeChat
for them; what very many get has a lane of its own, so that no mass of it stands before a refund."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import MANY, OUTSIDE, SENDS, handles

_PUSH = "chalicelib.growth.messaging.sending.service:push"

#: One notice of an order, a refund, a lobby or a coupon.
PUSH_NOTICE = handles("messaging.push_notice", _PUSH, OUTSIDE)
#: One that a journey or an operator sends.
PUSH = handles("messaging.push", _PUSH, SENDS)

_NOTICES = "chalicelib.growth.messaging.notices.service"
_SENDS = "chalicelib.growth.messaging.sends.service"

#: Notices are made: of what of an order's history there is to tell, of what a lobby lacks, and of a coupon, of which
#: many may come at once.
TELL_OF_ORDER = handles("messaging.tell_of_order", f"{_NOTICES}:tell_of_order", leased=False)
TELL_OF_LOBBY = handles("messaging.tell_of_lobby", f"{_NOTICES}:tell_of_lobby")
TELL_OF_COUPON = handles("messaging.tell_of_coupon", f"{_NOTICES}:tell_of_coupon", MANY, leased=False)
#: The messages of a part of a send are queued; or dropped, where it was called back.
SEND_PART = handles("messaging.send_part", f"{_SENDS}:send_part", MANY)
CALL_BACK = handles("messaging.call_back", f"{_SENDS}:call_back", MANY)
#: What a platform told of a message, which may not be known yet by the number that it names.
TAKE_RECEIPT = handles("messaging.take_receipt", "chalicelib.growth.messaging.hearing.service:take_receipt", MANY)
