"""What messages owe to later: to be sent. What follows from orders goes with what else calls WeChat for them; what very
many get has a lane of its own, so that no mass of it stands before a refund."""

from __future__ import annotations

from chalicelib.platform.jobs.declarations import OUTSIDE, SENDS, handles

_PUSH = "chalicelib.growth.messaging.sending.service:push"

#: One message of the purpose `transactional`.
PUSH_NOTICE = handles("messaging.push_notice", _PUSH, OUTSIDE)
#: One of any other purpose.
PUSH = handles("messaging.push", _PUSH, SENDS)
